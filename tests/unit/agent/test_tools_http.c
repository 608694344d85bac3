/* Tools behind HTTP: an MCP server by Streamable HTTP that misbehaves, and agents that are asked.
 * The other side is a server on the same loop. */
#include "agent/peers.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "net/http_server.h"
#include "tools_bench.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

/* The other side. */
typedef struct Site {
  Bench *bench;
  HttpServer *http;
  int port;
  int sessions; /* that began; the present one is "s<sessions>" */
  /* the next calls are answered with this status, the session is over; 200: with a JSON-RPC error
   */
  int forgets;
  int get_status;      /* of the answer to a GET; 0: a stream */
  bool circles;        /* the list of tools has a cursor that leads back to its first page */
  const char *version; /* of the protocol */
  int resume_id;       /* of the call whose stream is to be gone on with */
  bool has_more;       /* a tool "more" has come */
  int left;            /* calls of "never" that the agent gave up */
  HttpRequest *listen; /* the GET that is open */
  GString *seen;       /* what was asked for, a line each */
} Site;

static Site site;

static void site_say(HttpRequest *request, const char *session, const char *json)
{
  if (session)
    http_reply_header(request, "Mcp-Session-Id", session);
  http_reply(request, 200, "application/json", json, strlen(json));
}

/* As an event stream with everything that such a stream may have in it. */
static void site_stream(HttpRequest *request, const char *json)
{
  g_autofree char *text = g_strdup_printf(
      ": hello\r\nid: 1\r\ndata:\r\n\r\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n"
      "data: %s\r\n\r\n",
      json);
  http_stream_start(request, 200, "text/event-stream; charset=utf-8");
  http_stream_chunk(request, text, strlen(text));
  http_stream_end(request);
}

static void site_on_left(void *data)
{
  (void)data;
  site.left++;
}

static void site_call(HttpRequest *request, const char *tool, int id)
{
  static const char prime[] = "id: e-1\nretry: 20\ndata:\n\n";
  g_autofree char *answer = g_strdup_printf(
      "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"from %s\"}]}}",
      id, tool);
  static const char bad_session[] =
      "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Bad Request: No valid session ID provided\"},\"id\":null}";
  if (site.forgets) {
    g_autofree char *error = g_strdup_printf(
        "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32001,\"message\":\"Session not found\"}}",
        id);
    const char *body = site.forgets == 200   ? error
                       : site.forgets == 400 ? bad_session
                                             : "no such session";
    http_reply(request, site.forgets, "application/json", body, strlen(body));
    site.forgets = 0;
    site.sessions = site.sessions + 100;
  } else if (strcmp(tool, "picky") == 0) {
    http_reply(request, 400, "text/plain", "no session of parliament has that number: invalid", 49);
  } else if (strcmp(tool, "moved") == 0) {
    http_reply_header(request, "Location", "/mcp/");
    http_reply(request, 307, "text/plain", "", 0);
  } else if (strcmp(tool, "broken") == 0) {
    g_autofree char *half =
        g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"content\":[", id);
    http_reply(request, 200, "application/json", half, strlen(half));
  } else if (strcmp(tool, "resumed") == 0) {
    site.resume_id = id;
    http_stream_start(request, 200, "text/event-stream");
    http_stream_chunk(request, prime, strlen(prime));
    http_stream_end(request);
  } else if (strcmp(tool, "refused") == 0) {
    http_reply(request, 401, "text/plain", "who are you?", 12);
  } else if (strcmp(tool, "cut") == 0) {
    http_stream_start(request, 200, "text/event-stream");
    http_stream_chunk(request, "data: {\"half\":", 14);
    http_stream_end(request);
  } else if (strcmp(tool, "wide") == 0) {
    g_autofree char *wide = g_strnfill(2 * 1024 * 1024, 'x');
    http_reply(request, 200, "application/json", wide, strlen(wide));
  } else if (strcmp(tool, "page") == 0) {
    http_reply(request, 200, "text/html", "<html>", 6);
  } else if (strcmp(tool, "never") == 0) {
    http_request_on_gone(request, site_on_left, NULL);
  } else {
    strcmp(tool, "json") == 0 ? site_say(request, NULL, answer) : site_stream(request, answer);
  }
}

static void site_list(HttpRequest *request, int id)
{
  static const char *const names[] = {"json",    "sse",   "refused", "cut",   "wide",
                                      "page",    "never", "picky",   "moved", "broken",
                                      "resumed", "json",  "more"};
  g_autoptr(GString) out = g_string_new(NULL);
  g_string_append_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"tools\":[", id);
  for (size_t i = 0; i < G_N_ELEMENTS(names) - !site.has_more; i++)
    g_string_append_printf(out, "%s{\"name\":\"%s\"}", i ? "," : "", names[i]);
  g_string_append(out, site.circles ? "],\"nextCursor\":\"a\"}}" : "]}}");
  site_stream(request, out->str);
}

static void site_initialize(HttpRequest *request, int id)
{
  g_autofree char *session = g_strdup_printf("s%d", ++site.sessions);
  g_autofree char *answer = g_strdup_printf(
      "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{}}}}",
      id, site.version);
  g_assert_null(http_request_header(request, "mcp-session-id"));
  g_assert_null(http_request_header(request, "mcp-protocol-version"));
  site_say(request, session, answer);
}

static void site_post(HttpRequest *request)
{
  size_t length;
  const char *body = http_request_body(request, &length);
  json_t *root = json_parse(body, length, NULL);
  const char *method = jget_str(root, "method", ""),
             *tool = jget_str(json_object_get(root, "params"), "name", "");
  int id = (int)jget_int(root, "id", 0);
  g_string_append_printf(site.seen, "%s %s\n", method, tool);
  g_assert_cmpstr(http_request_header(request, "accept"), ==,
                  "application/json, text/event-stream");
  g_assert_cmpstr(http_request_header(request, "x-team"), ==, "red");
  if (strcmp(method, "initialize") == 0) {
    site_initialize(request, id);
    json_decref(root);
    return;
  }
  g_autofree char *session = g_strdup_printf("s%d", site.sessions);
  g_assert_cmpstr(http_request_header(request, "mcp-protocol-version"), ==, site.version);
  g_assert_cmpstr(http_request_header(request, "mcp-session-id"), ==, session);
  if (strcmp(method, "tools/list") == 0)
    site_list(request, id);
  else if (strcmp(method, "tools/call") == 0)
    site_call(request, tool, id);
  else
    http_reply(request, 202, "text/plain", "", 0);
  json_decref(root);
}

static void site_on_gone(void *data)
{
  (void)data;
  site.listen = NULL;
}

static void site_ask(HttpRequest *request, const char *path)
{
  size_t length;
  const char *key = http_request_header(request, "authorization"),
             *depth = http_request_header(request, "x-reeve-depth");
  const char *body = http_request_body(request, &length);
  g_string_append_printf(site.seen, "%s %s %s %s\n", path, key ? key : "-", depth ? depth : "-",
                         body);
  if (strcmp(path, "/busy/query") == 0)
    http_reply_problem(request, 0, "the brain is asleep");
  else if (strcmp(path, "/old/query") == 0)
    http_reply(request, 404, "text/plain", "", 0);
  else
    site_say(request, NULL, "{\"response\":\"all is well\"}");
}

/* A stream that is gone on with: in the second piece there is nothing yet, in the third the answer.
 */
static void site_get(HttpRequest *request, const char *last)
{
  if (!last) {
    http_reply(request, site.get_status, "text/html", "Cannot GET /mcp", 15);
    return;
  }
  static const char more[] = "id: e-2\ndata:\n\n";
  g_string_append_printf(site.seen, "GET %s\n", last);
  if (strcmp(last, "e-1") == 0) {
    http_stream_start(request, 200, "text/event-stream");
    http_stream_chunk(request, more, strlen(more));
    http_stream_end(request);
    return;
  }
  g_autofree char *answer = g_strdup_printf(
      "{\"jsonrpc\":\"2.0\",\"id\":\"%d\",\"error\":null,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"the rest\"}]}}",
      site.resume_id);
  site_stream(request, answer);
}

static void site_handle(HttpRequest *request, void *data)
{
  (void)data;
  const char *method = http_request_method(request), *path = http_request_path(request);
  if (strcmp(path, "/mcp") != 0 && strcmp(method, "POST") == 0) {
    site_ask(request, path);
  } else if (g_str_has_suffix(path, "/.well-known/agent-configuration")) {
    site_say(request, NULL, "{\"description\":\"Knows the weather.\"}");
  } else if (strcmp(method, "POST") == 0) {
    site_post(request);
  } else if (strcmp(method, "GET") == 0) {
    const char *last = http_request_header(request, "last-event-id");
    g_assert_cmpstr(http_request_header(request, "accept"), ==, "text/event-stream");
    if (last || site.get_status) {
      site_get(request, last);
      return;
    }
    http_stream_start(request, 200, "text/event-stream");
    http_request_on_gone(request, site_on_gone, NULL);
    site.listen = request;
  } else {
    g_string_append_printf(site.seen, "%s %s\n", method,
                           http_request_header(request, "mcp-session-id"));
    http_reply(request, 200, "text/plain", "", 0);
  }
}

/* An agent with @toml, in which PORT stands for the site's. */
static Bench *site_open(const char *toml)
{
  Loop *loop = loop_new();
  HttpServerConfig config = {.handler = site_handle, .eof_is_gone = true, .reply_ms_max = 600000};
  g_autoptr(GError) error = NULL;
  site = (Site){
      .http = http_server_new(loop, &config), .seen = g_string_new(NULL), .version = "2025-11-25"};
  site.port = http_server_listen_tcp(site.http, "127.0.0.1", 0, &error);
  g_assert_no_error(error);
  g_autofree char *port = g_strdup_printf("%d", site.port);
  g_auto(GStrv) parts = g_strsplit(toml, "PORT", -1);
  g_autofree char *text = g_strjoinv(port, parts);
  site.bench = bench_new_on(loop, text);
  return site.bench;
}

static void site_close(void)
{
  if (site.http)
    http_server_free(site.http);
  bench_free(site.bench);
  g_string_free(site.seen, TRUE);
}

static const char server_toml[] =
    "[mcp_servers.s]\ntype = \"http\"\nurl = \"http://127.0.0.1:PORT/mcp\"\nheaders = {X-Team = \"red\"}\n";

static bool has_listener(Bench *bench)
{
  (void)bench;
  return site.listen != NULL;
}

static void test_plain(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_json", "{}", 5000), ==, "from json");
  g_assert_cmpstr(bench_call(bench, "s_sse", "{}", 5000), ==, "from sse");
  g_assert_true(bench->ok);
  contains(site.seen->str, "initialize \n");
  contains(site.seen->str, "notifications/initialized \n");
  site_close();
}

static bool has_left(Bench *bench)
{
  (void)bench;
  return site.left == 1;
}

static void test_trouble(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  static const struct {
    const char *tool, *says;
  } rows[] = {
      {"s_refused", "MCP server 's': HTTP status 401: who are you?"},
      {"s_cut", "MCP server 's': its answer ended without a result"},
      {"s_wide", "MCP server 's': its answer is larger than 1 MiB"},
      {"s_page", "MCP server 's': its answer ended without a result"},
      {"s_broken", "MCP server 's': its answer ended without a result"},
      {"s_moved",
       "MCP server 's': HTTP status 307: it has moved to '/mcp/'; redirects are not followed, so write that as its url"},
      {"s_never", "no answer within 100 ms"},
      {"s_json", "from json"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_assert_cmpstr(
        bench_call(bench, rows[i].tool, "{}", strstr(rows[i].tool, "never") ? 100 : 9000), ==,
        rows[i].says);
    g_assert_true(bench->ok == (i == G_N_ELEMENTS(rows) - 1));
  }
  contains(site.seen->str, "notifications/cancelled \n");
  bench_wait(bench, has_left);
  g_assert_cmpint(status_number(bench, "restarts"), ==, 0);
  site_close();
}

/* The server has forgotten the session, and says so in one of three ways: a new one, and the call
 * is said again. */
static void test_session(void)
{
  static const int ways[] = {404, 400, 200};
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
    site.forgets = ways[i];
    g_assert_cmpstr(bench_call(bench, "s_json", "{}", 5000), ==, "from json");
    g_assert_true(bench->ok);
    g_assert_cmpint(site.sessions, ==, 101 * ((int)i + 1) + 1);
  }
  site_close();
}

/* A refusal that a new session does not mend is one of the call: the server stays, and the next
 * call is well. */
static void test_refused_again(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  for (int i = 0; i < 2; i++) {
    contains(bench_call(bench, "s_picky", "{}", 5000), "HTTP status 400: no session of parliament");
    g_assert_false(bench->ok);
  }
  g_assert_cmpstr(bench_call(bench, "s_json", "{}", 5000), ==, "from json");
  g_assert_true(status_has(bench, "\"status\":\"ready\""));
  site_close();
}

/* A server with sessions that offers no GET says so by 404, 400 or 405: none of them is about the
 * session. */
static void test_no_listening(void)
{
  static const int statuses[] = {404, 400, 405};
  for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++) {
    Bench *bench = site_open(server_toml);
    site.get_status = statuses[i];
    bench_wait(bench, has_tools);
    for (int calls = 0; calls < 3; calls++)
      g_assert_cmpstr(bench_call(bench, "s_json", "{}", 5000), ==, "from json");
    g_assert_cmpint(site.sessions, ==, 1);
    site_close();
  }
}

static void test_goes_on(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_resumed", "{}", 5000), ==, "the rest");
  g_assert_true(bench->ok);
  contains(site.seen->str, "GET e-1\nGET e-2\n");
  site_close();
}

/* Pages that lead back to the first, and a name that comes twice: every tool is offered once. */
static void test_circle(void)
{
  Bench *bench = site_open(server_toml);
  site.circles = true;
  bench_wait(bench, has_tools);
  const char *json = tools_json(bench->tools), *first = strstr(json, "\"s_json\"");
  g_assert_nonnull(first);
  g_assert_null(strstr(first + 1, "\"s_json"));
  site_close();
}

static bool has_more(Bench *bench)
{
  const char *json = tools_json(bench->tools);
  return json && strstr(json, "s_more");
}

/* What the server says unasked comes by a GET that stays open. */
static void test_listens(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_listener);
  g_assert_false(has_more(bench));
  static const char changed[] =
      "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
  site.has_more = true;
  http_stream_chunk(site.listen, changed, strlen(changed));
  bench_wait(bench, has_more);
  site_close();
}

static bool is_away(Bench *bench)
{
  return status_has(bench, "\"status\":\"waiting\"");
}

static void test_dies(void)
{
  Bench *bench = site_open(server_toml);
  bench_wait(bench, has_tools);
  g_clear_pointer(&site.http, http_server_free);
  contains(bench_call(bench, "s_json", "{}", 5000), "MCP server 's': ");
  g_assert_false(bench->ok);
  bench_wait(bench, is_away);
  g_assert_null(tools_json(bench->tools));
  site_close();
}

/* The operator's list confines what an agent file may name. */
static void test_not_allowed(void)
{
  g_setenv("AGENT_ALLOWED_HOSTS", "localhost", TRUE);
  Bench *bench = site_open("[mcp_servers.s]\nurl = \"https://mcp.example/mcp\"\n");
  g_assert_true(
      status_has(bench, "url: host 'mcp.example' is not allowed; add it to AGENT_ALLOWED_HOSTS"));
  site_close();
  g_unsetenv("AGENT_ALLOWED_HOSTS");
}

/* ---- agents ---- */

static bool knows_weather(Bench *bench)
{
  const char *json = tools_json(bench->tools);
  return json && strstr(json, "Knows the weather.");
}

/* Writes the peers file anew, as Reeve does, by renaming. */
static void write_peers(const char *path, const char *format)
{
  g_autofree char *port = g_strdup_printf("%d", site.port);
  g_auto(GStrv) parts = g_strsplit(format, "PORT", -1);
  g_autofree char *text = g_strjoinv(port, parts);
  g_autoptr(GError) error = NULL;
  fs_write(path, text, strlen(text), 0600, false, &error);
  g_assert_no_error(error);
}

/* Two replicas, the first of them away; nothing is known of the agent yet. */
static void test_replicas(void)
{
  g_autofree char *directory = g_dir_make_tmp("reeve-peers-XXXXXX", NULL),
                  *path = g_build_filename(directory, "peers.json", NULL);
  g_setenv("AGENT_PEERS_FILE", path, TRUE);
  g_setenv("AGENT_PEER_KEY", "k1", TRUE);
  Bench *bench = site_open("");
  g_assert_null(tools_json(bench->tools));
  write_peers(
      path,
      "[{\"id\":\"news.one\",\"role\":\"worker\",\"urls\":[\"http://127.0.0.1:1\",\"http://127.0.0.1:PORT\"]},{\"id\":7}]");
  contains(
      tools_json(bench->tools),
      "\"name\":\"ask_news_one\",\"description\":\"Asks the agent 'news.one', worker and gives its answer. \"");
  contains(tools_json(bench->tools), "\"required\":[\"text\"]");
  for (int i = 0; i < 2; i++)
    g_assert_cmpstr(bench_call(bench, "ask_news_one", "{\"text\":\"rain?\"}", 5000), ==,
                    "all is well");
  site_close();
  fs_remove_tree(directory, NULL);
}

static void test_peer_file(void)
{
  g_autofree char *directory = g_dir_make_tmp("reeve-peers-XXXXXX", NULL),
                  *path = g_build_filename(directory, "peers.json", NULL);
  g_setenv("AGENT_PEERS_FILE", path, TRUE);
  Bench *bench = site_open("");
  write_peers(path, "[{\"id\":\"a\",\"role\":\"\",\"urls\":[\"http://127.0.0.1:PORT/\"]}]");
  bench_wait(bench, knows_weather);
  g_assert_cmpstr(bench_call_at(bench, "ask_a", "{\"text\":\"rain?\"}", 3), ==, "all is well");
  contains(site.seen->str, "/query Bearer k1 4 {\"query\":\"rain?\"}\n");
  contains(bench_call_at(bench, "ask_a", "{\"text\":\"rain?\"}", PEER_DEPTH_MAX),
           "passed through too many agents");
  g_assert_false(bench->ok);
  contains(bench_call(bench, "ask_a", "{\"txt\":1}", 5000), "wanted the argument 'text'");
  write_peers(
      path,
      "[{\"id\":\"b\",\"role\":\"\",\"urls\":[\"http://127.0.0.1:PORT/busy\"]},{\"id\":\"old\",\"role\":\"\",\"urls\":[\"http://127.0.0.1:PORT/old\"]},"
      "{\"id\":\"far\",\"role\":\"\",\"urls\":[\"http://169.254.169.254\"]},{\"id\":\"gone\",\"role\":\"\",\"urls\":[\"http://127.0.0.1:1\"]}]");
  g_assert_null(strstr(tools_json(bench->tools), "ask_a"));
  g_assert_cmpstr(bench_call(bench, "ask_b", "{\"text\":\"?\"}", 5000), ==,
                  "agent 'b' gave no answer: HTTP status 500: the brain is asleep");
  g_assert_cmpstr(bench_call(bench, "ask_old", "{\"text\":\"?\"}", 5000), ==, "all is well");
  contains(site.seen->str, "/old/prompt Bearer k1 1 {\"prompt\":\"?\"}\n");
  contains(bench_call(bench, "ask_far", "{\"text\":\"?\"}", 5000), "link-local");
  g_assert_cmpstr(bench_call(bench, "ask_gone", "{\"text\":\"?\"}", 5000), ==,
                  "agent 'gone' gave no answer: connection refused");
  contains(bench_call(bench, "ask_a", "{\"text\":\"?\"}", 5000), "there is no tool 'ask_a'");
  site_close();
  g_unsetenv("AGENT_PEERS_FILE");
  fs_remove_tree(directory, NULL);
}

/* Without a peers file there are URLs only. */
static void test_connected(void)
{
  g_setenv("CONNECTED_AGENTS", "http://localhost:9001, nonsense,http://localhost:9002", TRUE);
  Bench *bench = site_open("");
  contains(tools_json(bench->tools), "\"ask_localhost_9001\"");
  contains(tools_json(bench->tools), "\"ask_localhost_9002\"");
  site_close();
  g_unsetenv("CONNECTED_AGENTS");
}

static bool has_far(Bench *bench)
{
  return status_has(bench, "\"ask_near\"") && !status_has(bench, "\"ask_far\"");
}

/* Sub-agents have a token of their own and never the secret of the job; one that is away is not
 * offered. */
static void test_sub_agents(void)
{
  g_setenv("AGENT_PEER_KEY", "k1", TRUE);
  Bench *bench = site_open(
      "[sub_agents.near]\nurl = \"http://localhost:PORT\"\nauth_token = \"t9\"\n"
      "[sub_agents.plain]\nurl = \"http://localhost:PORT/old\"\n[sub_agents.far]\nurl = \"http://localhost:1\"\nhealth_check_interval = 1\n"
      "[sub_agents.bad]\nurl = \"http://169.254.1.1/\"\n");
  bench_wait(bench, has_far);
  g_assert_false(status_has(bench, "\"ask_bad\""));
  g_assert_cmpstr(bench_call(bench, "ask_near", "{\"text\":\"x\"}", 5000), ==, "all is well");
  g_assert_cmpstr(bench_call(bench, "ask_plain", "{\"text\":\"x\"}", 5000), ==, "all is well");
  contains(site.seen->str, "/query Bearer t9 1 ");
  contains(site.seen->str, "/old/query - 1 ");
  g_assert_null(strstr(site.seen->str, "k1"));
  site_close();
  g_unsetenv("AGENT_PEER_KEY");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agent/tools-http/plain", test_plain);
  g_test_add_func("/agent/tools-http/trouble", test_trouble);
  g_test_add_func("/agent/tools-http/session", test_session);
  g_test_add_func("/agent/tools-http/refused-again", test_refused_again);
  g_test_add_func("/agent/tools-http/no-listening", test_no_listening);
  g_test_add_func("/agent/tools-http/goes-on", test_goes_on);
  g_test_add_func("/agent/tools-http/circle", test_circle);
  g_test_add_func("/agent/tools-http/listens", test_listens);
  g_test_add_func("/agent/tools-http/dies", test_dies);
  g_test_add_func("/agent/tools-http/not-allowed", test_not_allowed);
  g_test_add_func("/agent/tools-http/replicas", test_replicas);
  g_test_add_func("/agent/tools-http/peer-file", test_peer_file);
  g_test_add_func("/agent/tools-http/connected", test_connected);
  g_test_add_func("/agent/tools-http/sub-agents", test_sub_agents);
  return g_test_run();
}
