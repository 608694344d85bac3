/* Which node an instance goes to. One function, so that pools and constraints find their place
 * here. */
#include "core/place.h"

#include "core/state.h"

NodeObject *place_choose(const Core *core, const Instance *instance)
{
  NodeObject *present = instance->node;
  if (present && present->status != NODE_LOST)
    return present; /* an instance stays where its port and its files are */
  NodeObject *best = NULL;
  for (guint i = 0; i < core_nodes(core)->len; i++) {
    NodeObject *node = core_nodes(core)->pdata[i];
    if (node->status != NODE_ONLINE)
      continue;
    if (!best || node->instances->len < best->instances->len)
      best = node;
  }
  return best;
}
