/* Commands that the server asks for: output by credit, so that a slow reader holds back the command
 * and nothing piles up; one end each. */
#include "node/exec.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "node/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* 12 KiB are 16 KiB in base64 */
enum { EXECS_MAX = 64, EXEC_READ = 12 * 1024, EXEC_GRACE_MS = 500, EXEC_STREAMS = 2 };
/* in which its driver, and who knows its user, must have it running */
enum { EXEC_START_MS = 30000 };

typedef struct Exec Exec;

typedef struct ExecStream {
  Exec *exec;
  const char *word;
  int fd; /* -1 = at its end */
  LoopWatch *watch;
} ExecStream;

struct Exec {
  NodeExecs *execs;
  int64_t request, credit, timeout_ms, begun_ms; /* boot clock */
  ExecRun *run;                                  /* NULL = ended */
  ExecStream streams[EXEC_STREAMS];
  LoopTimer *timer; /* the time that it has; then its grace */
  bool started;     /* it runs, or did */
  bool terminating; /* SIGTERM was sent */
  bool unheard;     /* nobody waits for its end */
  ExitStatus exit;
  char *error;
};

struct NodeExecs {
  Node *node;
  GHashTable *all; /* request -> Exec*; owned */
};

static void exec_close(ExecStream *stream)
{
  loop_watch_free(g_steal_pointer(&stream->watch));
  if (stream->fd >= 0)
    close(stream->fd);
  stream->fd = -1;
}

static void exec_free(gpointer data)
{
  Exec *exec = data;
  exec_run_free(exec->run);
  for (int i = 0; i < EXEC_STREAMS; i++)
    exec_close(&exec->streams[i]);
  loop_timer_free(exec->timer);
  g_free(exec->error);
  g_free(exec);
}

static void exec_say_end(const NodeExecs *execs, int64_t request, ExitStatus exit,
                         int64_t timed_out_ms, const char *error)
{
  g_autoptr(Frame) end = frame_new(FRAME_EXEC_END);
  end->request = request;
  end->exit_code = MAX(exit.code, 0);
  end->exit_signal = exit.signal;
  end->timeout_ms = timed_out_ms;
  end->error = g_strdup(error);
  node_send_frame(execs->node, end);
}

/* The command is over and everything that it wrote was sent, or nobody listens: so is @exec. */
static void exec_try_end(Exec *exec)
{
  bool drained = exec->streams[0].fd < 0 && exec->streams[1].fd < 0;
  if (exec->run || (!drained && !exec->unheard))
    return;
  NodeExecs *execs = exec->execs;
  if (!exec->unheard)
    exec_say_end(execs, exec->request, exec->exit, exec->terminating ? exec->timeout_ms : 0,
                 exec->error);
  g_hash_table_remove(execs->all, &exec->request);
}

/* ---- output ---- */

static void exec_send(const ExecStream *stream, const unsigned char *bytes, size_t length)
{
  g_autoptr(Frame) frame = frame_new(FRAME_EXEC_DATA);
  frame->request = stream->exec->request;
  frame->stream = g_strdup(stream->word);
  frame->data = g_base64_encode(bytes, length);
  stream->exec->credit--;
  node_send_frame(stream->exec->execs->node, frame);
}

/* Reads once. False when there is nothing now, or never again: then the stream is closed. */
static bool exec_read(ExecStream *stream)
{
  unsigned char bytes[EXEC_READ];
  ssize_t n = read(stream->fd, bytes, sizeof bytes);
  if (n > 0) {
    exec_send(stream, bytes, (size_t)n);
    return true;
  }
  /* after the end of the tree nobody writes any more */
  if (n == 0 || (errno != EAGAIN && errno != EINTR) || !stream->exec->run)
    exec_close(stream);
  return false;
}

static void exec_watch(Exec *exec);

static void exec_on_readable(void *data)
{
  ExecStream *stream = data;
  Exec *exec = stream->exec;
  exec_read(stream);
  exec_watch(exec);
  exec_try_end(exec);
}

/* Listens to what may be sent, and to nothing else. */
static void exec_watch(Exec *exec)
{
  for (int i = 0; i < EXEC_STREAMS; i++) {
    ExecStream *stream = &exec->streams[i];
    bool wanted = stream->fd >= 0 && exec->credit > 0;
    if (wanted && !stream->watch)
      stream->watch = loop_watch_new(exec->execs->node->loop, stream->fd, exec_on_readable, stream);
    else if (!wanted)
      loop_watch_free(g_steal_pointer(&stream->watch));
  }
}

/* Sends what the pipes hold, as far as the credit goes. */
static void exec_pump(Exec *exec)
{
  for (int i = 0; i < EXEC_STREAMS; i++)
    while (exec->streams[i].fd >= 0 && exec->credit > 0 && exec_read(&exec->streams[i]))
      ;
  exec_watch(exec);
  exec_try_end(exec);
}

/* ---- the end ---- */

static void exec_on_ended(void *data, ExitStatus exit, const char *error)
{
  Exec *exec = data;
  exec->exit = exit;
  if (error && !exec->error)
    exec->error = g_strdup(error);
  exec_run_free(g_steal_pointer(&exec->run));
  exec_pump(exec);
}

/* Its own time begins; without one it has all there is. */
static void exec_on_started(void *data)
{
  Exec *exec = data;
  exec->started = true;
  if (!exec->terminating)
    loop_timer_set(exec->timer,
                   exec->timeout_ms > 0 ? exec->begun_ms + exec->timeout_ms : INT64_MAX);
}

/* Time is up: SIGTERM first, and after a moment the end. What never ran has nothing to tell. */
static void exec_on_time(void *data)
{
  Exec *exec = data;
  if (!exec->run)
    return;
  bool timed_out = exec->timeout_ms > 0 && clock_boot_ms() >= exec->begun_ms + exec->timeout_ms;
  if (!exec->started && !exec->unheard && !timed_out) {
    exec_run_free(g_steal_pointer(&exec->run));
    exec->error = g_strdup_printf("it did not start within %d s", EXEC_START_MS / 1000);
    exec_pump(exec);
    return;
  }
  if (!exec->terminating) {
    exec->terminating = true;
    if (!exec->unheard)
      exec->error = g_strdup_printf("timed out after %" G_GINT64_FORMAT " ms", exec->timeout_ms);
    exec_run_signal(exec->run, SIGTERM);
    loop_timer_set(exec->timer, clock_boot_ms() + EXEC_GRACE_MS);
    return;
  }
  exec->exit = (ExitStatus){.code = -1, .signal = SIGKILL};
  exec_run_free(g_steal_pointer(&exec->run));
  exec_pump(exec);
}

/* Its caller is gone. */
static void exec_cancel(Exec *exec)
{
  exec->unheard = true;
  for (int i = 0; i < EXEC_STREAMS; i++)
    exec_close(&exec->streams[i]);
  if (!exec->run)
    exec_try_end(exec);
  else if (!exec->terminating)
    exec_on_time(exec);
}

static const DriverExecNews exec_news = {.started = exec_on_started, .ended = exec_on_ended};

/* ---- the beginning ---- */

/* Runs @argv with two pipes as its output; they stay with @exec. */
static bool exec_begin(Exec *exec, const Frame *frame, const InstanceSpec *spec, GError **error)
{
  static const char *const words[EXEC_STREAMS] = {"stdout", "stderr"};
  int ends[EXEC_STREAMS] = {-1, -1};
  bool ok = true;
  for (int i = 0; i < EXEC_STREAMS; i++) {
    int pair[2] = {-1, -1};
    ok = ok && pipe2(pair, O_CLOEXEC) == 0;
    if (pair[0] >= 0)
      fcntl(pair[0], F_SETFL, O_NONBLOCK);
    exec->streams[i] = (ExecStream){.exec = exec, .word = words[i], .fd = pair[0]};
    ends[i] = pair[1];
  }
  ExecSpec what = {.instance = frame->instance, .spec = spec, .argv = frame->argv, .fds = ends};
  if (ok)
    exec->run = exec_run_new(exec->execs->node, &what, &exec_news, exec, error);
  else
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "make pipes: %s", g_strerror(errno));
  for (int i = 0; i < EXEC_STREAMS; i++)
    if (ends[i] >= 0)
      close(ends[i]);
  return exec->run != NULL;
}

static void exec_open(NodeExecs *execs, const Frame *frame, const InstanceSpec *spec,
                      const char *refused)
{
  bool many = g_hash_table_size(execs->all) >= EXECS_MAX,
       twice = g_hash_table_contains(execs->all, &frame->request);
  if (refused || many || twice || !spec || !frame->argv || !frame->argv[0]) {
    exec_say_end(execs, frame->request, (ExitStatus){.code = -1}, 0,
                 refused ? refused
                 : many  ? "too many commands run on this node"
                         : "nothing to run");
    return;
  }
  Exec *exec = g_new0(Exec, 1);
  *exec = (Exec){.execs = execs,
                 .request = frame->request,
                 .credit = CLAMP(frame->credit, 0, INT32_MAX),
                 .timeout_ms = frame->timeout_ms,
                 .begun_ms = clock_boot_ms(),
                 .exit.code = -1};
  exec->timer = loop_timer_new(execs->node->loop, exec_on_time, exec);
  g_autoptr(GError) error = NULL;
  if (!exec_begin(exec, frame, spec, &error)) {
    exec_say_end(execs, frame->request, exec->exit, 0, error->message);
    exec_free(exec);
    return;
  }
  g_hash_table_insert(execs->all, &exec->request, exec);
  log_info("command started", "instance=%s request=%" G_GINT64_FORMAT, frame->instance,
           frame->request);
  int64_t most_ms = exec->timeout_ms > 0 ? MIN(exec->timeout_ms, EXEC_START_MS) : EXEC_START_MS;
  loop_timer_set(exec->timer, exec->begun_ms + most_ms);
  exec_watch(exec);
}

void node_execs_frame(NodeExecs *execs, const Frame *frame, const InstanceSpec *spec,
                      const char *refused)
{
  if (frame->type == FRAME_EXEC) {
    exec_open(execs, frame, spec, refused);
    return;
  }
  Exec *exec = g_hash_table_lookup(execs->all, &frame->request);
  if (!exec)
    return;
  if (frame->type == FRAME_EXEC_CANCEL) {
    exec_cancel(exec);
    return;
  }
  exec->credit += CLAMP(frame->credit, 0, INT32_MAX);
  exec_pump(exec);
}

void node_execs_link_down(NodeExecs *execs)
{
  g_autoptr(GList) all = g_hash_table_get_values(execs->all);
  for (GList *at = all; at; at = at->next)
    exec_cancel(at->data);
}

NodeExecs *node_execs_new(Node *node)
{
  NodeExecs *execs = g_new0(NodeExecs, 1);
  execs->node = node;
  execs->all = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, exec_free);
  return execs;
}

void node_execs_free(NodeExecs *execs)
{
  if (!execs)
    return;
  g_hash_table_unref(execs->all);
  g_free(execs);
}
