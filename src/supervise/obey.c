/* Store, term, and refusals from either side. */
#include "supervise/obey.h"

#include "supervise/alone.h"

static void obey_keep(Supervisor *supervisor)
{
  act(supervisor, NODE_ACTION_KEEP_IDENTITY, NULL)->text =
      node_identity_write(&supervisor->identity);
}

/* Said once, not at each try. There is a server, which does not want us: that another one stays
 * away means nothing then. */
void obey_refused(Supervisor *supervisor, const char *why)
{
  alone_end(supervisor);
  const char *reason = why ? why : "no reason is given";
  supervisor->refused = true;
  supervisor->refused_boot_ms = supervisor->now.boot_ms + SUPERVISOR_REFUSED_MS;
  if (g_strcmp0(supervisor->refusal, reason) == 0)
    return;
  g_free(supervisor->refusal);
  supervisor->refusal = g_strdup(reason);
  act(supervisor, NODE_ACTION_REFUSED, NULL)->text = g_strdup(reason);
}

bool obey_asks_again(Supervisor *supervisor)
{
  if (!supervisor->link || !supervisor->refused ||
      supervisor->refused_boot_ms > supervisor->now.boot_ms)
    return false;
  supervisor->refused = false;
  return true;
}

/* True when the server of a welcome is not ours. What holds nothing goes with any server, and
 * forgets the terms of the former store. */
static bool obey_is_foreign(Supervisor *supervisor, const Frame *welcome)
{
  NodeIdentity *own = &supervisor->identity;
  if (!welcome->store || g_strcmp0(welcome->store, own->store) == 0)
    return false;
  if (own->store[0] && g_hash_table_size(supervisor->instances)) {
    g_autofree char *why =
        g_strdup_printf("what is held here belongs to another store (%.8s, the server's is %.8s)",
                        own->store, welcome->store);
    obey_refused(supervisor, why);
    return true;
  }
  g_strlcpy(own->store, welcome->store, sizeof own->store);
  own->term = 0;
  return false;
}

/* A welcome takes this node in, so that it may go on without a server for once. */
static void obey_take_in(NodeIdentity *own, const Frame *welcome)
{
  own->lease_ms = welcome->lease_ms ? welcome->lease_ms : own->lease_ms;
  own->copied = false;
}

/* The term of another store's server is not looked at: it says nothing here. */
bool obey_frame(Supervisor *supervisor, const Frame *frame)
{
  NodeIdentity *own = &supervisor->identity, former = *own;
  if (supervisor->refused || (frame->type == FRAME_WELCOME && obey_is_foreign(supervisor, frame)))
    return false;
  if (frame->type == FRAME_UNKNOWN) /* of a later release: it is answered, not followed */
    return true;
  if (frame->term < own->term)
    return false;
  own->term = MAX(own->term, frame->term);
  if (frame->type == FRAME_WELCOME) {
    obey_take_in(own, frame);
    g_clear_pointer(&supervisor->refusal, g_free);
  }
  bool same = own->term == former.term && own->lease_ms == former.lease_ms &&
              own->copied == former.copied && g_strcmp0(own->store, former.store) == 0;
  if (!same)
    obey_keep(supervisor);
  return true;
}
