/* The protocol of an MCP server and its life; see mcp_server.h.
 *
 *   WAITING -timer-> GREETING -initialize-> LISTING -last page-> READY
 *      ^                |                      |                   |
 *      '---- gone ---- ENDING <- no answer, wrong answer, silence -'
 *
 * What a server sends in READY beyond answers: ping, and that its tools have changed; then they are
 * listed again beside the calls. */
#include "agent/mcp_server.h"

#include "agent/mcp_content.h"
#include "agent/mcp_link.h"
#include "agent/mcp_say.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum { ERROR_TEXT_MAX = 500 };

/* The request that is not a call of a tool. */
typedef enum McpControl { CONTROL_NONE, CONTROL_INITIALIZE, CONTROL_LIST } McpControl;

struct McpCall {
  McpServer *server;
  int64_t id;
  char *json;  /* the request */
  bool unsent; /* waits for READY */
  McpDone done;
  void *data;
};

struct McpServer {
  Loop *loop;
  HttpClient *client;
  const AgentMcpServer *config;
  McpSetup *setup; /* of the link */
  const McpTransport *transport;
  McpLink *link; /* NULL while WAITING */
  McpState state;
  LoopTimer *timer;                     /* WAITING: the next start; GREETING, LISTING: its limit */
  LoopTimer *ping_timer;                /* the limit of a ping */
  int64_t next_id, control_id, ping_id; /* 0 = none is open */
  McpControl control;
  bool renewed;               /* a session was renewed, and no call has been answered since */
  bool list_again;            /* the list changed while it was being read */
  GPtrArray *tools, *listing; /* of McpTool* */
  GHashTable *cursors;        /* of the listing: those that were followed */
  bool cut;                   /* the listing has more tools than we take */
  GHashTable *calls;          /* id -> McpCall */
  char *error;                /* why it was away last */
  int starts, failures;
  int64_t ready_ms; /* since when, 0 = it is not */
  int64_t next_start_ms;
  void (*changed)(void *data);
  void *data;
};

static void server_start(McpServer *server);

static void tool_free(void *data)
{
  McpTool *tool = data;
  g_free(tool->name);
  g_free(tool->description);
  g_free(tool->schema);
  g_free(tool);
}

static void call_free(McpCall *call)
{
  g_free(call->json);
  g_free(call);
}

static void server_set_error(McpServer *server, const char *why)
{
  g_free(server->error);
  server->error = text_escape(why, ERROR_TEXT_MAX);
}

/* ---- calls ---- */

static void call_finish(McpCall *call, bool ok, const char *text)
{
  g_assert(text);
  g_hash_table_remove(call->server->calls, &call->id);
  if (call->done)
    call->done(ok, text, strlen(text), call->data);
  call_free(call);
}

/* The next call that was sent, or any with @all; NULL when there is none. */
static McpCall *calls_next(McpServer *server, bool all)
{
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, server->calls);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (all || !((McpCall *)value)->unsent)
      return value;
  return NULL;
}

/* Every end of a call may begin or cancel others, so the table is looked at anew for each. */
static void calls_fail(McpServer *server, bool all, const char *why)
{
  g_autofree char *text = g_strdup_printf("MCP server '%s': %s", server->config->name, why);
  for (McpCall *call = calls_next(server, all); call; call = calls_next(server, all))
    call_finish(call, false, text);
}

static void calls_send(McpServer *server)
{
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, server->calls);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    McpCall *call = value;
    if (call->unsent)
      call->unsent =
          !server->transport->send(server->link, call->id, call->json, strlen(call->json));
  }
}

/* ---- its end and the next beginning ---- */

static void server_wait(McpServer *server, const char *why)
{
  int64_t now = clock_boot_ms();
  if (server->ready_ms && now - server->ready_ms >= MCP_STEADY_MS)
    server->failures = 0;
  int64_t delay = MIN(MCP_DELAY_MAX_MS, (int64_t)MCP_DELAY_FIRST_MS << MIN(server->failures, 16));
  server->failures++;
  server->state = MCP_WAITING;
  server->ready_ms = 0;
  server->next_start_ms = now + delay;
  server_set_error(server, why);
  log_warn("mcp server is away", "mcp=%s why=\"%s\" again_in_ms=%" G_GINT64_FORMAT,
           server->config->name, server->error, delay);
  loop_timer_set(server->timer, server->next_start_ms);
  calls_fail(server, true, server->error);
  server->changed(server->data);
}

static void server_drop_link(McpServer *server)
{
  g_clear_pointer(&server->listing, g_ptr_array_unref);
  g_clear_pointer(&server->cursors, g_hash_table_unref);
  server->control = CONTROL_NONE;
  server->control_id = server->ping_id = 0;
  loop_timer_set(server->ping_timer, INT64_MAX);
  if (server->link)
    server->transport->free(server->link, clock_boot_ms());
  server->link = NULL;
  g_clear_pointer(&server->setup, mcp_setup_free);
}

static void server_end(McpServer *server, const char *why)
{
  if (server->state == MCP_ENDING || server->state == MCP_WAITING)
    return;
  g_autofree char *kept = g_strdup(why);
  server_set_error(server, why);
  server->state = MCP_ENDING;
  loop_timer_set(server->timer, INT64_MAX);
  if (server->transport->stop(server->link)) {
    server_drop_link(server);
    server_wait(server, kept);
    return;
  }
  calls_fail(server, true, kept);
  server->changed(server->data);
}

static void server_on_timer(void *data)
{
  McpServer *server = data;
  if (server->state == MCP_WAITING)
    server_start(server);
  else
    server_end(server, "it did not answer to 'initialize' or 'tools/list' in time");
}

static void server_on_ping_timer(void *data)
{
  server_end(data, "it did not answer to 'ping' after a call that took too long");
}

/* ---- sending ---- */

/* Sends request @id (0 = none is answered); @text is taken. */
static void server_say(McpServer *server, int64_t id, char *text)
{
  server->transport->send(server->link, id, text, strlen(text));
  g_free(text);
}

static void server_initialize(McpServer *server)
{
  server->control = CONTROL_INITIALIZE;
  server->control_id = ++server->next_id;
  server_say(server, server->control_id, mcp_say_initialize(server->control_id));
}

static void server_list(McpServer *server, const char *cursor)
{
  server->control = CONTROL_LIST;
  server->control_id = ++server->next_id;
  server_say(server, server->control_id, mcp_say_list(server->control_id, cursor));
}

static void server_list_begin(McpServer *server)
{
  server->list_again = false;
  server->cut = false;
  g_clear_pointer(&server->cursors, g_hash_table_unref);
  server->cursors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_clear_pointer(&server->listing, g_ptr_array_unref);
  server->listing = g_ptr_array_new_with_free_func(tool_free);
  if (server->state == MCP_READY)
    loop_timer_set(server->timer, clock_boot_ms() + server->config->timeout_ms);
  server_list(server, NULL);
}

/* ---- hearing ---- */

static const char *version_known(const char *version)
{
  static const char *const known[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
  for (size_t i = 0; version && i < G_N_ELEMENTS(known); i++)
    if (strcmp(version, known[i]) == 0)
      return known[i];
  return NULL;
}

static void server_on_initialized(McpServer *server, const McpMessage *message)
{
  const char *said = jget_str(message->result, "protocolVersion", NULL),
             *version = version_known(said);
  if (!version) {
    g_autofree char *shown = text_escape(said, 40);
    g_autofree char *why = g_strdup_printf(
        "it speaks protocol version '%s'; known are 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05",
        shown);
    server_end(server, why);
    return;
  }
  server->transport->settled(server->link, version);
  server_say(server, 0, mcp_say_initialized());
  server->state = MCP_LISTING;
  if (json_object_get(json_object_get(message->result, "capabilities"), "tools")) {
    server_list_begin(server);
    return;
  }
  g_ptr_array_set_size(server->tools, 0); /* it offers no tools: nothing to ask for */
  server->state = MCP_READY;
  server->ready_ms = clock_boot_ms();
  loop_timer_set(server->timer, INT64_MAX);
  log_warn("mcp server offers no tools", "mcp=%s", server->config->name);
  server->changed(server->data);
}

static bool listing_has(const McpServer *server, const char *name)
{
  for (guint i = 0; i < server->listing->len; i++)
    if (strcmp(((const McpTool *)server->listing->pdata[i])->name, name) == 0)
      return true;
  return false;
}

/* The first of a name counts: a page may come twice. */
static void listing_add(McpServer *server, const json_t *entry)
{
  const char *name = jget_str(entry, "name", NULL);
  if (!name || !name[0] || strlen(name) > MCP_NAME_MAX || listing_has(server, name))
    return;
  if (server->listing->len >= MCP_TOOLS_MAX) {
    server->cut = true;
    return;
  }
  McpTool *tool = g_new0(McpTool, 1);
  tool->name = g_strdup(name);
  tool->description = mcp_description(entry);
  tool->schema = mcp_schema(json_object_get(entry, "inputSchema"));
  g_ptr_array_add(server->listing, tool);
}

static void server_ready(McpServer *server)
{
  g_ptr_array_unref(server->tools);
  server->tools = g_steal_pointer(&server->listing);
  if (server->state != MCP_READY)
    server->ready_ms = clock_boot_ms();
  server->state = MCP_READY;
  loop_timer_set(server->timer, INT64_MAX);
  log_info("mcp server is ready", "mcp=%s tools=%u", server->config->name, server->tools->len);
  if (server->cut)
    log_warn("mcp server offers more tools than are used", "mcp=%s limit=%d", server->config->name,
             MCP_TOOLS_MAX);
  if (server->list_again)
    server_list_begin(server);
  calls_send(server);
  server->changed(server->data);
}

static void server_on_page(McpServer *server, const McpMessage *message)
{
  const json_t *tools = json_object_get(message->result, "tools");
  const char *cursor = jget_str(message->result, "nextCursor", NULL);
  size_t i;
  json_t *entry;
  json_array_foreach((json_t *)(uintptr_t)tools, i, entry) listing_add(server, entry);
  if (!json_is_array(tools))
    server_end(server, "its answer to 'tools/list' has no list of tools");
  else if (cursor && g_hash_table_size(server->cursors) < MCP_PAGES_MAX &&
           g_hash_table_add(server->cursors, g_strdup(cursor)))
    server_list(server, cursor);
  else /* also when a cursor leads back to where we were */
    server_ready(server);
}

static void server_on_control(McpServer *server, const McpMessage *message)
{
  McpControl control = server->control;
  server->control = CONTROL_NONE;
  server->control_id = 0;
  if (!message->result) {
    g_autofree char *shown = text_escape(message->error, ERROR_TEXT_MAX);
    g_autofree char *why = g_strdup_printf(
        "it refused '%s': %s", control == CONTROL_LIST ? "tools/list" : "initialize", shown);
    server_end(server, why);
  } else if (control == CONTROL_INITIALIZE) {
    server_on_initialized(server, message);
  } else {
    server_on_page(server, message);
  }
}

static void server_on_answer(McpServer *server, const McpMessage *message)
{
  McpCall *call = g_hash_table_lookup(server->calls, &message->id);
  if (!call || call->unsent)
    return; /* late: nobody waits for it any more */
  server->renewed = false;
  bool ok = message->result && !jget_flag(message->result, "isError", false);
  g_autofree char *text =
      message->result ? mcp_content_text(message->result)
                      : g_strdup_printf("the tool call was refused: %s (code %" G_GINT64_FORMAT ")",
                                        message->error, message->code);
  call_finish(call, ok, text);
}

static void server_on_notification(McpServer *server, const McpMessage *message)
{
  if (strcmp(message->method, "notifications/tools/list_changed") != 0)
    return;
  if (server->control == CONTROL_NONE && server->state == MCP_READY)
    server_list_begin(server);
  else
    server->list_again = true;
}

/* It lives. */
static void server_heard(McpServer *server)
{
  server->ping_id = 0;
  loop_timer_set(server->ping_timer, INT64_MAX);
}

static void server_on_message(const McpMessage *message, void *data)
{
  McpServer *server = data;
  if (server->state == MCP_ENDING)
    return;
  server_heard(server);
  if (message->kind == MCP_REQUEST)
    server_say(server, 0, mcp_say_answer(message));
  else if (message->kind == MCP_NOTIFICATION)
    server_on_notification(server, message);
  else if (server->control_id && message->id == server->control_id)
    server_on_control(server, message);
  else
    server_on_answer(server, message);
}

/* The session is over but the server may be well: a new one, at once. Calls that it did not hear
 * are said again, once. */
static void server_renew(McpServer *server)
{
  log_info("mcp session is over, a new one begins", "mcp=%s", server->config->name);
  server->renewed = true;
  server->transport->stop(server->link);
  server_drop_link(server);
  server_start(server);
}

static void server_on_lost(int64_t id, const char *why, McpLoss loss, void *data)
{
  McpServer *server = data;
  McpCall *call = g_hash_table_lookup(server->calls, &id);
  bool again = loss == MCP_LOST_SESSION && !server->renewed && server->state == MCP_READY;
  if (server->state == MCP_ENDING)
    return;
  if (again) {
    if (call)
      call->unsent = true;
    calls_fail(server, false, why);
    server_renew(server);
  } else if (loss == MCP_LOST_SESSION && call &&
             server->state == MCP_READY) { /* the new session did not help: it is this call */
    server->renewed = false;
    g_autofree char *text = g_strdup_printf("MCP server '%s': %s", server->config->name, why);
    call_finish(call, false, text);
  } else if (loss != MCP_LOST_ANSWER || (id && id == server->control_id)) {
    server_end(server, why);
  } else if (id && id == server->ping_id) {
    server_heard(server); /* it does not know pings, but it answers */
  } else if (call) {
    g_autofree char *text = g_strdup_printf("MCP server '%s': %s", server->config->name, why);
    call_finish(call, false, text);
  } else if (id == 0) {
    calls_fail(server, false, why);
  }
}

static void server_on_gone(const char *why, void *data)
{
  McpServer *server = data;
  g_autofree char *kept = g_strdup(server->state == MCP_ENDING ? server->error : why);
  server_drop_link(server);
  server_wait(server, kept);
}

static const McpEvents server_events = {
    .message = server_on_message, .lost = server_on_lost, .gone = server_on_gone};

/* ---- its beginning ---- */

static void server_start(McpServer *server)
{
  g_autoptr(GError) error = NULL;
  server->starts++;
  server->setup = mcp_setup_new(server->config, &error);
  if (server->setup)
    server->link = server->transport->open(server->loop, server->client, server->setup,
                                           &server_events, server, &error);
  if (!server->link) {
    server_drop_link(server);
    server_wait(server, error->message);
    return;
  }
  server->state = MCP_GREETING;
  loop_timer_set(server->timer, clock_boot_ms() + server->config->timeout_ms);
  server_initialize(server);
  server->changed(server->data);
}

McpServer *mcp_server_new(Loop *loop, HttpClient *client, const AgentMcpServer *config,
                          void (*changed)(void *data), void *data)
{
  McpServer *server = g_new0(McpServer, 1);
  *server = (McpServer){.loop = loop,
                        .client = client,
                        .config = config,
                        .transport = config->type == AGENT_MCP_HTTP ? &mcp_http : &mcp_stdio,
                        .state = MCP_WAITING,
                        .tools = g_ptr_array_new_with_free_func(tool_free),
                        .calls = g_hash_table_new(g_int64_hash, g_int64_equal),
                        .changed = changed,
                        .data = data};
  server->timer = loop_timer_new(loop, server_on_timer, server);
  server->ping_timer = loop_timer_new(loop, server_on_ping_timer, server);
  server_start(server);
  return server;
}

void mcp_server_quit(McpServer *server)
{
  if (server->link)
    server->transport->quit(server->link);
  for (McpCall *call = calls_next(server, true); call; call = calls_next(server, true)) {
    g_hash_table_remove(server->calls, &call->id);
    call_free(call);
  }
}

void mcp_server_free(McpServer *server, int64_t until_ms)
{
  if (server->link)
    server->transport->free(server->link, until_ms);
  mcp_setup_free(server->setup);
  loop_timer_free(server->timer);
  loop_timer_free(server->ping_timer);
  g_ptr_array_unref(server->tools);
  if (server->listing)
    g_ptr_array_unref(server->listing);
  if (server->cursors)
    g_hash_table_unref(server->cursors);
  g_hash_table_unref(server->calls);
  g_free(server->error);
  g_free(server);
}

/* ---- what others see ---- */

const GPtrArray *mcp_server_tools(const McpServer *server)
{
  return server->tools;
}

McpState mcp_server_state(const McpServer *server)
{
  return server->state;
}

const char *mcp_server_state_word(const McpServer *server)
{
  static const char *const words[] = {[MCP_WAITING] = "waiting",
                                      [MCP_GREETING] = "starting",
                                      [MCP_LISTING] = "starting",
                                      [MCP_READY] = "ready",
                                      [MCP_ENDING] = "stopping"};
  return words[server->state];
}

const char *mcp_server_name(const McpServer *server)
{
  return server->config->name;
}

const char *mcp_server_error(const McpServer *server)
{
  return server->error;
}

int mcp_server_restarts(const McpServer *server)
{
  return server->starts - 1;
}

int64_t mcp_server_timeout_ms(const McpServer *server)
{
  return server->config->timeout_ms;
}

McpCall *mcp_call(McpServer *server, const char *tool, const char *arguments, McpDone done,
                  void *data, GError **error)
{
  if (server->state == MCP_WAITING || server->state == MCP_ENDING) {
    int64_t left = MAX(0, server->next_start_ms - clock_boot_ms());
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "MCP server '%s' is unavailable: %s; retrying in %" G_GINT64_FORMAT " s",
                server->config->name, server->error, MAX((left + 999) / 1000, 1));
    return NULL;
  }
  McpCall *call = g_new0(McpCall, 1);
  *call = (McpCall){
      .server = server, .id = ++server->next_id, .unsent = true, .done = done, .data = data};
  call->json = mcp_say_call(call->id, tool, arguments);
  if (server->state == MCP_READY)
    call->unsent = !server->transport->send(server->link, call->id, call->json, strlen(call->json));
  if (g_hash_table_size(server->calls) >= MCP_CALLS_MAX ||
      (server->state == MCP_READY && call->unsent)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "MCP server '%s' has too many calls that it did not answer", server->config->name);
    call_free(call);
    return NULL;
  }
  g_hash_table_insert(server->calls, &call->id, call);
  return call;
}

/* A server that was silent for the whole of a call is asked whether it lives; @call was sent. */
static void server_ping(McpServer *server)
{
  if (server->ping_id)
    return;
  server->ping_id = ++server->next_id;
  loop_timer_set(server->ping_timer, clock_boot_ms() + server->config->timeout_ms);
  server_say(server, server->ping_id, mcp_say_ping(server->ping_id));
}

void mcp_call_cancel(McpCall *call, bool timed_out)
{
  McpServer *server = call->server;
  g_hash_table_remove(server->calls, &call->id);
  if (server->link && !call->unsent && server->state == MCP_READY) {
    server->transport->forget(server->link, call->id);
    server_say(server, 0, mcp_say_cancelled(call->id, timed_out));
    if (timed_out)
      server_ping(server);
  }
  call_free(call);
}
