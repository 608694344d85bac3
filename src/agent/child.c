/* Owns one child process: pipes, spawn, reading, writing, its end. */
#include "agent/child.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  READ_BYTES = 16384,
  READ_ROUNDS = 16, /* blocks taken from one pipe before others have their turn */
  WAIT_MS_MAX = 60000
};

struct Child {
  Loop *loop;
  const ChildEvents *events;
  void *data;
  pid_t pid;                        /* 0 = reaped */
  int pidfd, in_fd, out_fd, err_fd; /* -1 = closed */
  struct event *in_event;           /* writable; added while there is something to write */
  LoopWatch *out_watch, *err_watch, *exit_watch;
  GString *unread; /* what its standard input did not take yet */
  size_t written;  /* of @unread */
  bool last_input; /* close it after what is unread */
};

static void close_fd(int *fd)
{
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

/* ---- its standard input ---- */

void child_close_input(Child *child)
{
  g_clear_pointer(&child->in_event, event_free);
  close_fd(&child->in_fd);
}

static void child_all_written(Child *child)
{
  g_string_truncate(child->unread, 0);
  child->written = 0;
  if (child->last_input)
    child_close_input(child);
  else
    event_del(child->in_event);
}

static void child_on_writable(evutil_socket_t fd, short what, void *data)
{
  (void)what;
  Child *child = data;
  ssize_t n = write(fd, child->unread->str + child->written, child_unread(child));
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n < 0) {
    child_close_input(child); /* it need not read what it does not want */
    if (child->events->input_refused)
      child->events->input_refused(child->data);
    return;
  }
  child->written += (size_t)n;
  if (!child_unread(child))
    child_all_written(child);
}

void child_write(Child *child, const char *bytes, size_t length)
{
  if (child->in_fd < 0)
    return;
  g_string_erase(child->unread, 0, (gssize)child->written);
  child->written = 0;
  g_string_append_len(child->unread, bytes, (gssize)length);
  if (child->unread->len)
    event_add(child->in_event, NULL);
}

size_t child_unread(const Child *child)
{
  return child->unread->len - child->written;
}

bool child_takes_input(const Child *child)
{
  return child->in_fd >= 0;
}

void child_end_input(Child *child)
{
  child->last_input = true;
  if (!child_unread(child))
    child_close_input(child);
}

/* ---- what it writes ---- */

/* Reads one block into @buffer; 0 = nothing now, -1 = the end. */
static ssize_t pipe_read(int fd, char buffer[READ_BYTES])
{
  ssize_t n;
  do
    n = read(fd, buffer, READ_BYTES);
  while (n < 0 && errno == EINTR);
  return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

void child_close_output(Child *child)
{
  g_clear_pointer(&child->out_watch, loop_watch_free);
  close_fd(&child->out_fd);
}

bool child_gives_output(const Child *child)
{
  return child->out_fd >= 0;
}

/* With @all also what is held back. */
static void child_read_output(Child *child, bool all)
{
  char buffer[READ_BYTES];
  for (int i = 0; i < READ_ROUNDS && child->out_fd >= 0 && (all || child->out_watch); i++) {
    ssize_t n = pipe_read(child->out_fd, buffer);
    if (n == 0)
      return;
    if (n > 0) {
      child->events->output(buffer, (size_t)n, child->data);
      continue;
    }
    child_close_output(child);
    if (child->events->output_ended)
      child->events->output_ended(child->data);
  }
}

static void child_on_output(void *data)
{
  child_read_output(data, false);
}

void child_hold(Child *child, bool held)
{
  if (held)
    g_clear_pointer(&child->out_watch, loop_watch_free);
  else if (child->out_fd >= 0 && !child->out_watch)
    child->out_watch = loop_watch_new(child->loop, child->out_fd, child_on_output, child);
}

static void child_close_errors(Child *child)
{
  g_clear_pointer(&child->err_watch, loop_watch_free);
  close_fd(&child->err_fd);
}

static void child_on_errors(void *data)
{
  Child *child = data;
  char buffer[READ_BYTES];
  for (int i = 0; i < READ_ROUNDS && child->err_fd >= 0; i++) {
    ssize_t n = pipe_read(child->err_fd, buffer);
    if (n == 0)
      return;
    if (n < 0)
      child_close_errors(child);
    else
      child->events->errors(buffer, (size_t)n, child->data);
  }
}

/* ---- its end ---- */

/* The leader is not reaped while pid is set, so the number of the group cannot have been given to
 * somebody else. */
void child_signal(const Child *child, int signal)
{
  if (child->pid > 0)
    kill(-child->pid, signal);
}

/* Kills what is left of the group and takes the exit code of its leader. */
static siginfo_t child_reap(Child *child)
{
  siginfo_t info = {0};
  int code;
  child_signal(child, SIGKILL);
  do
    code = waitid(P_PID, (id_t)child->pid, &info, WEXITED);
  while (code != 0 && errno == EINTR);
  child->pid = 0;
  return info;
}

/* The main process ended. What it left behind in its group ends with it, and so does a pipe that
 * such a process held: what lies in it is read to its end. */
static void child_on_exit(void *data)
{
  Child *child = data;
  g_clear_pointer(&child->exit_watch, loop_watch_free);
  child_signal(child, SIGKILL);
  child_read_output(child, true);
  child_on_errors(child);
  siginfo_t info = child_reap(child);
  child->events->ended(&info, child->data);
}

void child_mute(Child *child)
{
  g_clear_pointer(&child->exit_watch, loop_watch_free);
  child_close_input(child);
  child_close_output(child);
  child_close_errors(child);
}

void child_free(Child *child, int64_t until_ms)
{
  if (!child)
    return;
  if (child->pid > 0) {
    struct pollfd exit = {.fd = child->pidfd, .events = POLLIN};
    int64_t left;
    do
      left = until_ms - clock_boot_ms();
    while (poll(&exit, 1, left > 0 ? (int)MIN(left, WAIT_MS_MAX) : 0) < 0 && errno == EINTR);
    child_reap(child);
  }
  child_mute(child);
  close_fd(&child->pidfd);
  g_string_free(child->unread, TRUE);
  g_free(child);
}

/* ---- its beginning ---- */

typedef struct Pipes {
  int in[2], out[2], err[2];
} Pipes;

static void pipes_close(Pipes *pipes)
{
  int *fds = (int *)pipes;
  for (size_t i = 0; i < sizeof *pipes / sizeof(int); i++)
    close_fd(&fds[i]);
}

static bool pipes_open(Pipes *pipes, const ChildSpec *spec, GError **error)
{
  *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}};
  if (pipe2(pipes->in, O_CLOEXEC) == 0 && pipe2(pipes->out, O_CLOEXEC) == 0 &&
      pipe2(pipes->err, O_CLOEXEC) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "open pipes for %s'%s': %s", spec->what,
              spec->argv[0], g_strerror(errno));
  pipes_close(pipes);
  return false;
}

/* Signals are as a fresh program expects them: none blocked, none ignored. */
static void spawn_prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                          const char *cwd, const Pipes *pipes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(actions);
  posix_spawn_file_actions_adddup2(actions, pipes->in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(actions, pipes->out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions, pipes->err[1], STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
  if (cwd)
    posix_spawn_file_actions_addchdir_np(actions, cwd);
  posix_spawnattr_init(attributes);
  posix_spawnattr_setflags(attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
}

static pid_t spec_spawn(const ChildSpec *spec, const Pipes *pipes, GError **error)
{
  struct stat info;
  if (spec->cwd && (stat(spec->cwd, &info) != 0 || !S_ISDIR(info.st_mode))) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "cwd '%s': no such directory", spec->cwd);
    return -1;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = -1;
  spawn_prepare(&actions, &attributes, spec->cwd, pipes);
  int code =
      posix_spawnp(&pid, spec->argv[0], &actions, &attributes, spec->argv, spec->environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code == 0)
    return pid;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "start %s'%s': %s", spec->what, spec->argv[0],
              g_strerror(code));
  return -1;
}

static int take_end(int *fd)
{
  int taken = *fd;
  *fd = -1;
  fcntl(taken, F_SETFL, O_NONBLOCK);
  return taken;
}

static void child_watch(Child *child, Pipes *pipes)
{
  child->in_fd = take_end(&pipes->in[1]);
  child->out_fd = take_end(&pipes->out[0]);
  child->err_fd = take_end(&pipes->err[0]);
  child->out_watch = loop_watch_new(child->loop, child->out_fd, child_on_output, child);
  child->err_watch = loop_watch_new(child->loop, child->err_fd, child_on_errors, child);
  child->exit_watch = loop_watch_new(child->loop, child->pidfd, child_on_exit, child);
  child->in_event = event_new(loop_base(child->loop), child->in_fd, EV_WRITE | EV_PERSIST,
                              child_on_writable, child);
}

Child *child_start(Loop *loop, const ChildSpec *spec, const ChildEvents *events, void *data,
                   GError **error)
{
  Pipes pipes;
  if (!pipes_open(&pipes, spec, error))
    return NULL;
  pid_t pid = spec_spawn(spec, &pipes, error);
  int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  Child *child = NULL;
  if (pidfd >= 0) {
    child = g_new0(Child, 1);
    *child = (Child){.loop = loop,
                     .events = events,
                     .data = data,
                     .pid = pid,
                     .pidfd = pidfd,
                     .unread = g_string_new(NULL)};
    child_watch(child, &pipes);
  } else if (pid > 0) { /* nobody would learn of its end */
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "watch %s'%s': %s", spec->what,
                spec->argv[0], g_strerror(errno));
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  pipes_close(&pipes);
  return child;
}
