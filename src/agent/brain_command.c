/* The brain that is a program: one process per prompt, in a process group of its own, without a shell. What the user said last is its
 * standard input, the answer its standard output, given on as it comes; what it writes to standard error goes on to ours, and the last line
 * of it explains a failure. */
#include "agent/brain.h"
#include "agent/whole_text.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  ANSWER_BYTES_MAX = 1024 * 1024,
  ERROR_LINE_MAX = 500,
  MESSAGES_BYTES_MAX = 64 * 1024, /* the kernel takes 128 KiB in one variable of the environment */
  RELAY_BYTES = 4096,             /* PIPE_BUF: a pipe that polls as writable takes so many without blocking */
  PIPE_ROUNDS = 16                /* blocks taken from one pipe before others have their turn */
};

extern char **environ;

struct BrainCall {
  Loop *loop;
  const BrainListener *listener; /* NULL = nobody wants it any more */
  void *data;
  pid_t pid;
  int pidfd, in_fd, out_fd, err_fd; /* -1 = closed */
  struct event *in_event;           /* writable */
  LoopWatch *out_watch, *err_watch, *exit_watch;
  LoopTimer *timer;
  GString *prompt;
  size_t prompt_sent;
  GString *answer, *rest; /* as text; the beginning of a character */
  size_t told;            /* bytes of answer that the listener has */
  size_t answer_bytes;    /* as they came */
  GString *line;          /* of standard error, the one being written */
  char *last_line;        /* the last whole one with something in it */
  int64_t timeout_ms;
  bool timed_out, too_long;
};

static void close_fd(int *fd)
{
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static void call_stop_input(BrainCall *call)
{
  g_clear_pointer(&call->in_event, event_free);
  close_fd(&call->in_fd);
}

static void call_stop_output(BrainCall *call)
{
  g_clear_pointer(&call->out_watch, loop_watch_free);
  close_fd(&call->out_fd);
}

static void call_stop_errors(BrainCall *call)
{
  g_clear_pointer(&call->err_watch, loop_watch_free);
  close_fd(&call->err_fd);
}

static void call_free(BrainCall *call)
{
  call_stop_input(call);
  call_stop_output(call);
  call_stop_errors(call);
  g_clear_pointer(&call->exit_watch, loop_watch_free);
  close_fd(&call->pidfd);
  loop_timer_free(call->timer);
  g_string_free(call->prompt, TRUE);
  g_string_free(call->answer, TRUE);
  g_string_free(call->rest, TRUE);
  g_string_free(call->line, TRUE);
  g_free(call->last_line);
  g_free(call);
}

/* The leader is not reaped before this, so the number of the group cannot have been given to somebody else. */
static void call_kill(const BrainCall *call)
{
  kill(-call->pid, SIGKILL);
}

/* ---- its standard input ---- */

static void call_on_writable(evutil_socket_t fd, short what, void *data)
{
  (void)what;
  BrainCall *call = data;
  ssize_t n = write(fd, call->prompt->str + call->prompt_sent, call->prompt->len - call->prompt_sent);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  call->prompt_sent += n > 0 ? (size_t)n : 0;
  if (n < 0 || call->prompt_sent == call->prompt->len)
    call_stop_input(call); /* it need not read what it does not want */
}

/* ---- its standard output ---- */

/* Reads one block; 0 = nothing now, -1 = the end. */
static ssize_t call_read(int fd, char *buffer, size_t size)
{
  ssize_t n;
  do
    n = read(fd, buffer, size);
  while (n < 0 && errno == EINTR);
  return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* Tells what is new; line ends at the end wait, for they are not part of the answer. */
static void call_tell(BrainCall *call)
{
  size_t end = call->answer->len;
  while (end > call->told && strchr("\r\n", call->answer->str[end - 1]))
    end--;
  if (end == call->told || !call->listener)
    return;
  size_t from = call->told;
  call->told = end;
  call->listener->delta(call->answer->str + from, end - from, call->data);
}

static void call_take_output(BrainCall *call)
{
  char buffer[16384];
  for (int i = 0; i < PIPE_ROUNDS && call->out_fd >= 0; i++) {
    ssize_t n = call_read(call->out_fd, buffer, sizeof buffer);
    if (n == 0)
      break;
    if (n > 0) {
      whole_text_feed(call->answer, call->rest, buffer, (size_t)n);
      call->answer_bytes += (size_t)n;
    }
    call->too_long = call->answer_bytes > ANSWER_BYTES_MAX;
    if (call->too_long)
      call_kill(call);
    if (n < 0 || call->too_long)
      call_stop_output(call);
  }
  call_tell(call);
}

static void call_on_output(void *data)
{
  call_take_output(data);
}

/* ---- its standard error ---- */

/* Passes on what our own standard error takes without blocking; the rest is lost rather than the loop stopped. */
static void relay(const char *bytes, size_t length)
{
  while (length > 0) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    size_t part = MIN(length, (size_t)RELAY_BYTES);
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) || write(STDERR_FILENO, bytes, part) < 0)
      return;
    bytes += part;
    length -= part;
  }
}

static void call_end_line(BrainCall *call)
{
  g_strstrip(call->line->str);
  if (call->line->str[0]) {
    g_free(call->last_line);
    call->last_line = text_escape(call->line->str, ERROR_LINE_MAX);
  }
  g_string_truncate(call->line, 0);
}

static void call_take_line(BrainCall *call, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == '\n')
      call_end_line(call);
    else if (bytes[i] && call->line->len < ERROR_LINE_MAX)
      g_string_append_c(call->line, bytes[i]);
  }
}

static void call_take_errors(BrainCall *call)
{
  char buffer[RELAY_BYTES];
  for (int i = 0; i < PIPE_ROUNDS && call->err_fd >= 0; i++) {
    ssize_t n = call_read(call->err_fd, buffer, sizeof buffer);
    if (n == 0)
      return;
    if (n < 0) {
      call_stop_errors(call);
      return;
    }
    relay(buffer, (size_t)n);
    call_take_line(call, buffer, (size_t)n);
  }
}

static void call_on_errors(void *data)
{
  call_take_errors(data);
}

/* ---- its end ---- */

static char *call_failure(BrainCall *call, const siginfo_t *info)
{
  call_end_line(call);
  const char *line = call->last_line ? call->last_line : "it wrote nothing to standard error";
  if (call->too_long)
    return g_strdup_printf("the answer is longer than %d bytes", ANSWER_BYTES_MAX);
  if (info->si_code != CLD_EXITED)
    return g_strdup_printf("the brain was killed by signal %d: %s", info->si_status, line);
  return g_strdup_printf("the brain ended with code %d: %s", info->si_status, line);
}

static void call_finish(BrainCall *call, const siginfo_t *info)
{
  g_autofree char *what = NULL;
  BrainResult result = {.outcome = BRAIN_ANSWERED, .prompt_tokens = -1, .completion_tokens = -1};
  bool answered = info->si_code == CLD_EXITED && info->si_status == 0 && !call->too_long;
  whole_text_end(call->answer, call->rest);
  call_tell(call);
  if (call->timed_out && !answered) {
    result.outcome = BRAIN_TIMED_OUT;
    what = g_strdup_printf("no answer within %" G_GINT64_FORMAT " ms; the brain was stopped", call->timeout_ms);
  } else if (!answered) {
    result.outcome = BRAIN_FAILED;
    what = call_failure(call, info);
  } else {
    result.finish = "stop";
  }
  result.detail = what;
  if (call->listener)
    call->listener->done(&result, call->data);
  call_free(call);
}

/* The main process ended. What it left behind in its group is ended before it is reaped; a pipe that such a process held ends with it, and
 * what lies in it is read first. */
static void call_on_exit(void *data)
{
  BrainCall *call = data;
  siginfo_t info = {0};
  call_kill(call);
  call_take_output(call);
  call_take_errors(call);
  int code;
  do
    code = waitid(P_PID, (id_t)call->pid, &info, WEXITED);
  while (code != 0 && errno == EINTR);
  call_finish(call, &info);
}

static void call_on_timer(void *data)
{
  BrainCall *call = data;
  call->timed_out = true;
  call_kill(call); /* the answer is given when it has ended */
}

static void command_cancel(BrainCall *call)
{
  call->listener = NULL;
  call_kill(call);
}

/* The pipe fills, and then it waits. */
static void command_hold(BrainCall *call, bool held)
{
  if (held)
    g_clear_pointer(&call->out_watch, loop_watch_free);
  else if (call->out_fd >= 0 && !call->out_watch)
    call->out_watch = loop_watch_new(call->loop, call->out_fd, call_on_output, call);
}

/* ---- its beginning ---- */

static const char *call_system_prompt(const BrainRequest *request)
{
  const Message *first = g_ptr_array_index(request->messages, 0);
  return first->role == ROLE_SYSTEM ? first->text : NULL;
}

/* What the user said last. */
static const char *call_prompt(const BrainRequest *request)
{
  for (guint i = request->messages->len; i > 0; i--) {
    const Message *message = g_ptr_array_index(request->messages, i - 1);
    if (message->role == ROLE_USER)
      return message->text;
  }
  return "";
}

/* The conversation as JSON, or NULL when it is too long. Caller frees. */
static char *call_messages(const BrainRequest *request)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '[');
  for (guint i = 0; i < request->messages->len && out->len <= MESSAGES_BYTES_MAX; i++) {
    const Message *message = g_ptr_array_index(request->messages, i);
    jw_open(out, NULL, '{');
    jw_str(out, "role", message_role_word(message->role));
    jw_str(out, "content", message->text);
    jw_close(out, '}');
  }
  jw_close(out, ']');
  return g_string_free(out, out->len > MESSAGES_BYTES_MAX);
}

/* Caller frees. */
static char *call_number(double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return isnan(number) ? NULL : g_strdup(g_ascii_dtostr(text, sizeof text, number));
}

/* Our environment and what belongs to this prompt. */
static char **call_environment(const BrainRequest *request)
{
  char **environment = g_strdupv(environ);
  g_autofree char *messages = call_messages(request), *temperature = call_number(request->options.temperature),
                  *top_p = call_number(request->options.top_p),
                  *max_tokens = call_number(request->options.max_tokens ? request->options.max_tokens : (double)NAN);
  const struct {
    const char *key, *value;
  } rows[] = {{"AGENT_SESSION_ID", request->session_id},
              {"AGENT_CONTEXT", request->context},
              {"AGENT_MODEL", request->options.model},
              {"AGENT_SYSTEM_PROMPT", call_system_prompt(request)},
              {"AGENT_MESSAGES", messages},
              {"AGENT_TEMPERATURE", temperature},
              {"AGENT_TOP_P", top_p},
              {"AGENT_MAX_TOKENS", max_tokens}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (rows[i].value && strlen(rows[i].value) <= MESSAGES_BYTES_MAX)
      environment = g_environ_setenv(environment, rows[i].key, rows[i].value, TRUE);
  }
  return environment;
}

typedef struct Pipes {
  int in[2], out[2], err[2];
} Pipes;

static void pipes_close(Pipes *pipes)
{
  int *fds = (int *)pipes;
  for (size_t i = 0; i < sizeof *pipes / sizeof(int); i++)
    close_fd(&fds[i]);
}

static bool pipes_open(Pipes *pipes, GError **error)
{
  *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}};
  if (pipe2(pipes->in, O_CLOEXEC) == 0 && pipe2(pipes->out, O_CLOEXEC) == 0 && pipe2(pipes->err, O_CLOEXEC) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "open pipes for the brain: %s", g_strerror(errno));
  pipes_close(pipes);
  return false;
}

/* Spawns @argv with the far ends of @pipes. Signals are as a fresh program expects them: none blocked, none ignored. */
static pid_t call_spawn(char *const *argv, char *const *environment, const Pipes *pipes, GError **error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  pid_t pid = -1;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes->in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes->out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes->err[1], STDERR_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  int code = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code == 0)
    return pid;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "start brain '%s': %s", argv[0], g_strerror(code));
  return -1;
}

static int take_end(int *fd)
{
  int taken = *fd;
  *fd = -1;
  fcntl(taken, F_SETFL, O_NONBLOCK);
  return taken;
}

static BrainCall *call_new(Loop *loop, pid_t pid, Pipes *pipes, const BrainRequest *request)
{
  BrainCall *call = g_new0(BrainCall, 1);
  call->loop = loop;
  call->pid = pid;
  call->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  call->in_fd = take_end(&pipes->in[1]);
  call->out_fd = take_end(&pipes->out[0]);
  call->err_fd = take_end(&pipes->err[0]);
  call->prompt = g_string_new(call_prompt(request));
  call->answer = g_string_new(NULL);
  call->rest = g_string_new(NULL);
  call->line = g_string_new(NULL);
  call->timeout_ms = request->timeout_ms;
  return call;
}

/* Without a descriptor for the process nobody would learn of its end: give up before anything depends on it. */
static BrainCall *call_abandon(BrainCall *call, GError **error)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "watch brain: %s", g_strerror(errno));
  call_kill(call);
  waitpid(call->pid, NULL, 0);
  call_free(call);
  return NULL;
}

static BrainCall *command_start(const BrainWorld *world, const BrainRequest *request, const BrainListener *listener, void *data,
                                GError **error)
{
  Pipes pipes;
  if (!pipes_open(&pipes, error))
    return NULL;
  g_auto(GStrv) environment = call_environment(request);
  pid_t pid = call_spawn(world->file->llm_command, environment, &pipes, error);
  BrainCall *call = pid > 0 ? call_new(world->loop, pid, &pipes, request) : NULL;
  pipes_close(&pipes);
  if (!call || call->pidfd < 0)
    return call ? call_abandon(call, error) : NULL;
  call->listener = listener;
  call->data = data;
  call->out_watch = loop_watch_new(world->loop, call->out_fd, call_on_output, call);
  call->err_watch = loop_watch_new(world->loop, call->err_fd, call_on_errors, call);
  call->exit_watch = loop_watch_new(world->loop, call->pidfd, call_on_exit, call);
  call->in_event = event_new(loop_base(world->loop), call->in_fd, EV_WRITE | EV_PERSIST, call_on_writable, call);
  event_add(call->in_event, NULL);
  call->timer = loop_timer_new(world->loop, call_on_timer, call);
  loop_timer_set(call->timer, clock_boot_ms() + request->timeout_ms);
  return call;
}

const Brain command_brain = {.provider = "command", .start = command_start, .cancel = command_cancel, .hold = command_hold};
