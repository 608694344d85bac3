/* After a failed commit the core is read from the store again, on the store's thread: what is
 * answered meanwhile, what waits, and what happens when somebody leaves, the server ends, or the
 * store fails again. */
#include "base/clock.h"
#include "base/error.h"
#include "bench.h"
#include "server/listen.h"
#include "server/turn.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- clients by hand ---- */

/* A connection that asks @method @path of 'one' and does not read yet. */
static int ask_by_hand(const Bench *bench, const char *method, const char *path)
{
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, bench->socket, sizeof address.sun_path);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  bool body = strcmp(method, "POST") == 0;
  g_autofree char *text = g_strdup_printf(
      "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path,
      body ? "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" : "\r\n");
  g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
  return fd;
}

/* As long as it waits, a peer that ends its side may still read. One that closes with an answer
 * unread is seen to be gone: that of a request before the one that counts. */
#define UNREAD "/healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET "

/* The status that has come over @fd, 0 = none yet. What came stays to be read. */
static int status_by_hand(int fd)
{
  char text[64] = "";
  int status = 0;
  if (recv(fd, text, sizeof text - 1, MSG_PEEK | MSG_DONTWAIT) > 0)
    g_assert_cmpint(sscanf(text, "HTTP/1.1 %d", &status), ==, 1);
  return status;
}

enum { HANDS = 3 };
static int hands[HANDS]; /* -1 = none */

static bool hands_are_answered(Bench *bench)
{
  (void)bench;
  for (int i = 0; i < HANDS; i++)
    if (hands[i] >= 0 && !status_by_hand(hands[i]))
      return false;
  return true;
}

static void hand_close(int i)
{
  close(hands[i]);
  hands[i] = -1;
}

static void hands_close(void)
{
  for (int i = 0; i < HANDS; i++)
    if (hands[i] >= 0)
      hand_close(i);
}

/* ---- a server whose commit fails ---- */

static bool bench_store_ok(Bench *bench)
{
  return engine_store_state(bench->server.engine) == STORE_STATE_OK;
}

static bool bench_loading(Bench *bench)
{
  return engine_core_state(bench->server.engine) == CORE_STATE_LOADING;
}

/* Deployment 'one' runs. */
static void reload_open(Bench *bench)
{
  for (int i = 0; i < HANDS; i++)
    hands[i] = -1;
  bench_open(bench);
  bench_hello(bench);
  g_autofree char *body = bench_deploy_body();
  bench_call(bench, "POST", "/api/deployments", body, 202, "\"changed\":true");
  g_free(bench_run_instance(bench));
  bench_until(bench, bench_running);
}

/* A change finds no room, and the load that follows stands at its gate. */
static void reload_fail(Bench *bench)
{
  bench_close_loads();
  store_memory_fail(bench->store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(bench, "POST", "/api/deployments/one/down", "{}", 507, "\"code\":\"store-full\"");
  bench_until(bench, bench_loading);
}

static void test_answers_meanwhile(void)
{
  Bench bench;
  reload_open(&bench);
  g_autofree char *before = core_dump(engine_core(bench.server.engine));
  reload_fail(&bench);
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"status\":\"degraded\"");
  hands[0] = ask_by_hand(&bench, "GET", "/api/deployments/one");
  hands[1] = ask_by_hand(&bench, "POST", "/api/deployments/one/restart");
  hands[2] = ask_by_hand(&bench, "GET", "/nowhere");
  for (int i = 0; i < 5; i++)
    bench_call(&bench, "GET", "/healthz", NULL, 200, "\"store\":\"full\"");
  g_assert_cmpint(bench_loads_on_loop(), ==, 0);
  g_assert_cmpint(status_by_hand(hands[0]) + status_by_hand(hands[1]) + status_by_hand(hands[2]),
                  ==, 0);
  bench_open_loads();
  bench_until(&bench, hands_are_answered);
  g_assert_cmpint(status_by_hand(hands[0]), ==, 200);
  g_assert_cmpint(status_by_hand(hands[1]), ==, 507);
  g_assert_cmpint(status_by_hand(hands[2]), ==, 404);
  g_autofree char *after = core_dump(engine_core(bench.server.engine));
  g_assert_cmpstr(before, ==, after);
  bench_until(&bench, bench_relist_sent);
  g_ptr_array_set_size(bench.sent, 0);
  bench_say_hello(&bench, "boot-1", NULL);
  bench_until(&bench, bench_welcome_sent);
  g_assert_false(bench.closed);
  bench_until(&bench, bench_store_ok);
  bench_call(&bench, "POST", "/api/deployments/one/down", "{}", 202, "\"rollout\":\"rol_");
  bench_call(&bench, "GET", "/metrics", NULL, 200, "reeve_core_reloads_total 1");
  hands_close();
  bench_done(&bench);
}

static bool two_are_held(Bench *bench)
{
  return bench->server.held->len == 2;
}

static bool one_is_held(Bench *bench)
{
  return bench->server.held->len == 1;
}

static bool none_is_held(Bench *bench)
{
  return bench->server.held->len == 0;
}

/* Who leaves while it waits is forgotten, and the others get their answers. */
static void test_gone_meanwhile(void)
{
  Bench bench;
  reload_open(&bench);
  reload_fail(&bench);
  hands[0] = ask_by_hand(&bench, "GET", UNREAD "/api/deployments");
  hands[1] = ask_by_hand(&bench, "GET", "/api/nodes");
  bench_until(&bench, two_are_held);
  hand_close(0);
  bench_until(&bench, one_is_held);
  bench_open_loads();
  bench_until(&bench, hands_are_answered);
  g_assert_cmpint(status_by_hand(hands[1]), ==, 200);
  hands_close();
  bench_done(&bench);
}

static bool two_wait(Bench *bench)
{
  return g_hash_table_size(bench->server.waiters) == 2;
}

static bool three_wait(Bench *bench)
{
  return g_hash_table_size(bench->server.waiters) == 3;
}

/* Reads whose batch failed are done again with the next core; so is nothing else. */
static void test_read_of_a_failed_batch(void)
{
  static char *origins[] = {(char *)"https://desk.example", NULL};
  Bench bench;
  reload_open(&bench);
  bench.options.origins = origins;
  bench_close_commits();
  bench_close_loads();
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  hands[0] = ask_by_hand(&bench, "POST", "/api/deployments/one/down");
  hands[1] = ask_by_hand(&bench, "GET", UNREAD "/api/deployments/one");
  bench_until(&bench, two_wait);
  hands[2] = ask_by_hand(&bench, "GET",
                         "/api/deployments HTTP/1.1\r\nOrigin: https://desk.example\r\nX-Rest:");
  bench_until(&bench, three_wait);
  bench_open_commits();
  bench_until(&bench, two_are_held);
  hand_close(1);
  bench_until(&bench, one_is_held);
  g_assert_cmpint(status_by_hand(hands[0]), ==, 507);
  g_assert_cmpint(status_by_hand(hands[2]), ==, 0);
  bench_open_loads();
  bench_until(&bench, hands_are_answered);
  char text[4096] = "";
  g_assert_cmpint(recv(hands[2], text, sizeof text - 1, 0), >, 0);
  const char *said = strstr(text, "Access-Control-Allow-Origin:");
  g_assert_nonnull(said);
  g_assert_null(strstr(said + 1, "Access-Control-Allow-Origin:"));
  g_assert_nonnull(strstr(text, "\"status\":\"running\""));
  hands_close();
  bench_done(&bench);
}

static bool bench_drained(Bench *bench)
{
  return engine_idle(bench->server.engine) && !store_thread_busy(bench->server.store);
}

/* A load is under way, and a read and a change wait for it. */
static void reload_with_two(Bench *bench)
{
  reload_open(bench);
  reload_fail(bench);
  hands[0] = ask_by_hand(bench, "GET", "/api/deployments");
  hands[1] = ask_by_hand(bench, "POST", "/api/deployments/one/down");
  bench_until(bench, two_are_held);
}

/* The server leaves while it loads: who waits still gets an answer. */
static void test_leave_meanwhile(void)
{
  Bench bench;
  reload_with_two(&bench);
  server_leave(&bench.server, 0);
  bench_open_loads();
  bench_until(&bench, hands_are_answered);
  g_assert_cmpint(status_by_hand(hands[0]), ==, 200);
  g_assert_cmpint(status_by_hand(hands[1]), ==, 507);
  bench_until(&bench, bench_drained);
  hands_close();
  bench_done(&bench);
}

/* The server ends while it loads, and while somebody waits: nobody hears what came of the load. */
static void test_end_meanwhile(void)
{
  Bench bench;
  reload_open(&bench);
  reload_fail(&bench);
  hands[0] = ask_by_hand(&bench, "GET", "/api/deployments");
  bench_until(&bench, one_is_held);
  bench_open_loads();
  bench_done(&bench);
  char text[64];
  g_assert_cmpint(recv(hands[0], text, sizeof text, 0), ==, 0);
  hands_close();
}

static bool bench_leaving(Bench *bench)
{
  return bench->server.leaving;
}

/* What is stored cannot be read again: the server leaves, and nothing is said or done by the core
 * that is ahead of it. */
static void test_load_fails(void)
{
  Bench bench;
  reload_with_two(&bench);
  bench_break_loads(true);
  bench_open_loads();
  bench_until(&bench, bench_leaving);
  bench_break_loads(false);
  bench_until(&bench, hands_are_answered);
  g_assert_cmpint(status_by_hand(hands[0]), ==, 503);
  g_assert_cmpint(status_by_hand(hands[1]), ==, 503);
  g_assert_cmpint(bench.server.exit_code, ==, reeve_error_exit(REEVE_ERROR_STORE_FAILED));
  bench_until(&bench, bench_drained);
  /* the down that never happened */
  engine_apply(bench.server.engine,
               &(Command){.type = COMMAND_CANCEL, .deployment = "one", .actor = "test"});
  g_assert_true(engine_core_state(bench.server.engine) == CORE_STATE_UNREADABLE &&
                engine_idle(bench.server.engine));
  hands_close();
  bench_done(&bench);
}

static bool bench_probing(Bench *bench)
{
  return engine_core_state(bench->server.engine) == CORE_STATE_READY &&
         bench->server.load == NULL && store_thread_busy(bench->server.store);
}

static bool bench_link_closed(Bench *bench)
{
  return bench->closed;
}

static bool bench_ready(Bench *bench)
{
  return engine_core_state(bench->server.engine) == CORE_STATE_READY;
}

/* While the store is full a node tells what needs a record, and the store's thread is at a probe:
 * the load comes after it. The node keeps its link, is not heard meanwhile, and asked to say all of
 * it again when there is room. */
static void test_second_load(void)
{
  Bench bench;
  reload_open(&bench);
  reload_fail(&bench);
  bench_close_commits();
  bench_open_loads();
  bench_until(&bench, bench_probing);
  g_assert_true(bench_relist_sent(&bench));
  g_ptr_array_set_size(bench.sent, 0);
  bench_say_hello(&bench, "boot-2", NULL); /* what the core makes of that needs a record */
  bench_until(&bench, bench_loading);
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"store\":\"full\"");
  bench_close_loads();
  bench_open_commits();
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"store\":\"full\"");
  bench_open_loads();
  bench_until(&bench, bench_ready);
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL); /* the probe that follows */
  bench_say_hello(&bench, "boot-2", NULL);
  bench_until(&bench, bench_store_ok);
  g_assert_true(bench_relist_sent(&bench));
  g_assert_false(bench_welcome_sent(&bench));
  bench_say_hello(&bench, "boot-2", NULL);
  bench_until(&bench, bench_welcome_sent);
  g_assert_false(bench.closed);
  reload_fail(&bench); /* and once more */
  bench_open_loads();
  bench_until(&bench, bench_store_ok);
  bench_call(&bench, "GET", "/metrics", NULL, 200, "reeve_core_reloads_total 3");
  g_assert_cmpint(bench_loads_on_loop(), ==, 0);
  bench_done(&bench);
}

/* A node that dials in while there is no core is asked when there is one. */
static void test_hello_meanwhile(void)
{
  Bench bench;
  reload_open(&bench);
  hub_detach(g_steal_pointer(&bench.peer));
  reload_fail(&bench);
  g_ptr_array_set_size(bench.sent, 0);
  bench_hello_from(&bench, "boot-2", NULL);
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"store\":\"full\"");
  g_assert_cmpuint(bench.sent->len, ==, 0);
  bench_open_loads();
  bench_until(&bench, bench_relist_sent);
  g_assert_false(bench_welcome_sent(&bench));
  bench_until(&bench, bench_store_ok);
  bench_say_hello(&bench, "boot-2", NULL);
  bench_until(&bench, bench_welcome_sent);
  bench_done(&bench);
}

/* A node of an earlier release does not know what it is asked: it is hung up on, and dials anew. */
static void test_relist_unknown(void)
{
  Bench bench;
  reload_open(&bench);
  reload_fail(&bench);
  bench_open_loads();
  bench_until(&bench, bench_store_ok);
  Frame *unknown = frame_new(FRAME_UNKNOWN_TYPE);
  unknown->data = g_strdup("relist");
  bench_tell(&bench, unknown);
  bench_until(&bench, bench_link_closed);
  bench_hello(&bench);
  bench_until(&bench, bench_welcome_sent);
  bench_done(&bench);
}

static void status_only(const HttpResult *result, void *data)
{
  Bench *bench = data;
  bench->status = result->status;
  bench->answered = true;
}

static void ask_with_token(Bench *bench, const char *path, const char *token)
{
  g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d%s", bench->server.listen_port, path);
  g_autofree char *header = g_strconcat("Authorization: Bearer ", token, NULL);
  const char *const headers[] = {header, NULL};
  HttpCallSpec spec = {.method = "GET", .url = url, .headers = headers, .timeout_ms = DEADLINE_MS};
  bench->answered = false;
  http_client_call(bench->client, &spec, NULL, status_only, bench);
}

/* A token that the core no longer knows, by a change that never happened, is as good after the load
 * as before; until then nobody says so.
 */
static void test_token_meanwhile(void)
{
  Bench bench;
  g_autoptr(GError) error = NULL;
  reload_open(&bench);
  bench.options.listen = "127.0.0.1:0";
  g_assert_true(listen_open(&bench.server, &error));
  bench_call(&bench, "POST", "/api/tokens", "{\"name\":\"ci\",\"role\":\"viewer\"}", 201,
             "\"token\":\"reeve_");
  const char *text = strstr(bench.body->str, "\"token\":\"reeve_") + strlen("\"token\":\"");
  g_autofree char *token = g_strndup(text, strcspn(text, "\""));
  bench_close_loads();
  store_memory_fail(bench.store, 1, REEVE_ERROR_STORE_FULL);
  bench_call(&bench, "DELETE", "/api/tokens/ci", NULL, 507, "\"code\":\"store-full\"");
  bench_until(&bench, bench_loading);
  ask_with_token(&bench, "/healthz", "reeve_guessed");
  bench_until(&bench, bench_answered);
  g_assert_cmpint(bench.status, ==, 200);
  ask_with_token(&bench, "/api/deployments", token);
  bench_until(&bench, one_is_held);
  g_assert_false(bench.answered);
  bench_open_loads();
  bench_until(&bench, bench_answered);
  g_assert_cmpint(bench.status, ==, 200);
  ask_with_token(&bench, "/healthz", "reeve_guessed");
  bench_until(&bench, bench_answered);
  g_assert_cmpint(bench.status, ==, 401);
  bench_done(&bench);
}

typedef struct Late {
  Bench *bench;
  int asked;
} Late;

static void late_handle(HttpRequest *request, void *data)
{
  Late *late = data;
  GString *out = turn_scratch(&late->bench->server);
  g_string_printf(out, "answer %d", ++late->asked);
  turn_answer(&late->bench->server, request, 200, "text/plain", out);
}

/* An answer that was put together from the former core, and comes when that is thrown away, is put
 * together again. */
static void test_answer_of_the_former_core(void)
{
  Bench bench;
  g_autoptr(GError) error = NULL;
  reload_open(&bench);
  Late late = {.bench = &bench};
  HttpServer *http = http_server_new(
      bench.server.loop,
      &(HttpServerConfig){.handler = late_handle, .data = &late, .connections_max = 10});
  int port = http_server_listen_tcp(http, "127.0.0.1", 0, &error);
  g_assert_no_error(error);
  reload_fail(&bench);
  g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d/", port);
  bench.answered = false;
  http_client_call(bench.client,
                   &(HttpCallSpec){.method = "GET", .url = url, .timeout_ms = DEADLINE_MS}, NULL,
                   status_only, &bench);
  bench_until(&bench, one_is_held);
  g_assert_cmpint(late.asked, ==, 1);
  bench_open_loads();
  bench_until(&bench, bench_answered);
  g_assert_cmpint(late.asked, ==, 2);
  g_assert_cmpint(bench.status, ==, 200);
  http_server_free(http);
  bench_done(&bench);
}

enum { MANY = 300 };

/* So many wait; who comes then is told to come again. */
static void test_too_many(void)
{
  Bench bench;
  int many[MANY];
  reload_open(&bench);
  reload_fail(&bench);
  for (int i = 0; i < MANY; i++) {
    many[i] = ask_by_hand(&bench, "GET", "/api/deployments");
    while (!status_by_hand(many[i]) && (int)bench.server.held->len <= i)
      event_base_loop(loop_base(bench.server.loop), EVLOOP_ONCE);
  }
  char text[1024] = "";
  g_assert_cmpint(status_by_hand(many[MANY - 1]), ==, 503);
  g_assert_cmpint(recv(many[MANY - 1], text, sizeof text - 1, 0), >, 0);
  g_assert_nonnull(strstr(text, "Retry-After: 1\r\n"));
  bench_call(&bench, "GET", "/healthz", NULL, 200, "\"status\":\"degraded\"");
  bench_open_loads();
  bench_until(&bench, none_is_held);
  hands[0] = many[0];
  bench_until(&bench, hands_are_answered);
  g_assert_cmpint(status_by_hand(many[0]), ==, 200);
  hands[0] = -1;
  for (int i = 0; i < MANY; i++)
    close(many[i]);
  bench_done(&bench);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/reload/answers-meanwhile", test_answers_meanwhile);
  g_test_add_func("/reload/gone-meanwhile", test_gone_meanwhile);
  g_test_add_func("/reload/read-of-a-failed-batch", test_read_of_a_failed_batch);
  g_test_add_func("/reload/leave-meanwhile", test_leave_meanwhile);
  g_test_add_func("/reload/end-meanwhile", test_end_meanwhile);
  g_test_add_func("/reload/load-fails", test_load_fails);
  g_test_add_func("/reload/second-load", test_second_load);
  g_test_add_func("/reload/hello-meanwhile", test_hello_meanwhile);
  g_test_add_func("/reload/relist-unknown", test_relist_unknown);
  g_test_add_func("/reload/token-meanwhile", test_token_meanwhile);
  g_test_add_func("/reload/answer-of-the-former-core", test_answer_of_the_former_core);
  g_test_add_func("/reload/too-many", test_too_many);
  return g_test_run();
}
