/* Ordered map of text; see job.h. Maps are small, so look-up walks the pairs. */
#include "model/job.h"

#include <string.h>

static void strmap_pair_clear(gpointer data)
{
  StrPair *pair = data;
  g_free(pair->key);
  g_free(pair->value);
}

void strmap_init(StrMap *map)
{
  map->pairs = g_array_new(FALSE, FALSE, sizeof(StrPair));
  g_array_set_clear_func(map->pairs, strmap_pair_clear);
}

void strmap_done(StrMap *map)
{
  if (map->pairs)
    g_array_unref(map->pairs);
  map->pairs = NULL;
}

static StrPair *strmap_find(const StrMap *map, const char *key)
{
  for (guint i = 0; i < map->pairs->len; i++) {
    StrPair *pair = &g_array_index(map->pairs, StrPair, i);
    if (strcmp(pair->key, key) == 0)
      return pair;
  }
  return NULL;
}

void strmap_set_from(StrMap *map, const char *key, ValueFrom from, const char *value)
{
  StrPair *found = strmap_find(map, key);
  if (found) {
    char *copy = g_strdup(value);
    g_free(found->value);
    found->value = copy;
    found->from = from;
    return;
  }
  StrPair pair = {.key = g_strdup(key), .value = g_strdup(value), .from = from};
  g_array_append_val(map->pairs, pair);
}

void strmap_set(StrMap *map, const char *key, const char *value)
{
  strmap_set_from(map, key, VALUE_TEXT, value);
}

void strmap_merge(StrMap *to, const StrMap *from)
{
  for (guint i = 0; i < strmap_size(from); i++)
    strmap_set_from(to, strmap_at(from, i)->key, strmap_at(from, i)->from,
                    strmap_at(from, i)->value);
}

bool strmap_has(const StrMap *map, const char *key)
{
  return strmap_find(map, key) != NULL;
}

const char *strmap_get(const StrMap *map, const char *key)
{
  const StrPair *found = strmap_find(map, key);
  return found && found->from == VALUE_TEXT ? found->value : NULL;
}

guint strmap_size(const StrMap *map)
{
  return map->pairs->len;
}

const StrPair *strmap_at(const StrMap *map, guint i)
{
  g_assert(i < map->pairs->len);
  return &g_array_index(map->pairs, StrPair, i);
}
