/* Owns commands that people run beside an agent: audited before they start, run by the agent's
 * node, streamed as NDJSON. Nodes send by credit, so that a slow reader holds back the command and
 * nothing piles up here. A reader that leaves ends it. */
#include "base/error.h"
#include "base/json.h"
#include "server/exec.h"
#include "server/hub.h"
#include "server/routes.h"
#include "server/turn.h"

#include <string.h>

enum {
  EXECS_MAX = 32,
  EXEC_WINDOW = 8, /* bulk frames that a node may send ahead */
  /* bytes that the peer has not taken: above it the node gets no more credit */
  EXEC_BACKLOG_MAX = 256 * 1024,
  EXEC_ARGV_BYTES_MAX = 128 * 1024
};

typedef struct ExecCall {
  Execs *execs;
  HttpRequest *request; /* NULL until the stream has begun */
  int64_t number;       /* at the node; 0 = not running */
  char *instance, *node;
  char **argv;
  int64_t timeout_ms;
  int window; /* credit that the node still has */
  bool stalled;
} ExecCall;

struct Execs {
  Server *server;
  GPtrArray *calls; /* of ExecCall*; owned */
  int64_t last_number;
};

static void exec_call_free(gpointer data)
{
  ExecCall *call = data;
  g_free(call->instance);
  g_free(call->node);
  g_strfreev(call->argv);
  g_free(call);
}

Execs *execs_new(Server *server)
{
  Execs *execs = g_new0(Execs, 1);
  execs->server = server;
  execs->calls = g_ptr_array_new_with_free_func(exec_call_free);
  return execs;
}

static void exec_send(const ExecCall *call, Frame *frame)
{
  const Server *server = call->execs->server;
  frame->term = core_term(engine_core(server->engine));
  frame->request = call->number;
  g_autofree char *text = frame_write(frame);
  hub_send(server->hub, call->node, text);
}

/* ---- the stream ---- */

/* The last line; @call is gone after it. @frame NULL: @error says why there is no end of the
 * command. */
static void exec_end(ExecCall *call, const Frame *frame, const char *error)
{
  HttpRequest *request = call->request;
  g_autoptr(GString) line = g_string_new(NULL);
  jw_open(line, NULL, '{');
  if (error)
    jw_str(line, "error", error);
  if (frame && frame->exit_signal)
    jw_int(line, "exit_signal", frame->exit_signal);
  else if (frame && (!error || frame->exit_code))
    jw_int(line, "exit_code", frame->exit_code);
  if (frame && frame->timeout_ms)
    jw_bool(line, "timed_out", true);
  jw_close(line, '}');
  g_string_append_c(line, '\n');
  g_ptr_array_remove_fast(call->execs->calls, call);
  http_request_on_gone(request, NULL, NULL);
  http_stream_on_drained(request, NULL, NULL);
  http_stream_chunk(request, line->str, line->len);
  http_stream_end(request);
}

static void exec_gone(void *data)
{
  ExecCall *call = data;
  g_autoptr(Frame) cancel = frame_new(FRAME_EXEC_CANCEL);
  exec_send(call, cancel);
  g_ptr_array_remove_fast(call->execs->calls, call);
}

static void exec_grant(ExecCall *call)
{
  if (call->stalled || call->window > EXEC_WINDOW / 2)
    return;
  g_autoptr(Frame) frame = frame_new(FRAME_EXEC_CREDIT);
  frame->credit = EXEC_WINDOW - call->window;
  call->window = EXEC_WINDOW;
  exec_send(call, frame);
}

static void exec_drained(void *data)
{
  ExecCall *call = data;
  call->stalled = false;
  exec_grant(call);
}

/* Bytes as text where they are text, else in base64: JSON has no place for others. */
static void exec_output(ExecCall *call, const Frame *frame)
{
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(frame->data, &length);
  bool text = g_utf8_validate_len((const char *)bytes, length, NULL);
  g_autoptr(GString) line = g_string_new(NULL);
  jw_open(line, NULL, '{');
  jw_str(line, "stream", g_strcmp0(frame->stream, "stderr") == 0 ? "stderr" : "stdout");
  if (text) {
    g_string_append(line, ",\"text\":");
    jw_quote(line, (const char *)bytes, length);
  } else {
    jw_str(line, "base64", frame->data);
  }
  jw_close(line, '}');
  g_string_append_c(line, '\n');
  http_stream_chunk(call->request, line->str, line->len);
  call->window--;
  call->stalled = http_stream_backlog(call->request) > EXEC_BACKLOG_MAX;
  if (call->stalled)
    http_stream_on_drained(call->request, exec_drained, call);
  exec_grant(call);
}

static ExecCall *execs_find(const Execs *execs, const char *node, int64_t number)
{
  for (guint i = 0; i < execs->calls->len; i++) {
    ExecCall *call = g_ptr_array_index(execs->calls, i);
    if (number > 0 && call->number == number && g_str_equal(call->node, node))
      return call;
  }
  return NULL;
}

void execs_frame(Execs *execs, const char *node, const Frame *frame)
{
  ExecCall *call = execs_find(execs, node, frame->request);
  if (!call)
    return; /* cancelled meanwhile */
  if (frame->type == FRAME_EXEC_END)
    exec_end(call, frame, frame->error);
  else if (frame->data)
    exec_output(call, frame);
}

/* Ends the streams of @node (NULL = all) with @reason. */
static void execs_end_all(Execs *execs, const char *node, const char *reason)
{
  for (guint i = execs->calls->len; i-- > 0;) {
    ExecCall *call = g_ptr_array_index(execs->calls, i);
    if (!call->number || (node && !g_str_equal(call->node, node)))
      continue;
    g_autoptr(Frame) cancel = frame_new(FRAME_EXEC_CANCEL);
    exec_send(call, cancel);
    exec_end(call, NULL, reason);
  }
}

void execs_node_gone(Execs *execs, const char *node)
{
  execs_end_all(execs, node, "the link to its node is lost; the node ends the command");
}

void execs_unknown(Execs *execs, const char *node)
{
  execs_end_all(execs, node, "its node is of an older release and cannot run commands");
}

void execs_end(Execs *execs)
{
  execs_end_all(execs, NULL, "the server is shutting down; the command was stopped");
}

void execs_free(Execs *execs)
{
  if (!execs)
    return;
  execs_end(execs);
  g_ptr_array_unref(execs->calls);
  g_free(execs);
}

/* ---- the request ---- */

/* TurnLeaveFn: it is in the audit trail now. */
static void exec_begin(Server *server, HttpRequest *request, const char *body, void *data)
{
  ExecCall *call = data;
  (void)body;
  bool linked = hub_linked(server->hub, call->node);
  if (request && !linked)
    route_problem(server, request, REEVE_ERROR_UNAVAILABLE,
                  "the node of this agent is not connected", NULL, NULL);
  if (!request || !linked) {
    g_ptr_array_remove_fast(server->execs->calls, call);
    return;
  }
  call->request = request;
  call->number = ++call->execs->last_number;
  call->window = EXEC_WINDOW;
  route_count_stream(server, request);
  http_stream_start(request, 200, "application/x-ndjson");
  http_request_on_gone(request, exec_gone, call);
  g_autoptr(Frame) frame = frame_new(FRAME_EXEC);
  frame->instance = g_strdup(call->instance);
  frame->argv = g_strdupv(call->argv);
  frame->timeout_ms = call->timeout_ms;
  frame->credit = call->window;
  exec_send(call, frame);
}

/* The instance that the body names; without a name the only agent there is. NULL after an answer.
 */
static const Instance *exec_instance(RouteCall *route, const Deployment *deployment)
{
  const char *agent = jget_str(route->body, "agent", NULL);
  int64_t replica = jget_int(route->body, "replica", 0);
  const Instance *found = NULL;
  guint agents = 0;
  g_autoptr(GString) names = g_string_new(NULL);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = g_ptr_array_index(deployment->instances, i);
    if (instance->replica == 0 && names->len < 500)
      g_string_append_printf(names, "%s%s", agents++ ? ", " : "", instance->agent);
    if (instance->replica == replica && (!agent || g_str_equal(agent, instance->agent)))
      found = instance;
  }
  g_autofree char *detail = NULL;
  if (!agent && agents > 1)
    detail = g_strdup_printf("deployment '%s' has several agents; name one: %s", deployment->name,
                             names->str);
  else if (!found)
    detail = g_strdup_printf(
        "find agent '%s' replica %d of deployment '%s': no such instance; agents: %s",
        agent ? agent : "", (int)replica, deployment->name, names->str);
  if (detail)
    route_problem(route->server, route->request,
                  found ? REEVE_ERROR_INVALID : REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
  return detail ? NULL : found;
}

/* The words of the command, or NULL after a 422. */
static char **exec_argv(RouteCall *route)
{
  const json_t *list = json_object_get(route->body, "argv"), *word;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  size_t i, bytes = 0;
  json_array_foreach(list, i, word)
  {
    bytes += json_string_length(word) + 1;
    g_ptr_array_add(argv, (char *)json_string_value(word));
  }
  g_ptr_array_add(argv, NULL);
  const char *first = g_ptr_array_index(argv, 0);
  if (first[0] && bytes <= EXEC_ARGV_BYTES_MAX)
    return g_strdupv((char **)argv->pdata);
  route_problem(route->server, route->request, REEVE_ERROR_INVALID,
                first[0] ? "member 'argv' has more than 128 KiB"
                         : "member 'argv' begins with an empty word; wanted: a command",
                NULL, NULL);
  return NULL;
}

/* True after a 503: it cannot be run now. */
static bool exec_refused(RouteCall *route, const Instance *instance)
{
  const Server *server = route->server;
  bool away = !instance->node || !hub_linked(server->hub, instance->node->id),
       many = server->execs->calls->len >= EXECS_MAX;
  if (away || many)
    route_problem(route->server, route->request, REEVE_ERROR_UNAVAILABLE,
                  away ? "the node of this agent is not connected"
                       : "too many commands run; try again when one has ended",
                  NULL, NULL);
  return away || many;
}

void post_exec(RouteCall *route)
{
  const Deployment *deployment = route_deployment(route);
  const Instance *instance = deployment ? exec_instance(route, deployment) : NULL;
  if (!instance || exec_refused(route, instance))
    return;
  char **argv = exec_argv(route);
  if (!argv)
    return;
  Execs *execs = route->server->execs;
  ExecCall *call = g_new0(ExecCall, 1);
  *call = (ExecCall){.execs = execs,
                     .instance = g_strdup(instance->id),
                     .node = g_strdup(instance->node->id),
                     .argv = argv,
                     .timeout_ms = jget_int(route->body, "timeout_ms", 0)};
  g_ptr_array_add(execs->calls, call);
  Command command = {.type = COMMAND_EXEC,
                     .actor = route->actor,
                     .deployment = deployment->id,
                     .agent = instance->agent,
                     .number = instance->replica,
                     .source_name = argv[0]};
  turn_change_then(route->server, &command, route->request, exec_begin, call);
}
