/* The shim's loop: one control connection, one agent, its output. Protocol 1 is in
 * docs/protocol.md. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef enum ShimState { SHIM_IDLE, SHIM_RUNNING, SHIM_ENDING, SHIM_ENDED } ShimState;

static struct {
  ShimState state;
  int attempt;
  pid_t pid;
  unsigned long long start_time;
  int code, signal;       /* of the last attempt; code -1 = none */
  int pipes[LOG_STREAMS]; /* -1 = closed */
  int epoll, listener, control, signals;
  bool leaving; /* attached, and nobody is there any more: ends with its tree */
  /* the node asked the attempt to stop with it, and gives it time: nobody is killed until it says
   * so; 0 = no */
  int stop_signal;
  bool passed_on; /* those outside the agent's process group got it, too */
  int error;      /* errno of a start that failed, and its step */
  const char *step;
  /* the node read too little to be told the last news: it is told how things stand as soon as it
   * does */
  bool owes;
  bool told_rotated; /* on this connection */
  ShimSpec spec;
} shim;

static void shim_control_events(uint32_t events)
{
  struct epoll_event event = {.events = events, .data.fd = shim.control};
  epoll_ctl(shim.epoll, EPOLL_CTL_MOD, shim.control, &event);
}

static void shim_watch(int fd)
{
  if (fd < 0)
    return;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(shim.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void tree_kill(void)
{
  shim.stop_signal = 0;
  tree_signal(SIGKILL, 0);
}

/* The control connection is over. An attached shim has nobody to work for: its tree goes, then it.
 */
static void shim_lost(void)
{
  close(shim.control);
  shim.control = -1;
  shim.owes = false;
  if (!shim.spec.attached)
    return; /* the node comes back and asks */
  if (shim.state != SHIM_RUNNING && shim.state != SHIM_ENDING)
    exit(0);
  shim.leaving = true;
  tree_kill();
}

__attribute__((format(printf, 1, 2))) static void shim_send(const char *format, ...)
{
  if (shim.control < 0 || shim.owes)
    return;
  char text[SHIM_MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  shim_crash_point("shim message");
  if (send(shim.control, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
    return;
  if (errno != EAGAIN) {
    shim_lost();
    return;
  }
  shim.owes = true;
  shim_control_events(EPOLLIN | EPOLLOUT);
}

static void shim_hello(void)
{
  static const char *const words[] = {"idle", "running", "running", "ended"};
  shim_send(
      "hello version=%d generation=%ld attempt=%d pid=%d start=%llu state=%s code=%d signal=%d output=%llu",
      SHIM_PROTOCOL, shim.spec.generation, shim.attempt, (int)shim.pid, shim.start_time,
      words[shim.state], shim.code, shim.signal, log_marked());
}

/* The log was rotated. */
static void shim_rotated(void)
{
  int unread = 0;
  if (shim.control < 0 ||
      (shim.told_rotated && ioctl(shim.control, TIOCOUTQ, &unread) == 0 && unread > 0))
    /* a node that does not read for a while has one of them before it, and room for what matters */
    return;
  shim.told_rotated = true;
  shim_send("rotated");
}

static void shim_say_started(void)
{
  shim_send("started attempt=%d pid=%d start=%llu", shim.attempt, (int)shim.pid, shim.start_time);
}

static void shim_say_failed(void)
{
  shim_send("start-failed attempt=%d errno=%d step=%s", shim.attempt, shim.error, shim.step);
}

static void shim_say_exited(void)
{
  shim_send("exited attempt=%d code=%d signal=%d output=%llu", shim.attempt, shim.code, shim.signal,
            log_marked());
}

/* The node reads again, and missed something: how things stand is all that it needs. */
static void shim_pay(void)
{
  shim.owes = false;
  shim_control_events(EPOLLIN);
  if (shim.state == SHIM_ENDED)
    shim_say_exited();
  else if (shim.state != SHIM_IDLE)
    shim_say_started();
  else if (shim.error)
    shim_say_failed();
}

/* ---- the agent's end ---- */

static void shim_close_pipe(int stream)
{
  if (shim.pipes[stream] < 0)
    return;
  close(shim.pipes[stream]);
  shim.pipes[stream] = -1;
}

/* The main process is reaped: nothing of its tree may stay before anybody hears of it. In a stop
 * the rest has what is left of the grace period: a shell that ends at once must not cost the
 * program behind it its time to save. Else it is killed. */
static void shim_try_finish(void)
{
  for (;;) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
      continue;
    if (errno == ECHILD && info.si_pid == 0)
      break;
    if (!shim.stop_signal)
      tree_kill();
    else if (!shim.passed_on)
      /* the group has it already, and twice means "at once" to some */
      tree_signal(shim.stop_signal, shim.pid);
    shim.passed_on = true;
    return; /* the next SIGCHLD brings us back, or the node's kill does */
  }
  for (int stream = 0; stream < LOG_STREAMS; stream++) {
    if (shim.pipes[stream] >= 0)
      /* every writer is dead: what is in the pipe is all there is */
      log_drain(stream, shim.pipes[stream]);
    log_finish(stream);
    shim_close_pipe(stream);
  }
  shim.state = SHIM_ENDED;
  shim.pid = 0;
  if (shim.leaving)
    exit(0);
  shim_say_exited();
}

static void shim_reap(void)
{
  struct signalfd_siginfo ignored;
  while (read(shim.signals, &ignored, sizeof ignored) == (ssize_t)sizeof ignored)
    ;
  while (shim.state != SHIM_ENDING) {
    siginfo_t info = {0};
    errno = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
      return;
    if (info.si_pid != shim.pid || shim.state != SHIM_RUNNING)
      continue; /* an orphan that we inherited, or a child that could not exec */
    shim.code = info.si_code == CLD_EXITED ? info.si_status : -1;
    shim.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    shim.state = SHIM_ENDING;
  }
  errno = 0;
  shim_try_finish();
}

/* ---- verbs ---- */

static void verb_start(const Message *message)
{
  if (shim.state == SHIM_RUNNING || shim.state == SHIM_ENDING) {
    shim_hello(); /* asked twice: the answer is what runs */
    return;
  }
  if (shim.spec.attached && shim.attempt) { /* its descriptors are used up */
    shim_send("start-failed attempt=%d errno=%d step=fork", message->attempt, EALREADY);
    return;
  }
  shim.attempt = message->attempt;
  shim.code = -1;
  shim.signal = 0;
  shim.stop_signal = 0;
  shim.passed_on = false;
  log_mark();
  Child child = child_start(&shim.spec, shim.attempt);
  shim.error = child.error;
  shim.step = child.step;
  if (child.pid < 0) {
    shim.state = SHIM_IDLE;
    shim_say_failed();
    return;
  }
  shim.pipes[LOG_STDOUT] = child.fds[0];
  shim.pipes[LOG_STDERR] = child.fds[1];
  shim.start_time = child.start_time;
  shim.pid = child.pid;
  shim.state = SHIM_RUNNING;
  shim_watch(shim.pipes[LOG_STDOUT]);
  shim_watch(shim.pipes[LOG_STDERR]);
  shim_say_started();
}

static void verb_signal(const Message *message)
{
  if (shim.state != SHIM_RUNNING)
    return;
  if (kill(-shim.pid, message->signal) == 0)
    shim.stop_signal = message->signal;
}

static void verb_kill(const Message *message)
{
  (void)message;
  if (shim.state == SHIM_RUNNING || shim.state == SHIM_ENDING)
    tree_kill();
}

static void verb_end(const Message *message)
{
  (void)message;
  if (shim.state == SHIM_RUNNING || shim.state == SHIM_ENDING)
    return;
  unlinkat(SHIM_DIR_FD, "shim.sock", 0);
  exit(0);
}

static void verb_query(const Message *message)
{
  (void)message;
  shim_hello();
}

static void verb_unknown(const Message *message)
{
  (void)message;
  shim_send("unknown");
}

static void (*const verbs[MESSAGE_N])(const Message *message) = {
    [MESSAGE_UNKNOWN] = verb_unknown, [MESSAGE_START] = verb_start, [MESSAGE_SIGNAL] = verb_signal,
    [MESSAGE_KILL] = verb_kill,       [MESSAGE_END] = verb_end,     [MESSAGE_QUERY] = verb_query};

/* ---- loop ---- */

static void shim_on_control(void)
{
  char text[SHIM_MESSAGE_MAX];
  ssize_t n = recv(shim.control, text, sizeof text - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0) {
    shim_lost();
    return;
  }
  text[n] = '\0';
  Message message = message_parse(text);
  verbs[message.verb](&message);
}

static void shim_on_connect(void)
{
  int fd = accept4(shim.listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0)
    return;
  if (shim.control >= 0)
    close(shim.control); /* the newest node is the one that counts */
  shim.control = fd;
  shim.owes = shim.told_rotated = false;
  shim_watch(fd);
  shim_hello();
}

static void shim_on_pipe(int fd)
{
  for (int stream = 0; stream < LOG_STREAMS; stream++)
    if (shim.pipes[stream] == fd && !log_drain(stream, fd)) {
      log_finish(stream);
      shim_close_pipe(stream);
    }
}

_Noreturn static void shim_loop(void)
{
  for (;;) {
    struct epoll_event events[8];
    int n = epoll_wait(shim.epoll, events, 8, log_quiet_ms());
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == shim.control && events[i].events & EPOLLOUT && shim.owes)
        shim_pay();
      else if (fd == shim.control)
        shim_on_control();
      else if (fd == shim.listener)
        shim_on_connect();
      else if (fd == shim.signals)
        shim_reap();
      else
        shim_on_pipe(fd);
    }
    log_quiet();
  }
}

static int shim_die(const char *what)
{
  dprintf(STDERR_FILENO, "reeve-shim: %s: %s\n", what, strerror(errno));
  return 1;
}

static int shim_listen(void)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", SHIM_DIR_FD);
  shim.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  int failed = bind(shim.listener, (struct sockaddr *)&address, sizeof address);
  if (failed && errno == EADDRINUSE) { /* of a shim before us, which is gone */
    unlinkat(SHIM_DIR_FD, "shim.sock", 0);
    failed = bind(shim.listener, (struct sockaddr *)&address, sizeof address);
  }
  return shim.listener < 0 || failed || listen(shim.listener, 4) != 0;
}

/* The shim before us may have been told to end and not have done so yet: it is given a moment. */
static bool shim_lock(int fd)
{
  enum { LOCK_TRIES = 200, LOCK_STEP_NS = 10 * 1000 * 1000 };
  for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
      return true;
    if (errno != EWOULDBLOCK && errno != EINTR)
      return false;
    nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_NS}, NULL);
  }
  return false;
}

/* One shim an instance. Earlier builds locked a file of its own, `lock`, which is there where one
 * of them was. */
static bool shim_hold(void)
{
  int former = openat(SHIM_DIR_FD, "lock", O_RDWR | O_CLOEXEC);
  return shim_lock(child_state_fd()) && (former < 0 || shim_lock(former));
}

int main(void)
{
  shim.control = SHIM_CONTROL_FD;
  shim.pipes[LOG_STDOUT] = shim.pipes[LOG_STDERR] = -1;
  shim.code = -1;
  if (!shim_hold())
    return shim_die("another shim holds this instance");
  if (!spec_read(SHIM_SPEC_FD, &shim.spec))
    return 1;
  close(SHIM_SPEC_FD);
  fcntl(SHIM_DIR_FD, F_SETFD, FD_CLOEXEC);
  fcntl(SHIM_CONTROL_FD, F_SETFD, FD_CLOEXEC);
  for (int fd = SHIM_OUT_FD; shim.spec.attached && fd <= SHIM_ERR_FD; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
  sigset_t all;
  sigfillset(&all);
  /* nothing but SIGKILL ends a shim; the child gets a clean mask */
  sigprocmask(SIG_SETMASK, &all, NULL);
  for (int sig = 1; sig < NSIG; sig++)
    signal(sig, SIG_DFL); /* what the node ignores, the child shall not */
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  shim.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  shim.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (shim.signals < 0 || shim.epoll < 0 || shim_listen() != 0)
    return shim_die("listen");
  if (!shim.spec.attached)
    log_open(&shim.spec, shim_rotated);
  shim_watch(shim.signals);
  shim_watch(shim.listener);
  shim_watch(shim.control);
  shim_hello();
  shim_loop();
}
