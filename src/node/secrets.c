/* The environment that an agent is given and nobody writes down: the values that the server sent,
 * and the files that the instance's spec names. */
#include "node/secrets.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { SECRET_FILE_MAX = 64 * 1024 };

/* "KEY=value" of one reference, or NULL. */
static char *secrets_value(const char *reference, const json_t *given, GError **error)
{
  const char *equals = strchr(reference, '='), *from = equals ? equals + 1 : "";
  g_autofree char *key =
      g_strndup(reference, equals ? (gsize)(equals - reference) : strlen(reference));
  /* all others are the server's business, also those that it learns later */
  bool is_file = g_str_has_prefix(from, "file:");
  const char *value = is_file ? NULL : jget_str(given, key, NULL);
  char *file = is_file ? fs_read_value(from + strlen("file:"), SECRET_FILE_MAX, error) : NULL;
  char *pair = value || file ? g_strconcat(key, "=", value ? value : file, NULL) : NULL;
  text_wipe(file);
  if (pair)
    return pair;
  if (error && *error)
    g_prefix_error(error, "variable '%s': ", key);
  else
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "variable '%s': the server gave no value",
                key);
  return NULL;
}

void secrets_wipe(char **pairs)
{
  for (size_t i = 0; pairs && pairs[i]; i++)
    explicit_bzero(pairs[i], strlen(pairs[i]));
  g_strfreev(pairs);
}

static char **secrets_collect(const InstanceSpec *spec, const json_t *given, GError **error)
{
  guint n = g_strv_length(spec->references);
  char **pairs = g_new0(char *, n + 1);
  for (guint i = 0; i < n; i++) {
    pairs[i] = secrets_value(spec->references[i], given, error);
    if (!pairs[i]) {
      secrets_wipe(pairs);
      return NULL;
    }
  }
  return pairs;
}

char **secrets_values(const InstanceSpec *spec, const Frame *frame, GError **error)
{
  if (frame->error || !frame->data) {
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                        frame->error ? frame->error : "the server gave no values");
    return NULL;
  }
  json_t *given = json_parse(frame->data, strlen(frame->data), error);
  char **pairs = given ? secrets_collect(spec, given, error) : NULL;
  json_decref(given);
  explicit_bzero(frame->data, strlen(frame->data));
  return pairs;
}
