/* Merge keys, "<<: *base" and "<<: [*a, *b]": a mapping is given the pairs of others that it does
 * not have itself. Done here and not by libfyaml, which takes an own key of the same name for a
 * duplicate. */
#include "formats/job_reader.h"
#include "formats/job_tree.h"
#include "model/limit_words.h"

#include <string.h>

typedef struct TreeMerge {
  struct fy_document *document;
  const char *file;
  Problems *problems;
} TreeMerge;

static bool merge_is_key(struct fy_node *key)
{
  size_t length = 0;
  const char *text = key && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &length) : NULL;
  struct fy_token *token = text ? fy_node_get_scalar_token(key) : NULL;
  return token && length == 2 && memcmp(text, "<<", 2) == 0 &&
         fy_token_scalar_style(token) == FYSS_PLAIN;
}

static char *merge_name(struct fy_node *key)
{
  size_t length = 0;
  const char *text = key ? fy_node_get_scalar(key, &length) : NULL;
  return g_strndup(text ? text : "", text ? length : 0);
}

static struct fy_node_pair *merge_pair_of(struct fy_node *mapping)
{
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(mapping, &iter); pair;
       pair = fy_node_mapping_iterate(mapping, &iter))
    if (merge_is_key(fy_node_pair_key(pair)))
      return pair;
  return NULL;
}

static GHashTable *merge_keys_of(struct fy_node *mapping)
{
  GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(mapping, &iter); pair;
       pair = fy_node_mapping_iterate(mapping, &iter))
    g_hash_table_add(keys, merge_name(fy_node_pair_key(pair)));
  return keys;
}

/* Copies the pairs of @source (a mapping, or an alias of one that was merged before) whose keys are
 * not among @keys to the end of @mapping.
 */
static void merge_from(TreeMerge *merge, struct fy_node *mapping, struct fy_node *source,
                       GHashTable *keys)
{
  struct fy_node *from =
      source && fy_node_is_alias(source) ? fy_node_resolve_alias(source) : source;
  if (!from || !fy_node_is_mapping(from)) {
    problems_add(merge->problems, PROBLEM_ERROR,
                 job_tree_pos(merge->file, source ? source : mapping),
                 "'<<': wanted a mapping, as in <<: *base, or a list of mappings");
    return;
  }
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(from, &iter); pair;
       pair = fy_node_mapping_iterate(from, &iter)) {
    if (!g_hash_table_add(keys, merge_name(fy_node_pair_key(pair))))
      continue;
    /* libfyaml compares each new key with all others */
    if (!limit_holds(LIMIT_JOB_FILE_MAP, g_hash_table_size(keys), merge->problems,
                     job_tree_pos(merge->file, mapping), "'<<'"))
      return;
    struct fy_node *key = fy_node_copy(merge->document, fy_node_pair_key(pair)),
                   *value = fy_node_copy(merge->document, fy_node_pair_value(pair));
    if (fy_node_mapping_append(mapping, key, value) == 0)
      continue;
    fy_node_free(key);
    fy_node_free(value);
  }
}

static void merge_mapping(TreeMerge *merge, struct fy_node *mapping)
{
  struct fy_node_pair *pair = merge_pair_of(mapping);
  if (!pair)
    return;
  g_autoptr(GHashTable) keys = merge_keys_of(mapping);
  struct fy_node *value = fy_node_pair_value(pair);
  void *iter = NULL;
  if (value && fy_node_is_sequence(value) && !fy_node_is_alias(value))
    for (struct fy_node *item = fy_node_sequence_iterate(value, &iter); item;
         item = fy_node_sequence_iterate(value, &iter))
      merge_from(merge, mapping, item, keys);
  else
    merge_from(merge, mapping, value, keys);
  fy_node_free(fy_node_mapping_remove_by_key(mapping, fy_node_pair_key(pair)));
}

/* In the order of the document, for an alias stands behind what it names; children first, for a
 * mapping may be merged into its parent. Recursion ends: the parser admits no more than
 * JOB_FILE_DEPTH_MAX levels. */
static void merge_node(TreeMerge *merge, struct fy_node *node)
{
  void *iter = NULL;
  if (!node || fy_node_is_alias(node) || fy_node_is_scalar(node))
    return;
  if (fy_node_is_sequence(node)) {
    for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item;
         item = fy_node_sequence_iterate(node, &iter))
      merge_node(merge, item);
    return;
  }
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter); pair;
       pair = fy_node_mapping_iterate(node, &iter))
    merge_node(merge, fy_node_pair_value(pair));
  merge_mapping(merge, node);
}

bool job_tree_merge(struct fy_document *document, const char *file, Problems *problems)
{
  TreeMerge merge = {document, file, problems};
  int before = problems->errors;
  merge_node(&merge, fy_document_root(document));
  return problems->errors == before;
}
