/* The link between node and server: frames keep their order, arrive late, twice, or not at all.
 * After a lost frame nothing of that direction arrives any more, as on a connection whose other end
 * is gone, until one of the two notices or the node dials anew. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

enum { LINK_SHOWN = 4000, LINK_LATE_MS = 4000, LINK_NOTICED_MS = 30000 };

static void link_at_node(Sim *sim, void *data)
{
  Frame *frame = frame_parse(data, strlen(data), NULL);
  if (!frame)
    g_error("frame that does not parse: %s", (const char *)data);
  sim_node_frame(sim, frame);
}

static void link_at_server(Sim *sim, void *data)
{
  Frame *parsed = frame_parse(data, strlen(data), NULL);
  if (!parsed)
    g_error("frame that does not parse: %s", (const char *)data);
  g_autoptr(GError) error = NULL;
  bool expected =
      sim->join.hello || parsed->type != FRAME_LIST; /* else the hello itself was lost */
  g_autoptr(Frame) frame = frame_join_feed(&sim->join, parsed, strlen(data), &error);
  if (error && expected)
    sim_break(sim, "pages of a hello: %s", error->message);
  Command command = {
      .type = COMMAND_NODE_FRAME, .node = "local", .actor = "node:local", .frame = frame};
  if (!frame || !sim->server_up)
    return;
  sim->greeted = sim->greeted || frame->type == FRAME_HELLO;
  if (sim->greeted) /* as the server's hub does: nothing counts before the hello */
    sim_apply(sim, &command);
}

static void link_noticed(Sim *sim, void *data)
{
  (void)data;
  sim_link_break(sim);
}

static void link_arrives(Sim *sim, SimWay way, int64_t delay_ms, const char *text)
{
  sim->arrives_at[way] = MAX(sim->arrives_at[way], sim->boot_ms + delay_ms);
  sim_at(sim, sim->arrives_at[way] - sim->boot_ms, LIVES_WITH_LINK,
         way == TO_NODE ? link_at_node : link_at_server, g_strdup(text), g_free);
}

/* One item may be larger than a page, two may not: unless they are answered as one. */
static void link_check_size(Sim *sim, const char *text)
{
  if (!sim->page_bytes || strlen(text) <= sim->page_bytes)
    return;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  if (frame->reports->len > 1 || frame->instructions->len > 1)
    if (frame->type != FRAME_RESERVE)
      sim_break(sim, "a frame of %zu bytes", strlen(text));
}

void sim_send(Sim *sim, SimWay way, const char *text)
{
  link_check_size(sim, text);
  sim_digest_text(&sim->digest, way == TO_NODE ? "-> node" : "-> server");
  sim_digest_text(&sim->digest, text);
  if (sim->verbose)
    printf("%8" G_GINT64_FORMAT " %s %s%.*s\n", sim->boot_ms,
           way == TO_NODE ? "-> node" : "-> server",
           sim->link_up && !sim->lossy[way] ? "" : "LOST ", LINK_SHOWN, text);
  if (!sim->link_up || sim->lossy[way])
    return;
  if (sim_fault_chance(sim, sim->rates.lost)) {
    sim_say(sim, "frames to the %s are lost", way == TO_NODE ? "node" : "server");
    sim->lossy[way] = true;
    sim_at(sim, 1 + sim_below(sim, LINK_NOTICED_MS), LIVES_WITH_LINK, link_noticed, NULL, NULL);
    return;
  }
  link_arrives(sim, way,
               sim_fault_chance(sim, sim->rates.late) ? 1 + sim_below(sim, LINK_LATE_MS) : 1, text);
  if (sim_fault_chance(sim, sim->rates.repeated))
    link_arrives(sim, way, 1, text);
}

static void link_down(Sim *sim, bool server_knows)
{
  if (!sim->link_up)
    return;
  sim->link_up = sim->greeted = false;
  sim->lives[LIVES_WITH_LINK]++;
  frame_join_clear(&sim->join);
  if (sim->server_up && server_knows) {
    Command gone = {.type = COMMAND_NODE_GONE, .node = "local", .actor = "local"};
    sim_apply(sim, &gone);
  }
  if (sim->node_up) {
    NodeEvent down = {.type = NODE_EVENT_LINK_DOWN};
    sim_node_event(sim, &down);
  }
}

void sim_link_break(Sim *sim)
{
  if (sim->link_up)
    sim_say(sim, "link breaks");
  link_down(sim, true);
}

void sim_link_connect(Sim *sim)
{
  if (sim->link_up && sim_fault_chance(sim, sim->rates.lost)) {
    sim_say(sim, "the node dials anew before the server notices");
    link_down(sim, false);
  }
  if (sim->link_up || !sim->server_up || !sim->node_up)
    return;
  sim->link_up = true;
  sim->lossy[TO_NODE] = sim->lossy[TO_SERVER] = false;
  sim->arrives_at[TO_NODE] = sim->arrives_at[TO_SERVER] = sim->boot_ms;
  NodeEvent up = {.type = NODE_EVENT_LINK_UP};
  sim_node_event(sim, &up);
}
