/* One linear walk over a parsed document before anything reads it: duplicate keys, NUL characters,
 * and how much its aliases would stand for once expanded, so that a few bytes never become
 * gigabytes. */
#include "formats/job_reader.h"
#include "formats/job_tree.h"
#include "model/limit_words.h"

#include <string.h>

/* Size of a node with its aliases expanded. */
typedef struct Extent {
  guint64 nodes; /* itself and all below; ends at EXTENT_MAX */
  int height;    /* levels, 1 = a text */
} Extent;

enum { EXTENT_MAX = 1 << 30, KEYS_COMPARED = 16 };

typedef struct TreeWalk {
  const char *file;
  Problems *problems;
  GHashTable *names;   /* node -> its anchor's name; NULL when there is no anchor */
  GHashTable *extents; /* anchor's name -> Extent*, once its node was walked */
  guint64 visited;
  int aliases;
  struct fy_node *first_alias;
} TreeWalk;

typedef struct TreeKey {
  const char *text; /* borrowed, not NUL-terminated */
  size_t length;
} TreeKey;

G_GNUC_PRINTF(3, 4)
static void walk_error(TreeWalk *walk, struct fy_node *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  problems_add(walk->problems, PROBLEM_ERROR, job_tree_pos(walk->file, at), "%s", text);
}

static char *walk_text(struct fy_node *node)
{
  size_t length = 0;
  const char *text = fy_node_get_scalar(node, &length);
  return g_strndup(text ? text : "", text ? length : 0);
}

/* The key of @pair, or false after a problem. */
static bool walk_key(TreeWalk *walk, struct fy_node_pair *pair, TreeKey *key)
{
  struct fy_node *node = fy_node_pair_key(pair);
  if (node && (!fy_node_is_scalar(node) || fy_node_is_alias(node))) {
    walk_error(walk, node, "a key must be a text");
    return false;
  }
  key->length = 0;
  key->text = node ? fy_node_get_scalar(node, &key->length) : NULL;
  if (!key->text)
    *key = (TreeKey){"", 0};
  if (!memchr(key->text, '\0', key->length))
    return true;
  walk_error(walk, node, "a key holds a NUL character");
  return false;
}

static void walk_twice(TreeWalk *walk, struct fy_node_pair *pair, TreeKey key)
{
  g_autofree char *name = g_strndup(key.text, key.length);
  walk_error(walk, fy_node_pair_key(pair), "duplicate key '%s'", name);
}

/* Is @key among the keys seen? Pairwise for the few keys of most mappings, a hash table beyond. */
static bool walk_seen(TreeKey *keys, int n, GHashTable **table, TreeKey key)
{
  for (int i = 0; i < MIN(n, KEYS_COMPARED); i++)
    if (keys[i].length == key.length && memcmp(keys[i].text, key.text, key.length) == 0)
      return true;
  if (n < KEYS_COMPARED) {
    keys[n] = key;
    return false;
  }
  if (!*table)
    *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return !g_hash_table_add(*table, g_strndup(key.text, key.length));
}

static void walk_keys(TreeWalk *walk, struct fy_node *mapping)
{
  TreeKey keys[KEYS_COMPARED];
  g_autoptr(GHashTable) table = NULL;
  int n = 0;
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(mapping, &iter); pair;
       pair = fy_node_mapping_iterate(mapping, &iter)) {
    TreeKey key;
    if (!walk_key(walk, pair, &key))
      continue;
    if (walk_seen(keys, n, &table, key))
      walk_twice(walk, pair, key);
    else
      n++;
  }
}

static Extent walk_alias(TreeWalk *walk, struct fy_node *node, int depth)
{
  g_autofree char *name = walk_text(node);
  const Extent *extent = walk->extents ? g_hash_table_lookup(walk->extents, name) : NULL;
  if (walk->aliases++ == 0)
    walk->first_alias = node;
  if (!extent) {
    walk_error(walk, node, "alias '*%s' names nothing that stands before it", name);
    return (Extent){1, 1};
  }
  if (depth + extent->height > JOB_FILE_DEPTH_MAX)
    walk_error(walk, node, "nested deeper than %d levels by alias '*%s'", JOB_FILE_DEPTH_MAX, name);
  return *extent;
}

static Extent walk_node(TreeWalk *walk, struct fy_node *node, int depth);

static void walk_child(TreeWalk *walk, struct fy_node *child, int depth, Extent *parent)
{
  Extent extent = walk_node(walk, child, depth + 1);
  parent->nodes = MIN(parent->nodes + extent.nodes, EXTENT_MAX);
  parent->height = MAX(parent->height, extent.height + 1);
}

static Extent walk_children(TreeWalk *walk, struct fy_node *node, int depth)
{
  Extent extent = {1, 1};
  void *iter = NULL;
  if (fy_node_is_mapping(node)) {
    walk_keys(walk, node);
    for (struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter); pair;
         pair = fy_node_mapping_iterate(node, &iter))
      walk_child(walk, fy_node_pair_value(pair), depth, &extent);
  } else {
    for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item;
         item = fy_node_sequence_iterate(node, &iter))
      walk_child(walk, item, depth, &extent);
  }
  return extent;
}

/* Recursion ends: the parser admits no more than 64 levels. */
static Extent walk_node(TreeWalk *walk, struct fy_node *node, int depth)
{
  walk->visited++;
  if (!node)
    return (Extent){1, 1};
  if (fy_node_is_alias(node))
    return walk_alias(walk, node, depth);
  Extent extent = {1, 1};
  if (fy_node_is_scalar(node)) {
    size_t length = 0;
    const char *text = fy_node_get_scalar(node, &length);
    if (text && memchr(text, '\0', length))
      walk_error(walk, node, "a text holds a NUL character");
  } else {
    extent = walk_children(walk, node, depth);
  }
  const char *name = walk->names ? g_hash_table_lookup(walk->names, node) : NULL;
  if (name)
    g_hash_table_replace(walk->extents, g_strdup(name), g_memdup2(&extent, sizeof extent));
  return extent;
}

static void walk_anchors(TreeWalk *walk, struct fy_document *document)
{
  void *iter = NULL;
  for (struct fy_anchor *anchor = fy_document_anchor_iterate(document, &iter); anchor;
       anchor = fy_document_anchor_iterate(document, &iter)) {
    size_t length = 0;
    const char *text = fy_anchor_get_text(anchor, &length);
    if (!walk->names) {
      walk->names = g_hash_table_new_full(NULL, NULL, NULL, g_free);
      walk->extents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    g_hash_table_insert(walk->names, fy_anchor_node(anchor), g_strndup(text, length));
  }
}

bool job_tree_check(struct fy_document *document, const char *file, Problems *problems,
                    int *aliases)
{
  TreeWalk walk = {.file = file, .problems = problems};
  int before = problems->errors;
  walk_anchors(&walk, document);
  Extent all = walk_node(&walk, fy_document_root(document), 0);
  guint64 stand_for = all.nodes > walk.visited ? all.nodes - walk.visited : 0;
  SourcePos first = job_tree_pos(file, walk.first_alias);
  if (limit_holds(LIMIT_JOB_FILE_ALIASES, walk.aliases, problems, first, "the file"))
    limit_holds(LIMIT_JOB_FILE_ALIAS_NODES, (int64_t)stand_for, problems, first,
                "what its aliases stand for");
  g_clear_pointer(&walk.names, g_hash_table_unref);
  g_clear_pointer(&walk.extents, g_hash_table_unref);
  *aliases = walk.aliases;
  return problems->errors == before;
}
