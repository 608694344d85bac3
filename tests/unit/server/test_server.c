/* The server's parts together on a memory store, over its real socket, with a fake node link:
 * deploy, events, logs, a full store, the end.
 */
#include "base/clock.h"
#include "base/error.h"
#include "bench.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool bench_stop_sent(Bench *bench)
{
  return bench_has(bench, FRAME_STOP);
}

static bool bench_leaving(Bench *bench)
{
  return bench->server.leaving;
}

static bool bench_log_read_sent(Bench *bench)
{
  return bench_has(bench, FRAME_LOG_READ);
}

static bool bench_reset_seen(Bench *bench)
{
  return strstr(bench->stream->str, "event: reset\n") && strstr(bench->stream->str, "\n\n");
}

static bool bench_deployment_seen(Bench *bench)
{
  return strstr(bench->stream->str, "event: deployment\n") != NULL;
}

static void test_refusals(void)
{
  Bench bench;
  bench_open(&bench);
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"status\":\"ok\"");
  bench_call(&bench, "GET", "/api/deployments", NULL, 200, "{\"deployments\":[]}");
  bench_call(&bench, "GET", "/api/nodes", NULL, 200, "{\"nodes\":[]}");
  bench_call(&bench, "GET", "/api/server", NULL, 200, "\"running_agents\":[]");
  bench_call(&bench, "GET", "/metrics", NULL, 200,
             "reeve_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1");
  bench_call(&bench, "GET", "/api/openapi.yaml", NULL, 200, "openapi: 3.1.0");
  bench_call(&bench, "GET", "/nowhere", NULL, 404, "\"code\":\"not-found\"");
  bench_call(&bench, "DELETE", "/metrics", NULL, 405, "allowed: GET, HEAD");
  bench_call(&bench, "GET", "/api/deployments/none", NULL, 404, "no such deployment");
  bench_call(&bench, "GET", "/api/deployments/none/logs", NULL, 404, "no such deployment");
  bench_call(&bench, "POST", "/api/deployments/none/down", "{}", 404, "\"status\":404");
  bench_call(&bench, "POST", "/api/deployments", "{\"jobb\":{}}", 422, "did you mean 'job'?");
  bench_call(&bench, "POST", "/api/deployments",
             "{\"source_name\":\"a\",\"source\":\"b\",\"job\":{}}", 422, "\"problems\":[");
  bench_call(&bench, "POST", "/api/deployments", "{", 400, "JSON line 1");
  bench_call(&bench, "POST", "/api/server/stop", "{\"mode\":\"now\"}", 422,
             "allowed: refuse, keep, down");
  g_assert_cmpuint(core_deployments(engine_core(bench.server.engine))->len, ==, 0);
  bench_done(&bench);
}

static void test_deploy(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  bench_until(&bench, bench_welcome_sent);
  bench_follow(&bench, "/api/events", NULL);
  bench_until(&bench, bench_reset_seen);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  bench_call(&bench, "POST", "/api/deployments/one/restart", "{}", 409, "\"rollout\":\"rol_");
  g_autofree char *instance = bench_run_instance(&bench);
  bench_until(&bench, bench_running);
  bench_until(&bench, bench_deployment_seen);
  bench_call(&bench, "GET", "/api/deployments/one", NULL, 200, instance);
  bench_call(&bench, "GET", "/api/deployments/one/history", NULL, 200,
             "\"source_name\":\"job.yaml\"");
  bench_call(&bench, "GET", "/api/deployments/one/why", NULL, 200, "{");
  bench_call(&bench, "GET", "/api/server", NULL, 200, "\"running_agents\":[\"one/solo\"]");
  bench_call(&bench, "GET", "/metrics", NULL, 200, "reeve_instances{state=\"running\"} 1");
  bench_call(&bench, "DELETE", "/api/deployments/one", NULL, 409, "\"code\":\"conflict\"");
  bench_call(&bench, "POST", "/api/server/stop", "{}", 409, "one/solo");
  bench_call(&bench, "POST", "/api/server/stop", "{\"mode\":\"keep\"}", 202, "\"mode\":\"keep\"");
  bench_until(&bench, bench_stream_ended);
  g_assert_nonnull(strstr(bench.stream->str, "event: end\n"));
  g_assert_true(bench.server.leaving);
  bench_done(&bench);
}

static void test_resume(void)
{
  Bench bench;
  bench_open(&bench);
  bench_follow(&bench, "/api/events", NULL);
  bench_until(&bench, bench_reset_seen);
  const char *id = strstr(bench.stream->str, "id: ");
  g_autofree char *header =
      g_strdup_printf("Last-Event-ID: %.*s", (int)strcspn(id + 4, "\n"), id + 4);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  bench_follow(&bench, "/api/events?deployment=one", header);
  bench_until(&bench, bench_deployment_seen);
  bench_done(&bench);
}

static void test_logs(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_autofree char *instance = bench_run_instance(&bench);
  bench_until(&bench, bench_running);
  bench_call(&bench, "GET", "/api/deployments/one/logs?tail=x", NULL, 400, "'tail'");
  bench_call(&bench, "GET", "/api/deployments/one/logs?since=today", NULL, 400, "'since'");
  bench_call(&bench, "GET", "/api/deployments/one/logs?agent=other", NULL, 404, "no such agent");
  bench_follow(&bench, "/api/deployments/one/logs?tail=5&since=2026-11-21T04:30:00Z", NULL);
  bench_until(&bench, bench_log_read_sent);
  g_autoptr(Frame) read = bench_take(&bench, FRAME_LOG_READ);
  g_assert_cmpstr(read->instance, ==, instance);
  g_assert_cmpint(read->tail, ==, 5);
  g_assert_cmpint(read->credit, >, 0);
  Frame *data = frame_new(FRAME_LOG_DATA);
  data->request = read->request;
  data->data = g_strdup("2026-11-21T04:30:01.000Z stderr F a \"b\"\n");
  bench_tell(&bench, data);
  Frame *end = frame_new(FRAME_LOG_END);
  end->request = read->request;
  bench_tell(&bench, end);
  bench_until(&bench, bench_stream_ended);
  g_assert_nonnull(strstr(bench.stream->str, "\"agent\":\"solo\",\"replica\":0"));
  g_assert_nonnull(
      strstr(bench.stream->str,
             "\"stream\":\"stderr\",\"partial\":false,\"text\":\"a \\\"b\\\"\"}\n<end>"));
  bench_done(&bench);
}

static bool bench_two_lines(Bench *bench)
{
  return strstr(bench->stream->str, "\"text\":\"two\"") != NULL;
}

static bool bench_three_lines(Bench *bench)
{
  return strstr(bench->stream->str, "\"text\":\"three\"") != NULL;
}

static void bench_log(Bench *bench, int64_t request, const char *lines)
{
  Frame *data = frame_new(FRAME_LOG_DATA);
  data->request = request;
  data->data = g_strdup(lines);
  bench_tell(bench, data);
}

static void count_taken(const char *out, const char *err, void *data)
{
  (*(int *)data)++;
}

static int taken;

static bool bench_taken(Bench *bench)
{
  return taken == 1;
}

/* After a new link the reading goes on behind the last record that was sent: none is lost, also of
 * the same millisecond, and none comes twice. A node that does not answer holds up nobody who only
 * wants the end of what there is. */
static void test_logs_over_a_new_link(void)
{
  static const char two[] =
      "2026-11-21T04:30:01.000Z stdout F one\n2026-11-21T04:30:01.000Z stdout F two\n";
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_free(bench_run_instance(&bench));
  bench_until(&bench, bench_running);
  bench_follow(&bench, "/api/deployments/one/logs?follow=1", NULL);
  bench_until(&bench, bench_log_read_sent);
  g_autoptr(Frame) first = bench_take(&bench, FRAME_LOG_READ);
  bench_log(&bench, first->request, two);
  bench_until(&bench, bench_two_lines);
  hub_detach(g_steal_pointer(&bench.peer));
  bench_hello(&bench);
  bench_until(&bench, bench_log_read_sent);
  g_autoptr(Frame) second = bench_take(&bench, FRAME_LOG_READ);
  g_autofree char *all = g_strconcat(two, "2026-11-21T04:30:01.000Z stdout F three\n", NULL);
  bench_log(&bench, second->request, all);
  bench_until(&bench, bench_three_lines);
  const char *one = strstr(bench.stream->str, "\"text\":\"one\"");
  g_assert_null(strstr(one + 1, "\"text\":\"one\""));
  taken = 0;
  logs_take(bench.server.logs, core_deployment(engine_core(bench.server.engine), "one"), 20,
            count_taken, &taken);
  bench_until(&bench, bench_taken);
  bench_done(&bench);
}

static bool bench_not_loading(Bench *bench)
{
  return engine_core_state(bench->server.engine) != CORE_STATE_LOADING;
}

static bool bench_is_loading(Bench *bench)
{
  return !bench_not_loading(bench);
}

/* A reading goes on while the core is loaded again, and after it, as if nothing were. */
static void test_logs_over_a_reload(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_free(bench_run_instance(&bench));
  bench_until(&bench, bench_running);
  bench_follow(&bench, "/api/deployments/one/logs?follow=1", NULL);
  bench_until(&bench, bench_log_read_sent);
  g_autoptr(Frame) read = bench_take(&bench, FRAME_LOG_READ);
  bench_close_loads();
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_is_loading);
  bench_log(&bench, read->request,
            "2026-11-21T04:30:01.000Z stdout F one\n2026-11-21T04:30:01.000Z stdout F two\n");
  bench_until(&bench, bench_two_lines);
  bench_open_loads();
  bench_until(&bench, bench_not_loading);
  bench_log(&bench, read->request, "2026-11-21T04:30:02.000Z stdout F three\n");
  bench_until(&bench, bench_three_lines);
  g_assert_false(bench_log_read_sent(&bench));
  g_assert_null(strstr(bench.stream->str, "<end>"));
  bench_done(&bench);
}

static void test_stop_down(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_free(bench_run_instance(&bench));
  bench_until(&bench, bench_running);
  bench_call(&bench, "POST", "/api/server/stop", "{\"mode\":\"down\"}", 202, "[\"one/solo\"]");
  bench_until(&bench, bench_stop_sent);
  bench_call(&bench, "POST", "/api/deployments", body, 503, "the server is stopping");
  g_assert_false(bench.server.leaving);
  g_autoptr(Frame) stop = bench_take(&bench, FRAME_STOP);
  bench_report(&bench, g_ptr_array_index(stop->instructions, 0), INSTANCE_STOPPED, HEALTH_UNKNOWN);
  bench_until(&bench, bench_leaving);
  bench_done(&bench);
}

static bool bench_loaded(Bench *bench)
{
  return engine_core_state(bench->server.engine) == CORE_STATE_READY;
}

static bool bench_store_ok(Bench *bench)
{
  return engine_store_state(bench->server.engine) == STORE_STATE_OK;
}

static void test_full_store(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_autofree char *instance = bench_run_instance(&bench);
  bench_until(&bench, bench_running);
  g_autofree char *before = core_dump(engine_core(bench.server.engine));
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_relist_sent);
  bench_until(&bench, bench_loaded);
  g_autofree char *after = core_dump(engine_core(bench.server.engine));
  g_assert_cmpstr(before, ==, after);
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"status\":\"degraded\"");
  bench_call(&bench, "GET", "/api/server", NULL, 200, "\"store\":\"full\"");
  bench_call(&bench, "GET", "/api/deployments/one", NULL, 200, instance);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_store_ok);
  g_ptr_array_set_size(bench.sent, 0);
  g_assert_false(bench.closed);
  bench_say_hello(&bench, "boot-1", NULL);
  bench_until(&bench, bench_welcome_sent);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 202, "\"rollout\":\"rol_");
  bench_call(&bench, "GET", "/metrics", NULL, 200, "reeve_store_commit_errors_total 1");
  bench_done(&bench);
}

/* ---- events ---- */

enum { REPLAYED = 5000 };

static void bench_publish(Bench *bench, int n)
{
  g_autofree char *pad = g_strnfill(500, 'x');
  for (int i = 0; i < n; i++) {
    g_autofree char *data = g_strdup_printf("{\"pad\":\"%s\"}", pad);
    Event event = {.type = (char *)"node", .object = (char *)"local", .data = data};
    events_publish(bench->server.events, &event);
  }
}

/* A reader by hand, which takes nothing until it is asked to. */
static int bench_reader(Bench *bench, const char *run)
{
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, bench->socket, sizeof address.sun_path);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_autofree char *ask = g_strdup_printf(
      "GET /api/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %s-0\r\n\r\n", run);
  g_assert_cmpint(write(fd, ask, strlen(ask)), ==, (ssize_t)strlen(ask));
  return fd;
}

static bool bench_two_streams(Bench *bench)
{
  return events_streams(bench->server.events) == 2;
}

static int reader_fd;
static GString *reader_text;
static char reader_last[64]; /* what the last event that it is to get begins with */

static bool bench_all_read(Bench *bench)
{
  char bytes[65536];
  for (ssize_t n; (n = read(reader_fd, bytes, sizeof bytes)) > 0;)
    g_string_append_len(reader_text, bytes, n);
  return strstr(reader_text->str, reader_last) != NULL;
}

static bool bench_dropped(Bench *bench)
{
  return events_streams(bench->server.events) == 1;
}

/* One who resumes at the beginning and does not read costs a page, not all that there was; one who
 * then reads has all of it, in order, and what came meanwhile. Who never reads is dropped. */
static void test_replay_is_paged(void)
{
  Bench bench;
  bench_open(&bench);
  bench_follow(&bench, "/api/events", NULL);
  bench_until(&bench, bench_reset_seen);
  const char *id = strstr(bench.stream->str, "id: ") + 4;
  g_autofree char *run = g_strndup(id, strcspn(id, "-"));
  /* the first watcher is dropped at the end of this, which is not what is looked at */
  bench_publish(&bench, 1);
  for (int i = 0; i < REPLAYED / 100; i++) {
    bench_publish(&bench, 100);
    event_base_loop(loop_base(bench.server.loop), EVLOOP_NONBLOCK);
  }
  reader_fd = bench_reader(&bench, run);
  bench_until(&bench, bench_two_streams);
  g_assert_cmpuint(http_server_backlog(bench.server.http), <, 4 * EVENTS_PAGE_BYTES);
  bench_publish(&bench, 9);
  g_snprintf(reader_last, sizeof reader_last, "id: %s-%d\n", run, REPLAYED + 10);
  reader_text = g_string_new(NULL);
  bench_until(&bench, bench_all_read);
  const char *at = reader_text->str;
  for (int seq = 1; seq <= REPLAYED + 10; seq++) {
    char text[64];
    g_snprintf(text, sizeof text, "id: %s-%d\n", run, seq);
    at = strstr(at, text);
    g_assert_nonnull(at);
  }
  for (int i = 0; i < 60 && events_streams(bench.server.events) == 2;
       i++) { /* 100 x 530 bytes each: 1 MiB, its page, the kernel's buffers */
    bench_publish(&bench, 100);
    event_base_loop(loop_base(bench.server.loop), EVLOOP_NONBLOCK);
    g_assert_cmpuint(http_server_backlog(bench.server.http), <, 4 * EVENTS_PAGE_BYTES);
  }
  bench_until(&bench, bench_dropped);
  close(reader_fd);
  g_string_free(reader_text, TRUE);
  bench_done(&bench);
}

static bool bench_two_wait(Bench *bench)
{
  return g_hash_table_size(bench->server.waiters) == 2;
}

/* The server ends while a change and a stream that begins wait for a commit that takes longer than
 * it drains. */
static void test_end_under_stalled_commit(void)
{
  Bench bench;
  bench_open(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_close_commits();
  bench_ask(&bench, "POST", "/api/deployments", body);
  bench_follow(&bench, "/api/events", NULL);
  bench_until(&bench, bench_two_wait);
  bench_open_commits(); /* the loop does not run any more: its outcome is not heard */
  bench_done(&bench);
}

static bool bench_exec_sent(Bench *bench)
{
  return bench_has(bench, FRAME_EXEC);
}

/* The links of nodes last when the core is loaded again, and the commands there with them. */
static void test_exec_and_full_store(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_free(bench_run_instance(&bench));
  bench_until(&bench, bench_running);
  static const char command[] = "{\"argv\":[\"sleep\",\"60\"]}";
  HttpCallSpec spec = {.method = "POST",
                       .url = "http://localhost/api/deployments/one/exec",
                       .unix_socket = bench.socket,
                       .content_type = "application/json",
                       .body = command,
                       .body_length = strlen(command),
                       .stream = true};
  g_string_truncate(bench.stream, 0);
  http_client_call(bench.client, &spec, bench_stream_data, bench_stream_over, &bench);
  bench_until(&bench, bench_exec_sent);
  g_autoptr(Frame) exec = bench_take(&bench, FRAME_EXEC);
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_relist_sent);
  g_assert_null(strstr(bench.stream->str, "<end>"));
  Frame *end = frame_new(FRAME_EXEC_END);
  end->request = exec->request;
  end->exit_code = 3;
  bench_tell(&bench, end);
  bench_until(&bench, bench_stream_ended);
  g_assert_nonnull(strstr(bench.stream->str, "\"exit_code\":3"));
  bench_done(&bench);
}

static void bench_secret_read(Bench *bench, const char *instance)
{
  Frame *read = frame_new(FRAME_SECRET_READ);
  read->instance = g_strdup(instance);
  read->request = 1;
  bench_tell(bench, read);
}

static bool bench_secrets_sent(Bench *bench)
{
  return bench_has(bench, FRAME_SECRETS);
}

/* While the store is full it cannot be noted who was given a secret, so nobody is: the node is
 * asked to say hello again when there is room, and asks again. */
static void test_secrets_and_full_store(void)
{
  Bench bench;
  bench_open(&bench);
  bench_hello(&bench);
  bench_call(&bench, "POST", "/api/secrets", "{\"name\":\"key\",\"value\":\"v\"}", 201,
             "\"name\":\"key\"");
  g_autofree char *plain = bench_deploy_body();
  g_autoptr(GString) body = g_string_new(plain);
  g_string_replace(body, "\"environment\":{}", "\"environment\":{\"KEY\":{\"secret\":\"key\"}}", 1);
  bench_call(&bench, "POST", "/api/deployments", body->str, 202, "\"changed\":true");
  g_autofree char *instance = bench_run_instance(&bench);
  bench_until(&bench, bench_running);
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_loaded);
  bench_until(&bench, bench_relist_sent);
  g_ptr_array_set_size(bench.sent, 0);
  Instruction *runs = instruction_new(instance, 1, 1);
  bench_say_hello(&bench, "boot-1", runs);
  bench_until(&bench, bench_welcome_sent);
  bench_secret_read(&bench, instance);
  bench_until(&bench, bench_is_loading);
  bench_secret_read(&bench, instance); /* nobody is there to answer */
  bench_until(&bench, bench_store_ok);
  g_assert_false(bench_has(&bench, FRAME_SECRETS));
  g_assert_true(bench_relist_sent(&bench));
  bench_say_hello(&bench, "boot-1", runs);
  bench_secret_read(&bench, instance);
  bench_until(&bench, bench_secrets_sent);
  instruction_free(runs);
  bench_done(&bench);
}

/* A receiver of webhooks that fills the disk before it answers. */
typedef struct Receiver {
  Bench *bench;
  int posts;
  char *id;
} Receiver;

static void receiver_handle(HttpRequest *request, void *data)
{
  Receiver *receiver = data;
  receiver->posts++;
  g_free(receiver->id);
  receiver->id = g_strdup(http_request_header(request, "Reeve-Webhook-Id"));
  store_memory_fail(receiver->bench->store, 1, REEVE_ERROR_STORE_FULL);
  http_reply(request, 200, "text/plain", "", 0);
}

static bool bench_told(Bench *bench)
{
  return engine_store_state(bench->server.engine) == STORE_STATE_OK &&
         core_notices(engine_core(bench->server.engine))->len == 0 &&
         engine_idle(bench->server.engine);
}

static bool bench_store_full(Bench *bench)
{
  return engine_store_state(bench->server.engine) == STORE_STATE_FULL && bench_loaded(bench);
}

/* A delivery that could not be noted is noted later: the message is not posted again. */
static void test_webhook_and_full_store(void)
{
  Bench bench;
  g_autoptr(GError) error = NULL;
  bench_open(&bench);
  Receiver receiver = {.bench = &bench};
  HttpServerConfig config = {.handler = receiver_handle, .data = &receiver, .connections_max = 10};
  HttpServer *http = http_server_new(bench.server.loop, &config);
  int port = http_server_listen_tcp(http, "127.0.0.1", 0, &error);
  g_assert_no_error(error);
  g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d/hook", port),
                  *body = bench_deploy_notifying(url);
  bench_hello(&bench);
  bench_call(&bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_autofree char *id = bench_run_instance(&bench);
  bench_until(&bench, bench_running);
  Instruction *instruction = instruction_new(id, 1, 1);
  bench_report(&bench, instruction, INSTANCE_FAILED, HEALTH_UNKNOWN);
  bench_until(&bench, bench_store_full);
  g_assert_cmpuint(core_notices(engine_core(bench.server.engine))->len, ==, 1);
  g_assert_true(g_str_has_prefix(
      receiver.id,
      ((const Notice *)g_ptr_array_index(core_notices(engine_core(bench.server.engine)), 0))->id));
  bench_until(&bench, bench_told);
  g_assert_cmpint(receiver.posts, ==, 1);
  instruction_free(instruction);
  g_free(receiver.id);
  http_server_free(http);
  bench_done(&bench);
}

typedef struct NodeEnd {
  int fd;
  Bench *bench;
} NodeEnd;

static void node_end_read(void *data)
{
  NodeEnd *end = data;
  char bytes[4096];
  ssize_t n = read(end->fd, bytes, sizeof bytes);
  g_assert_cmpint(n, >, 0);
  g_string_append_len(end->bench->stream, bytes, n);
}

static bool bench_node_heard(Bench *bench)
{
  return strstr(bench->stream->str, "\"welcome\"") && strstr(bench->stream->str, "unknown-type");
}

static bool bench_linked(Bench *bench)
{
  return hub_linked(bench->server.hub, "far");
}

static bool bench_unlinked(Bench *bench)
{
  return !hub_linked(bench->server.hub, "far");
}

/* A node as a process of its own: lines over a unix socket that only we may open. */
static void test_node_socket(void)
{
  Bench bench;
  bench_open_at(&bench, "node.sock");
  struct stat status;
  g_assert_cmpint(stat(bench.node_socket, &status), ==, 0);
  g_assert_cmpint(status.st_mode & 0777, ==, 0600);
  NodeEnd end = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .bench = &bench};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, bench.node_socket, sizeof address.sun_path);
  g_assert_cmpint(connect(end.fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  LoopWatch *watch = loop_watch_new(bench.server.loop, end.fd, node_end_read, &end);
  static const char text[] =
      "{\"type\":\"hello\",\"node\":\"far\",\"name\":\"far\",\"boot_id\":\"b\",\"version\":\"1\",\"protocol\":2,"
      "\"instances\":[]}\nno json\n{\"type\":\"dance\"}\n";
  g_assert_cmpint(write(end.fd, text, strlen(text)), ==, (ssize_t)strlen(text));
  bench_until(&bench, bench_node_heard);
  g_assert_true(hub_linked(bench.server.hub, "far"));
  loop_watch_free(watch);
  close(end.fd);
  bench_until(&bench, bench_unlinked);
  /* One that does not read loses its link; what is kept for it is bounded. */
  end.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(end.fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint(write(end.fd, text, strlen(text)), ==, (ssize_t)strlen(text));
  bench_until(&bench, bench_linked);
  g_autofree char *large = g_strnfill(FRAME_BYTES_MAX - 1, 'x');
  for (int i = 0; i < LINK_UNREAD_BYTES_MAX / FRAME_BYTES_MAX + 2; i++)
    hub_send(bench.server.hub, "far", large);
  bench_until(&bench, bench_unlinked);
  close(end.fd);
  bench_done(&bench);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/server/refusals", test_refusals);
  g_test_add_func("/server/deploy", test_deploy);
  g_test_add_func("/server/resume", test_resume);
  g_test_add_func("/server/logs", test_logs);
  g_test_add_func("/server/logs-over-a-new-link", test_logs_over_a_new_link);
  g_test_add_func("/server/logs-over-a-reload", test_logs_over_a_reload);
  g_test_add_func("/server/stop-down", test_stop_down);
  g_test_add_func("/server/full-store", test_full_store);
  g_test_add_func("/server/replay-is-paged", test_replay_is_paged);
  g_test_add_func("/server/end-under-stalled-commit", test_end_under_stalled_commit);
  g_test_add_func("/server/exec-and-full-store", test_exec_and_full_store);
  g_test_add_func("/server/secrets-and-full-store", test_secrets_and_full_store);
  g_test_add_func("/server/webhook-and-full-store", test_webhook_and_full_store);
  g_test_add_func("/server/node-socket", test_node_socket);
  return g_test_run();
}
