/* What every file of the node needs of it; see state.h. */
#include "node/state.h"

Driver *driver_of(const Node *node, const InstanceSpec *spec)
{
  (void)spec; /* NULL = not known, of an instance whose file cannot be read */
  return node->driver;
}

void node_event(Node *node, const NodeEvent *event, Frame *frame)
{
  dispatch_event(node->dispatch, event, frame);
}

Runner *node_runner(Node *node, const char *id, bool make)
{
  Runner *runner = g_hash_table_lookup(node->runners, id);
  if (runner || !make)
    return runner;
  runner = g_new0(Runner, 1);
  runner->node = node;
  runner->id = g_strdup(id);
  runner->directory = g_build_filename(node->instances_dir, id, NULL);
  g_hash_table_insert(node->runners, runner->id, runner);
  return runner;
}

void node_send_frame(Node *node, const Frame *frame)
{
  g_autofree char *text = frame_write(frame);
  if (node->send)
    node->send(text, node->send_data);
}

const char *node_user_of(const Node *node, const InstanceSpec *spec)
{
  return spec->user ? spec->user : node->agents_user;
}
