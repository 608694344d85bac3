/* `reeve node reset`: a node whose server is gone for good is freed of it. Plays the server for
 * once: hears what the node holds and has all of it forgotten. */
#include "base/clock.h"
#include "base/error.h"
#include "node/identity.h"
#include "node/node.h"
#include "supervise/supervise.h"

#include <string.h>

enum { RESET_LOOK_MS = 100 };

typedef struct Reset {
  Loop *loop;
  Node *node;
  LoopTimer *timer;
  int64_t term;     /* that the node obeys */
  GPtrArray *pages; /* of char*: FORGET frames that answer what it told */
  bool heard;       /* its whole list */
  guint ended;
  NodeResetTold told;
  void *data;
} Reset;

/* No epoch of a server is later than this one. */
static void reset_answer(Reset *reset, const Frame *list)
{
  g_autoptr(Frame) forget = frame_new(FRAME_FORGET);
  forget->term = reset->term;
  for (guint i = 0; i < list->reports->len; i++) {
    const InstanceReport *report = list->reports->pdata[i];
    g_ptr_array_add(forget->instructions, instruction_new(report->id, INT64_MAX / 2, 1));
  }
  reset->ended += list->reports->len;
  reset->heard = !list->more;
  if (list->reports->len)
    g_ptr_array_add(reset->pages, frame_write(forget));
}

/* What the node sends; it is answered from the timer, never from inside its own event. */
static void reset_hears(const char *text, void *data)
{
  Reset *reset = data;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  if (frame && (frame->type == FRAME_HELLO || frame->type == FRAME_LIST))
    reset_answer(reset, frame);
}

static void reset_look(void *data)
{
  Reset *reset = data;
  for (guint i = 0; i < reset->pages->len; i++)
    node_receive(reset->node, reset->pages->pdata[i], strlen(reset->pages->pdata[i]));
  g_ptr_array_set_size(reset->pages, 0);
  guint left = node_size(reset->node);
  if (reset->heard && left == 0) {
    loop_stop(reset->loop);
    return;
  }
  if (reset->heard && reset->told)
    reset->told(left, reset->data);
  loop_timer_set(reset->timer, clock_boot_ms() + RESET_LOOK_MS);
}

/* The next start draws a new incarnation. */
static bool reset_identity(const char *state_dir, GError **error)
{
  g_autofree char *text = node_identity_write(&(NodeIdentity){0});
  return node_identity_keep(state_dir, text, error);
}

bool node_reset(const NodeConfig *config, NodeResetTold told, void *data, guint *ended,
                GError **error)
{
  NodeConfig own = *config;
  own.resets = true;
  Reset reset = {.loop = loop_new(), .told = told, .data = data};
  reset.node = node_new(reset.loop, &own, error);
  bool ok = reset.node != NULL;
  if (ok) {
    reset.term = node_term(reset.node);
    reset.pages = g_ptr_array_new_with_free_func(g_free);
    reset.timer = loop_timer_new(reset.loop, reset_look, &reset);
    loop_timer_set(reset.timer, clock_boot_ms());
    node_link_up(reset.node, reset_hears, &reset);
    loop_run(reset.loop);
    ok = reset_identity(config->state_dir, error); /* under the lock that the node holds */
    loop_timer_free(reset.timer);
    node_free(reset.node);
    g_ptr_array_unref(reset.pages);
  }
  loop_free(reset.loop);
  *ended = reset.ended;
  return ok;
}
