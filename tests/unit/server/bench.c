/* See bench.h. */
#include "bench.h"

#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void bench_send(void *link, const char *frame)
{
  g_ptr_array_add(((Bench *)link)->sent, g_strdup(frame));
}

static void bench_close(void *link)
{
  Bench *bench = link;
  bench->peer = NULL;
  bench->closed = true;
}

static const HubCarrier bench_carrier = {.send = bench_send, .close = bench_close};

static void bench_late(void *data)
{
  g_error("nothing happened within %d ms", DEADLINE_MS);
}

void bench_until(Bench *bench, bool (*done)(Bench *bench))
{
  loop_timer_set(bench->deadline, clock_boot_ms() + DEADLINE_MS);
  while (!done(bench))
    event_base_loop(loop_base(bench->server.loop), EVLOOP_ONCE);
  loop_timer_set(bench->deadline, INT64_MAX);
}

/* ---- the gates ---- */

typedef struct Gate {
  bool closed;
  bool broken;
  int on_loop; /* how often the loop came to it while it was closed */
} Gate;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static Gate commits, loads;
static pthread_t loop_thread;

static void gate_set(Gate *gate, bool closed)
{
  pthread_mutex_lock(&lock);
  gate->closed = closed;
  pthread_cond_broadcast(&moved);
  pthread_mutex_unlock(&lock);
}

static void gate_pass(Gate *gate)
{
  pthread_mutex_lock(&lock);
  bool on_loop = pthread_equal(pthread_self(), loop_thread);
  gate->on_loop += on_loop && gate->closed;
  while (gate->closed && !on_loop)
    pthread_cond_wait(&moved, &lock);
  pthread_mutex_unlock(&lock);
}

void bench_close_commits(void)
{
  gate_set(&commits, true);
}

void bench_open_commits(void)
{
  gate_set(&commits, false);
}

void bench_close_loads(void)
{
  gate_set(&loads, true);
}

void bench_open_loads(void)
{
  gate_set(&loads, false);
}

void bench_break_loads(bool broken)
{
  pthread_mutex_lock(&lock);
  loads.broken = broken;
  pthread_mutex_unlock(&lock);
}

int bench_loads_on_loop(void)
{
  pthread_mutex_lock(&lock);
  int n = loads.on_loop;
  pthread_mutex_unlock(&lock);
  return n;
}

static StoreOutcome gated_commit(Store *store, const GPtrArray *records, int64_t number,
                                 GError **error)
{
  gate_pass(&commits);
  return store_memory.commit(store, records, number, error);
}

static bool gated_probe(Store *store, GError **error)
{
  gate_pass(&commits);
  return store_memory.probe(store, error);
}

static bool gated_load(Store *store, StoreRowFn row, void *data, GError **error)
{
  gate_pass(&loads);
  pthread_mutex_lock(&lock);
  bool broken = loads.broken;
  pthread_mutex_unlock(&lock);
  if (!broken)
    return store_memory.load(store, row, data, error);
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
                      "read 'memory': ordered to fail");
  return false;
}

/* ---- the server ---- */

void bench_open_at(Bench *bench, const char *node_socket)
{
  static StoreDriver gated;
  gated = store_memory;
  gated.commit = gated_commit;
  gated.probe = gated_probe;
  gated.load = gated_load;
  loop_thread = pthread_self();
  g_autoptr(GError) error = NULL;
  *bench = (Bench){.dir = g_dir_make_tmp("reeve-server-XXXXXX", NULL)};
  bench->socket = g_build_filename(bench->dir, "control.sock", NULL);
  bench->node_socket = node_socket ? g_build_filename(bench->dir, node_socket, NULL) : NULL;
  bench->options = (ServerOptions){.data_dir = bench->dir,
                                   .socket_path = bench->socket,
                                   .node_socket = bench->node_socket,
                                   .ready_fd = -1};
  bench->store = store_open("memory:", &error);
  g_assert_no_error(error);
  bench->store->driver = &gated;
  g_assert_true(server_open(&bench->server, &bench->options, bench->store, &error));
  g_assert_no_error(error);
  bench->client = http_client_new(bench->server.loop);
  bench->deadline = loop_timer_new(bench->server.loop, bench_late, NULL);
  bench->sent = g_ptr_array_new_with_free_func(g_free);
  bench->body = g_string_new(NULL);
  bench->stream = g_string_new(NULL);
}

void bench_open(Bench *bench)
{
  bench_open_at(bench, NULL);
}

void bench_done(Bench *bench)
{
  http_client_free(bench->client);
  loop_timer_free(bench->deadline);
  server_close(&bench->server);
  unlink(bench->socket);
  rmdir(bench->dir);
  g_ptr_array_unref(bench->sent);
  g_string_free(bench->body, TRUE);
  g_string_free(bench->stream, TRUE);
  g_free(bench->dir);
  g_free(bench->socket);
  g_free(bench->node_socket);
}

static void bench_answer(const HttpResult *result, void *data)
{
  Bench *bench = data;
  g_assert_null(result->error);
  bench->status = result->status;
  g_string_assign(bench->body, result->body ? result->body : "");
  bench->answered = true;
}

bool bench_answered(Bench *bench)
{
  return bench->answered;
}

void bench_ask(Bench *bench, const char *method, const char *path, const char *body)
{
  g_autofree char *url = g_strconcat("http://localhost", path, NULL);
  HttpCallSpec spec = {.method = method,
                       .url = url,
                       .unix_socket = bench->socket,
                       .content_type = body ? "application/json" : NULL,
                       .body = body,
                       .body_length = body ? strlen(body) : 0,
                       .timeout_ms = DEADLINE_MS};
  bench->answered = false;
  http_client_call(bench->client, &spec, NULL, bench_answer, bench);
}

void bench_call(Bench *bench, const char *method, const char *path, const char *body, int status,
                const char *part)
{
  bench_ask(bench, method, path, body);
  bench_until(bench, bench_answered);
  if (bench->status != status || !strstr(bench->body->str, part))
    g_error("%s %s gave %d %s; wanted: %d %s", method, path, bench->status, bench->body->str,
            status, part);
}

/* --- the fake node --- */

void bench_tell(Bench *bench, Frame *frame)
{
  g_autofree char *text = frame_write(frame);
  hub_receive(bench->peer, text, strlen(text));
  frame_free(frame);
}

static InstanceReport *bench_report_of(const Instruction *instruction, InstanceState state,
                                       Health health)
{
  InstanceReport *report = instance_report_new(instruction->id);
  report->epoch = instruction->epoch;
  report->generation = instruction->generation;
  report->state = state;
  report->health = health;
  report->attempt = 1;
  report->pid = state == INSTANCE_RUNNING ? 4711 : 0;
  report->port = 8100;
  return report;
}

void bench_say_hello(Bench *bench, const char *boot_id, const Instruction *runs)
{
  Frame *frame = frame_new(FRAME_HELLO);
  frame->node = g_strdup("local");
  frame->name = g_strdup("host");
  frame->boot_id = g_strdup(boot_id);
  frame->version = g_strdup(REEVE_VERSION);
  frame->protocol = PROTOCOL_VERSION;
  if (runs)
    g_ptr_array_add(frame->reports, bench_report_of(runs, INSTANCE_RUNNING, HEALTH_HEALTHY));
  bench_tell(bench, frame);
}

void bench_hello_from(Bench *bench, const char *boot_id, const Instruction *runs)
{
  bench->peer = hub_attach(bench->server.hub, &bench_carrier, bench, "local");
  bench->closed = false;
  bench->links++;
  bench_say_hello(bench, boot_id, runs);
}

void bench_hello(Bench *bench)
{
  bench_hello_from(bench, "boot-1", NULL);
}

Frame *bench_take(Bench *bench, FrameType type)
{
  for (guint i = 0; i < bench->sent->len; i++) {
    const char *text = g_ptr_array_index(bench->sent, i);
    Frame *frame = frame_parse(text, strlen(text), NULL);
    g_assert_nonnull(frame);
    if (frame->type == type) {
      g_ptr_array_remove_index(bench->sent, i);
      return frame;
    }
    frame_free(frame);
  }
  return NULL;
}

bool bench_has(Bench *bench, FrameType type)
{
  g_autofree char *word = g_strdup_printf("\"type\":\"%s\"", frame_type_word(type));
  for (guint i = 0; i < bench->sent->len; i++)
    if (strstr(g_ptr_array_index(bench->sent, i), word))
      return true;
  return false;
}

static bool bench_reserve_sent(Bench *bench)
{
  return bench_has(bench, FRAME_RESERVE);
}

static bool bench_start_sent(Bench *bench)
{
  return bench_has(bench, FRAME_START);
}

bool bench_relist_sent(Bench *bench)
{
  return bench_has(bench, FRAME_RELIST);
}

bool bench_welcome_sent(Bench *bench)
{
  return bench_has(bench, FRAME_WELCOME);
}

void bench_report(Bench *bench, const Instruction *instruction, InstanceState state, Health health)
{
  Frame *frame = frame_new(FRAME_REPORT);
  g_ptr_array_add(frame->reports, bench_report_of(instruction, state, health));
  bench_tell(bench, frame);
}

char *bench_run_instance(Bench *bench)
{
  bench_until(bench, bench_reserve_sent);
  g_autoptr(Frame) reserve = bench_take(bench, FRAME_RESERVE);
  Frame *reserved = frame_new(FRAME_RESERVED);
  reserved->request = reserve->request;
  const Instruction *wanted = g_ptr_array_index(reserve->instructions, 0);
  g_ptr_array_add(reserved->reservations, reservation_new(wanted->id, 8100, NULL));
  bench_tell(bench, reserved);
  bench_until(bench, bench_start_sent);
  g_autoptr(Frame) start = bench_take(bench, FRAME_START);
  const Instruction *instruction = g_ptr_array_index(start->instructions, 0);
  bench_report(bench, instruction, INSTANCE_RUNNING, HEALTH_HEALTHY);
  return g_strdup(instruction->id);
}

bool bench_running(Bench *bench)
{
  const Deployment *deployment = core_deployment(engine_core(bench->server.engine), "one");
  return deployment && deployment->status == DEPLOYMENT_RUNNING &&
         engine_idle(bench->server.engine);
}

char *bench_deploy_notifying(const char *url)
{
  g_autoptr(Job) job = job_new();
  job->name = g_strdup("one");
  job->directory = g_strdup("/tmp");
  AgentSpec *agent = agent_spec_new("solo");
  agent->command = g_strdupv((char *[]){(char *)"/bin/sleep", (char *)"60", NULL});
  agent->port = PORT_AUTO;
  job_add_agent(job, agent);
  if (url)
    g_ptr_array_add(job->notify, notify_spec_new(url));
  g_autofree char *text = job_to_json(job);
  return g_strdup_printf("{\"source_name\":\"job.yaml\",\"source\":\"name: one\",\"job\":%s}",
                         text);
}

char *bench_deploy_body(void)
{
  return bench_deploy_notifying(NULL);
}

bool bench_stream_data(const char *bytes, size_t length, void *data)
{
  g_string_append_len(((Bench *)data)->stream, bytes, (gssize)length);
  return true;
}

void bench_stream_over(const HttpResult *result, void *data)
{
  g_string_append(((Bench *)data)->stream, "<end>");
}

bool bench_stream_ended(Bench *bench)
{
  return strstr(bench->stream->str, "<end>") != NULL;
}

void bench_follow(Bench *bench, const char *path, const char *header)
{
  g_autofree char *url = g_strconcat("http://localhost", path, NULL);
  const char *headers[] = {header, NULL};
  HttpCallSpec spec = {
      .url = url, .unix_socket = bench->socket, .headers = header ? headers : NULL, .stream = true};
  g_string_truncate(bench->stream, 0);
  http_client_call(bench->client, &spec, bench_stream_data, bench_stream_over, bench);
}
