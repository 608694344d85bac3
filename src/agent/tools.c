/* The catalogue of tools that the model sees, and their calls; see tools.h. Where a tool comes from
 * is a kind: a tool of an MCP server (mcp_server.c) or an agent that is asked (peers.c). */
#include "agent/tools.h"

#include "agent/mcp_content.h"
#include "agent/mcp_server.h"
#include "agent/peers.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64, NAME_HASH_BYTES = 9, COUNTED_MAX = 1024, RUNS_MAX = 1024 };

/* A tool under the name that the model sees. */
typedef struct Offer {
  char *name;
  McpServer *server;   /* NULL = it asks an agent */
  const McpTool *tool; /* of server */
  Peer *peer;
} Offer;

typedef enum Outcome {
  OUTCOME_OK,
  OUTCOME_FAILED,
  OUTCOME_TIMEOUT,
  OUTCOME_CANCELLED,
  OUTCOME_N
} Outcome;
static const char *const outcome_words[OUTCOME_N] = {"ok", "failed", "timeout", "cancelled"};

struct Tools {
  Loop *loop;
  GPtrArray *servers; /* of McpServer*, in the order of the file */
  Peers *peers;
  bool stale;          /* offers and json have to be made again */
  GPtrArray *offers;   /* of Offer* */
  GHashTable *by_name; /* name -> Offer */
  char *json;          /* or NULL */
  GHashTable *counts;  /* name -> int64_t[OUTCOME_N] */
  GQueue runs;         /* of ToolRun* */
};

struct ToolRun {
  Tools *tools;
  char *name;
  int64_t began_ms, timeout_ms;
  LoopTimer *timer; /* the limit, or the next turn for a refusal */
  char *refusal;
  McpCall *mcp;
  PeerCall *peer;
  ToolDone done;
  void *data;
  GList link; /* in tools->runs */
};

/* ---- names ---- */

static void offer_free(void *data)
{
  Offer *offer = data;
  g_free(offer->name);
  g_free(offer);
}

/* A name of the shape that every model takes: others characters become '_'; a longer one is cut and
 * ends in a hash of the whole. */
static char *name_fit(const char *prefix, const char *name)
{
  g_autofree char *whole = g_strconcat(prefix, "_", name, NULL);
  char *fit = g_strcanon(g_strdup(whole), G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-", '_');
  if (strlen(fit) > NAME_MAX_BYTES)
    g_snprintf(fit + NAME_MAX_BYTES - NAME_HASH_BYTES, NAME_HASH_BYTES + 1, "_%08x",
               g_str_hash(whole));
  return fit;
}

/* Takes @fit; gives it a number when somebody has the name already. */
static char *name_unique(const GHashTable *taken, char *fit)
{
  for (int n = 2; g_hash_table_contains((GHashTable *)(uintptr_t)taken, fit); n++) {
    g_autofree char *former = fit;
    g_autofree char *end = g_strdup_printf("_%d", n);
    size_t keep = MIN(strlen(former), NAME_MAX_BYTES - strlen(end));
    fit = g_strdup_printf("%.*s%s", (int)keep, former, end);
  }
  return fit;
}

/* ---- the catalogue ---- */

static void tools_offer(Tools *tools, char *fit, Offer what)
{
  Offer *offer = g_memdup2(&what, sizeof what);
  offer->name = name_unique(tools->by_name, fit);
  g_ptr_array_add(tools->offers, offer);
  g_hash_table_insert(tools->by_name, offer->name, offer);
}

/* Everything that is known keeps its name, also while it is away. */
static void tools_collect(Tools *tools)
{
  g_hash_table_remove_all(tools->by_name);
  g_ptr_array_set_size(tools->offers, 0);
  for (guint i = 0; i < tools->servers->len; i++) {
    McpServer *server = tools->servers->pdata[i];
    const GPtrArray *list = mcp_server_tools(server);
    for (guint k = 0; k < list->len; k++) {
      const McpTool *tool = list->pdata[k];
      tools_offer(tools, name_fit(mcp_server_name(server), tool->name),
                  (Offer){.server = server, .tool = tool});
    }
  }
  const GPtrArray *peers = peers_list(tools->peers);
  for (guint i = 0; i < peers->len; i++) {
    Peer *peer = peers->pdata[i];
    tools_offer(tools, name_fit("ask", peer->name), (Offer){.peer = peer});
  }
}

/* Can it be called now? */
static bool offer_is_there(const Offer *offer)
{
  return offer->server ? mcp_server_state(offer->server) == MCP_READY
                       : !offer->peer->away && !offer->peer->error && offer->peer->urls->len;
}

static char *offer_description(const Offer *offer)
{
  if (offer->server)
    return g_strdup(offer->tool->description);
  const Peer *peer = offer->peer;
  return g_strdup_printf("Asks the agent '%s'%s%s and gives its answer. %s", peer->name,
                         peer->role[0] ? ", " : "", peer->role, peer->description);
}

static void offer_write(GString *out, const Offer *offer)
{
  static const char ask_schema[] =
      "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"description\":\"what to ask\"}},"
      "\"required\":[\"text\"]}";
  g_autofree char *description = offer_description(offer);
  jw_open(out, NULL, '{');
  jw_str(out, "type", "function");
  jw_open(out, "function", '{');
  jw_str(out, "name", offer->name);
  jw_str(out, "description", description);
  jw_raw(out, "parameters", offer->server ? offer->tool->schema : ask_schema);
  jw_close(out, '}');
  jw_close(out, '}');
}

static void tools_update(Tools *tools)
{
  peers_refresh(tools->peers);
  if (!tools->stale)
    return;
  tools->stale = false;
  tools_collect(tools);
  g_autoptr(GString) out = g_string_new(NULL);
  guint count = 0;
  jw_open(out, NULL, '[');
  for (guint i = 0; i < tools->offers->len; i++) {
    const Offer *offer = tools->offers->pdata[i];
    if (!offer_is_there(offer))
      continue;
    offer_write(out, offer);
    count++;
  }
  jw_close(out, ']');
  g_free(tools->json);
  tools->json = count ? g_strdup(out->str) : NULL;
}

const char *tools_json(Tools *tools)
{
  tools_update(tools);
  return tools->json;
}

static void tools_on_change(void *data)
{
  ((Tools *)data)->stale = true;
}

Tools *tools_new(Loop *loop, HttpClient *client, const AgentFile *file)
{
  Tools *tools = g_new0(Tools, 1);
  tools->loop = loop;
  tools->stale = true;
  tools->servers = g_ptr_array_new();
  tools->offers = g_ptr_array_new_with_free_func(offer_free);
  tools->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  tools->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_queue_init(&tools->runs);
  for (guint i = 0; i < file->tools->mcp_servers->len; i++)
    g_ptr_array_add(tools->servers, mcp_server_new(loop, client, file->tools->mcp_servers->pdata[i],
                                                   tools_on_change, tools));
  tools->peers = peers_new(loop, client, file->tools, tools_on_change, tools);
  return tools;
}

/* ---- calls ---- */

static void tools_count(Tools *tools, const char *name, Outcome outcome)
{
  const char *key =
      g_hash_table_contains(tools->by_name, name) && g_hash_table_size(tools->counts) < COUNTED_MAX
          ? name
          : "unknown";
  int64_t *counts = g_hash_table_lookup(tools->counts, key);
  if (!counts) {
    counts = g_new0(int64_t, OUTCOME_N);
    g_hash_table_insert(tools->counts, g_strdup(key), counts);
  }
  counts[outcome]++;
}

static void run_free(ToolRun *run)
{
  g_queue_unlink(&run->tools->runs, &run->link);
  loop_timer_free(run->timer);
  g_free(run->refusal);
  g_free(run->name);
  g_free(run);
}

/* Logs and counts how @run ended; its arguments and its output are nobody's business. */
static int64_t run_note(ToolRun *run, Outcome outcome, size_t bytes)
{
  int64_t duration_ms = clock_boot_ms() - run->began_ms;
  g_autofree char *name = text_escape(run->name, NAME_MAX_BYTES);
  tools_count(run->tools, run->name, outcome);
  log_info("tool call", "tool=%s outcome=%s duration_ms=%" G_GINT64_FORMAT " bytes=%zu", name,
           outcome_words[outcome], duration_ms, bytes);
  return duration_ms;
}

static void run_finish(ToolRun *run, Outcome outcome, const char *text, size_t length)
{
  enum { NOTE_BYTES = 128 };
  g_autofree char *cut = NULL;
  if (length > TOOL_OUTPUT_MAX) {
    g_autofree char *head = mcp_cut(text, TOOL_OUTPUT_MAX - NOTE_BYTES);
    cut =
        g_strdup_printf("%s\n[cut: the output has %zu bytes, this is its beginning]", head, length);
  }
  ToolResult result = {
      .ok = outcome == OUTCOME_OK, .text = cut ? cut : text, .length = cut ? strlen(cut) : length};
  result.duration_ms = run_note(run, outcome, length);
  ToolDone done = run->done;
  void *data = run->data;
  char *refusal = g_steal_pointer(&run->refusal); /* may be @text */
  run_free(run);
  done(&result, data);
  g_free(refusal);
}

static void run_on_done(bool ok, const char *text, size_t length, void *data)
{
  run_finish(data, ok ? OUTCOME_OK : OUTCOME_FAILED, text, length);
}

static void run_end_call(ToolRun *run, bool timed_out)
{
  if (run->mcp)
    mcp_call_cancel(run->mcp, timed_out);
  if (run->peer)
    peer_call_cancel(run->peer);
  run->mcp = NULL;
  run->peer = NULL;
}

static void run_on_timer(void *data)
{
  ToolRun *run = data;
  g_autofree char *late =
      g_strdup_printf("no answer within %" G_GINT64_FORMAT " ms", run->timeout_ms);
  if (run->refusal) {
    run_finish(run, OUTCOME_FAILED, run->refusal, strlen(run->refusal));
    return;
  }
  run_end_call(run, true);
  run_finish(run, OUTCOME_TIMEOUT, late, strlen(late));
}

static void run_refuse(ToolRun *run, char *why)
{
  run->refusal = why;
  loop_timer_set(run->timer, clock_boot_ms());
}

static void run_begin_peer(ToolRun *run, Peer *peer, const json_t *arguments, int depth)
{
  const char *text = jget_str(arguments, "text", "");
  if (!text[0])
    run_refuse(run, g_strdup("wanted the argument 'text', a text that is not empty"));
  else
    run->peer = peer_call(run->tools->peers, peer, text, depth, run->timeout_ms, run_on_done, run);
}

static void run_begin_mcp(ToolRun *run, const Offer *offer, const json_t *arguments)
{
  g_autoptr(GError) error = NULL;
  char *text = json_dumps(arguments, JSON_COMPACT); /* written anew: a message is one line */
  run->timeout_ms = MIN(run->timeout_ms, mcp_server_timeout_ms(offer->server));
  run->mcp = mcp_call(offer->server, offer->tool->name, text, run_on_done, run, &error);
  free(text);
  if (!run->mcp)
    run_refuse(run, g_strdup(error->message));
}

/* @text as an object, or NULL with what is wrong in @wrong; no text at all is an empty object. */
static json_t *arguments_read(const char *text, char **wrong)
{
  g_autoptr(GError) error = NULL;
  size_t length = text ? strlen(text) : 0;
  if (length > TOOL_ARGUMENTS_MAX) {
    *wrong = g_strdup_printf("the arguments are larger than %d bytes", TOOL_ARGUMENTS_MAX);
    return NULL;
  }
  json_t *value = length ? json_parse_foreign(text, length, &error) : json_object();
  if (json_is_object(value))
    return value;
  *wrong = error ? g_strdup_printf("the arguments are no JSON object: %s", error->message)
                 : g_strdup("the arguments are no JSON object");
  json_decref(value);
  return NULL;
}

ToolRun *tools_call(Tools *tools, const char *name, const char *arguments, int64_t timeout_ms,
                    int depth, ToolDone done, void *data)
{
  ToolRun *run = g_new0(ToolRun, 1);
  *run = (ToolRun){.tools = tools,
                   .name = g_strdup(name),
                   .began_ms = clock_boot_ms(),
                   .timeout_ms = MAX(1, timeout_ms),
                   .done = done,
                   .data = data};
  run->link.data = run;
  run->timer = loop_timer_new(tools->loop, run_on_timer, run);
  g_queue_push_tail_link(&tools->runs, &run->link);
  tools_update(tools);
  const Offer *offer = g_hash_table_lookup(tools->by_name, name);
  char *wrong = NULL;
  json_t *object = offer ? arguments_read(arguments, &wrong) : NULL;
  if (!offer)
    run_refuse(run, g_strdup_printf("there is no tool '%.*s'", NAME_MAX_BYTES, name));
  else if (!object)
    run_refuse(run, wrong);
  else if (tools->runs.length > RUNS_MAX)
    run_refuse(run, g_strdup("too many tool calls at once; try again"));
  else if (offer->server)
    run_begin_mcp(run, offer, object);
  else
    run_begin_peer(run, offer->peer, object, depth);
  json_decref(object);
  if (!run->refusal)
    loop_timer_set(run->timer, run->began_ms + run->timeout_ms);
  return run;
}

void tool_run_cancel(ToolRun *run)
{
  if (!run)
    return;
  run_note(run, OUTCOME_CANCELLED, 0);
  run_end_call(run, false);
  run_free(run);
}

void tools_free(Tools *tools)
{
  if (!tools)
    return;
  while (tools->runs.length)
    tool_run_cancel(g_queue_peek_head(&tools->runs));
  for (guint i = 0; i < tools->servers->len; i++)
    mcp_server_quit(tools->servers->pdata[i]);
  int64_t until_ms = clock_boot_ms() + MCP_QUIT_MS;
  for (guint i = 0; i < tools->servers->len; i++)
    mcp_server_free(tools->servers->pdata[i], until_ms);
  peers_free(tools->peers);
  g_ptr_array_unref(tools->servers);
  g_ptr_array_unref(tools->offers);
  g_hash_table_unref(tools->by_name);
  g_hash_table_unref(tools->counts);
  g_free(tools->json);
  g_free(tools);
}

/* ---- what people see ---- */

void tools_status(const Tools *tools, GString *out)
{
  /* what is shown is made anew first; nothing else of it changes */
  Tools *fresh = (Tools *)(uintptr_t)tools;
  tools_update(fresh);
  jw_open(out, "tools", '[');
  for (guint i = 0; i < tools->offers->len; i++) {
    const Offer *offer = tools->offers->pdata[i];
    if (offer_is_there(offer))
      jw_str(out, NULL, offer->name);
  }
  jw_close(out, ']');
  jw_open(out, "mcp_servers", '[');
  for (guint i = 0; i < tools->servers->len; i++) {
    const McpServer *server = tools->servers->pdata[i];
    jw_open(out, NULL, '{');
    jw_str(out, "name", mcp_server_name(server));
    jw_str(out, "status", mcp_server_state_word(server));
    jw_int(out, "tools", mcp_server_tools(server)->len);
    jw_int(out, "restarts", mcp_server_restarts(server));
    jw_str(out, "error", mcp_server_error(server));
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

void tools_metrics(const Tools *tools, GString *out)
{
  GHashTableIter iter;
  void *name, *value;
  g_string_append(
      out,
      "# HELP reeve_agent_tool_calls_total Calls of tools by how they ended.\n# TYPE reeve_agent_tool_calls_total counter\n");
  g_hash_table_iter_init(&iter, tools->counts);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    const int64_t *counts = value;
    for (int i = 0; i < OUTCOME_N; i++) {
      if (counts[i])
        g_string_append_printf(
            out, "reeve_agent_tool_calls_total{tool=\"%s\",outcome=\"%s\"} %" G_GINT64_FORMAT "\n",
            (const char *)name, outcome_words[i], counts[i]);
    }
  }
}
