/* Where something of a parsed document stands in its text: for what reads the tree, and for what
 * checks and merges it before. */
#include "formats/job_reader.h"
#include "formats/job_tree.h"

static struct fy_token *tree_token(struct fy_node *node)
{
  for (int depth = 0; node && depth < JOB_FILE_DEPTH_MAX; depth++) {
    if (fy_node_is_scalar(node))
      return fy_node_get_scalar_token(node);
    void *iter = NULL;
    if (fy_node_is_mapping(node)) {
      struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter);
      node = pair ? fy_node_pair_key(pair) : NULL;
    } else {
      node = fy_node_sequence_iterate(node, &iter);
    }
  }
  return NULL;
}

/* The key of @parent whose value is @node, or NULL. */
static struct fy_node *tree_key_of(struct fy_node *parent, const struct fy_node *node)
{
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(parent, &iter); pair;
       pair = fy_node_mapping_iterate(parent, &iter))
    if (fy_node_pair_value(pair) == node)
      return fy_node_pair_key(pair);
  return NULL;
}

SourcePos job_tree_pos(const char *file, struct fy_node *node)
{
  struct fy_token *token = tree_token(node);
  for (int depth = 0; node && !token && depth < JOB_FILE_DEPTH_MAX; depth++) {
    struct fy_node *parent = fy_node_get_parent(node);
    token = parent && fy_node_is_mapping(parent) ? tree_token(tree_key_of(parent, node))
                                                 : tree_token(parent);
    node = parent;
  }
  const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
  return (SourcePos){
      .file = file, .line = mark ? mark->line + 1 : 1, .column = mark ? mark->column + 1 : 1};
}
