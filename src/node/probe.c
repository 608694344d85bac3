/* One probe of one agent: HTTP, TCP, a command, or the discovery of what it answers. */
#include "node/probe.h"

#include "base/clock.h"
#include "node/run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct ProbeRun {
  Runner *runner;
  int attempt, port;
  int64_t timeout_ms;
  const HealthSpec *health; /* lives as long as the attempt */
  char *path;               /* HTTP: being asked */
  guint candidate; /* discovery: index of the path being asked, or G_MAXUINT for a remembered one */
  HttpCall *call;
  int fd;  /* TCP */
  bool v6; /* ::1 is being asked, since nobody listens on 127.0.0.1 */
  struct event *event;
  ExecRun *command; /* exec */
  LoopTimer *timer;
};

static const char *const probe_paths[] = {"/.well-known/agent-configuration",
                                          "/.well-known/agent-card.json", "/health"};

static void probe_free(ProbeRun *run)
{
  if (!run)
    return;
  http_call_cancel(run->call);
  if (run->event)
    event_free(run->event);
  if (run->fd >= 0)
    close(run->fd);
  exec_run_free(run->command);
  loop_timer_free(run->timer);
  g_free(run->path);
  g_free(run);
}

void probe_drop(Runner *runner)
{
  probe_free(g_steal_pointer(&runner->probe));
}

/* Ends the run and tells the supervisor. */
static void probe_done(ProbeRun *run, bool ok, const char *text)
{
  Runner *runner = run->runner;
  g_autofree char *found = ok ? g_strdup(run->path) : NULL;
  g_autofree char *seen = g_strdup(text);
  NodeEvent event = {.type = NODE_EVENT_PROBE,
                     .instance = runner->id,
                     .attempt = run->attempt,
                     .ok = ok,
                     .text = seen,
                     .found = found};
  runner->probe = NULL;
  probe_free(run);
  node_event(runner->node, &event, NULL);
}

/* ---- HTTP ---- */

static void probe_ask(ProbeRun *run);

/* Where ::1 could not even be asked, nobody listening on 127.0.0.1 is what there is to tell. */
static const char *probe_error(const ProbeRun *run, const char *error)
{
  static const int no_v6[] = {EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH};
  for (size_t i = 0; run->v6 && i < G_N_ELEMENTS(no_v6); i++)
    if (g_str_equal(error, g_strerror(no_v6[i])))
      return "connection refused";
  return error;
}

static void probe_on_answer(const HttpResult *result, void *data)
{
  ProbeRun *run = data;
  run->call = NULL;
  if (result->status >= 200 && result->status < 300) {
    probe_done(run, true, NULL);
    return;
  }
  bool answered = result->status != 0;
  /* it may listen on the other loopback alone */
  if (!answered && !run->v6 && g_str_equal(result->error, "connection refused")) {
    run->v6 = true;
    probe_ask(run);
    return;
  }
  if (answered && run->health->kind == HEALTH_DISCOVER &&
      run->candidate + 1 < G_N_ELEMENTS(probe_paths)) {
    run->candidate++;
    probe_ask(run);
    return;
  }
  /* what answered once does no more: look again */
  if (answered && run->health->kind == HEALTH_DISCOVER && run->candidate == G_MAXUINT) {
    run->candidate = 0;
    probe_ask(run);
    return;
  }
  g_autofree char *text = answered ? g_strdup_printf("HTTP %d on %s", result->status, run->path)
                                   : g_strdup_printf("no answer on port %d: %s", run->port,
                                                     probe_error(run, result->error));
  probe_done(run, false, text);
}

/* The status is all that counts: of an endless body nobody waits for the end. The agent is called
 * by the name that its URL has. */
static void probe_ask(ProbeRun *run)
{
  if (run->candidate != G_MAXUINT && run->health->kind == HEALTH_DISCOVER) {
    g_free(run->path);
    run->path = g_strdup(probe_paths[run->candidate]);
  }
  g_autofree char *host = g_strdup_printf("Host: localhost:%d", run->port);
  const char *const headers[] = {host, "Connection: close", "User-Agent: reeve-probe", NULL};
  /* a blank in it is a blank, as in a browser */
  g_autofree char *path = g_uri_escape_string(run->path, "/?&=%:;,@!$'()*+[]~", FALSE);
  g_autofree char *url =
      g_strdup_printf("http://%s:%d%s", run->v6 ? "[::1]" : "127.0.0.1", run->port, path);
  HttpCallSpec spec = {.url = url,
                       .timeout_ms = run->timeout_ms,
                       .connect_ms = run->timeout_ms,
                       .headers = headers,
                       .head_only = true};
  run->call = http_client_call(run->runner->node->http, &spec, NULL, probe_on_answer, run);
}

/* ---- TCP ---- */

static void probe_connect(ProbeRun *run);

/* Nobody took the connection on one loopback, error @e: the other one may be listened on, else the
 * first one's error is told. */
static void probe_on_refused(ProbeRun *run, int e)
{
  if (!run->v6 && e == ECONNREFUSED) {
    run->v6 = true;
    probe_connect(run);
    return;
  }
  g_autofree char *text = g_strdup_printf("no answer on port %d: %s", run->port,
                                          g_strerror(run->v6 ? ECONNREFUSED : e));
  probe_done(run, false, text);
}

static void probe_on_connected(evutil_socket_t fd, short what, void *data)
{
  ProbeRun *run = data;
  int e = 0;
  socklen_t length = sizeof e;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &length);
  if (e && !(what & EV_TIMEOUT)) {
    probe_on_refused(run, e);
    return;
  }
  g_autofree char *text =
      what & EV_TIMEOUT ? g_strdup_printf("no answer on port %d: timed out", run->port) : NULL;
  probe_done(run, !text, text);
}

static void probe_connect(ProbeRun *run)
{
  struct sockaddr_in v4 = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)run->port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                            .sin6_port = htons((uint16_t)run->port),
                            .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const struct sockaddr *address =
      run->v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
  if (run->event)
    event_free(g_steal_pointer(&run->event));
  if (run->fd >= 0)
    close(run->fd);
  run->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (run->fd < 0 ||
      (connect(run->fd, address, run->v6 ? sizeof v6 : sizeof v4) != 0 && errno != EINPROGRESS)) {
    probe_on_refused(run, errno);
    return;
  }
  struct timeval limit = {run->timeout_ms / 1000, run->timeout_ms % 1000 * 1000};
  run->event =
      event_new(loop_base(run->runner->node->loop), run->fd, EV_WRITE, probe_on_connected, run);
  event_add(run->event, &limit);
}

/* ---- a command ---- */

static void probe_on_ended(void *data, ExitStatus exit, const char *error)
{
  ProbeRun *run = data;
  g_autofree char *text =
      error         ? g_strdup_printf("probe command '%s': %s", run->health->argv[0], error)
      : exit.signal ? g_strdup_printf("exit by signal %d of the probe command", exit.signal)
                    : g_strdup_printf("exit status %d of the probe command", exit.code);
  bool ok = !error && exit.code == 0 && exit.signal == 0;
  probe_done(run, ok, ok ? NULL : text);
}

static void probe_on_started(void *data)
{
  (void)data; /* its time has begun with the probe */
}

static const DriverExecNews probe_news = {.started = probe_on_started, .ended = probe_on_ended};

static void probe_on_late(void *data)
{
  ProbeRun *run = data;
  g_autofree char *text =
      g_strdup_printf("probe command timed out after %" G_GINT64_FORMAT " ms", run->timeout_ms);
  probe_done(run, false, text);
}

/* The command sees what its agent sees: its variables, directory, user and limits. What it writes
 * is nobody's. */
static void probe_spawn(ProbeRun *run, const InstanceSpec *spec)
{
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int fds[2] = {null, null};
  ExecSpec what = {
      .instance = run->runner->id, .spec = spec, .argv = run->health->argv, .fds = fds};
  g_autoptr(GError) error = NULL;
  run->command = exec_run_new(run->runner->node, &what, &probe_news, run, &error);
  if (null >= 0)
    close(null);
  if (!run->command) {
    probe_on_ended(run, (ExitStatus){.code = -1}, error->message);
    return;
  }
  run->timer = loop_timer_new(run->runner->node->loop, probe_on_late, run);
  loop_timer_set(run->timer, clock_boot_ms() + run->timeout_ms);
}

void probe_start(Runner *runner, const NodeAction *action)
{
  probe_drop(runner);
  ProbeRun *run = g_new0(ProbeRun, 1);
  *run = (ProbeRun){.runner = runner,
                    .attempt = action->attempt,
                    .port = action->port,
                    .timeout_ms = action->timeout_ms,
                    .health = action->health,
                    .fd = -1};
  runner->probe = run;
  switch (action->health->kind) {
  case HEALTH_TCP:
    probe_connect(run);
    return;
  case HEALTH_EXEC:
    probe_spawn(run, action->spec);
    return;
  case HEALTH_HTTP:
    run->path = g_strdup(action->health->path);
    break;
  default:
    run->path = g_strdup(action->path);
    run->candidate = action->path ? G_MAXUINT : 0;
    break;
  }
  probe_ask(run);
}
