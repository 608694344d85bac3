/* An MCP server that is a child process: messages are lines of its standard input and output, its standard error goes to our log. It has a
 * process group of its own, and nothing of the group outlives the link. */
#include "agent/mcp_link.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  UNREAD_MAX = 4 * 1024 * 1024, /* bytes that a server may leave unread in our memory */
  SAID_MAX = 500,               /* of a line of standard error */
  READ_BYTES = 16384,
  READ_ROUNDS = 16,  /* blocks taken from one pipe before others have their turn */
  STOP_MS = 2000,    /* from SIGTERM to SIGKILL */
  CLOSED_MS = 200,   /* from the end of its standard output to SIGTERM */
  GARBAGE_LINES = 10 /* lines that are no messages and are shown, of one process */
};

struct McpLink {
  Loop *loop;
  const McpSetup *setup;
  const McpEvents *events;
  void *data;
  pid_t pid;                        /* 0 = reaped */
  int pidfd, in_fd, out_fd, err_fd; /* -1 = closed */
  struct event *in_event;           /* writable; added while there is something to write */
  LoopWatch *out_watch, *err_watch, *exit_watch;
  LoopTimer *timer; /* until the next signal */
  GString *unread;  /* what its standard input did not take yet */
  size_t written;   /* of @unread */
  McpReader out, err;
  char *last_said; /* the last line of standard error */
  char *stop_why;  /* why we ended it, NULL = we did not */
  int garbage;
};

static void close_fd(int *fd)
{
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static void link_close_input(McpLink *link)
{
  g_clear_pointer(&link->in_event, event_free);
  close_fd(&link->in_fd);
}

static void link_close_output(McpLink *link)
{
  g_clear_pointer(&link->out_watch, loop_watch_free);
  close_fd(&link->out_fd);
}

static void link_close_errors(McpLink *link)
{
  g_clear_pointer(&link->err_watch, loop_watch_free);
  close_fd(&link->err_fd);
}

/* The leader is not reaped while pid is set, so the number of the group is still its own. */
static void link_signal(const McpLink *link, int signal)
{
  if (link->pid > 0)
    kill(-link->pid, signal);
}

/* Asks the process to end, in the way of the protocol and in that of Unix; by force after STOP_MS. */
static void link_end(McpLink *link, const char *why)
{
  if (link->stop_why)
    return;
  link->stop_why = g_strdup(why);
  link_close_input(link);
  link_signal(link, SIGTERM);
  loop_timer_set(link->timer, clock_boot_ms() + STOP_MS);
}

static void link_on_timer(void *data)
{
  McpLink *link = data;
  if (link->stop_why)
    link_signal(link, SIGKILL);
  else
    link_end(link, "it closed its standard output");
}

/* ---- its standard input ---- */

static void link_on_writable(evutil_socket_t fd, short what, void *data)
{
  (void)what;
  McpLink *link = data;
  ssize_t n = write(fd, link->unread->str + link->written, link->unread->len - link->written);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n < 0) {
    link_end(link, "it closed its standard input");
    return;
  }
  link->written += (size_t)n;
  if (link->written < link->unread->len)
    return;
  g_string_truncate(link->unread, 0);
  link->written = 0;
  event_del(link->in_event);
}

static bool stdio_send(McpLink *link, int64_t id, const char *json, size_t length)
{
  (void)id;
  if (link->in_fd < 0 || link->unread->len - link->written + length > UNREAD_MAX)
    return false;
  g_string_erase(link->unread, 0, (gssize)link->written);
  link->written = 0;
  g_string_append_len(link->unread, json, (gssize)length);
  g_string_append_c(link->unread, '\n');
  event_add(link->in_event, NULL);
  return true;
}

/* ---- its standard output ---- */

static void link_garbage(McpLink *link, const char *text, const char *why)
{
  if (link->garbage++ >= GARBAGE_LINES)
    return;
  g_autofree char *shown = text_escape(text, 120);
  log_warn("mcp server said what is no message", "mcp=%s why=\"%s\" text=\"%s\"", link->setup->name, why, shown);
}

static bool link_take_output(McpPiece piece, const char *text, size_t length, void *data)
{
  McpLink *link = data;
  if (piece == MCP_PIECE_ENDLESS) {
    link_end(link, "it wrote a line without an end");
    return false;
  }
  if (piece == MCP_PIECE_TOO_LONG) {
    link->events->lost(0, "the MCP server wrote a line of more than 1 MiB", MCP_LOST_ANSWER, link->data);
    return link->out_fd >= 0;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, length, &error);
  if (!messages)
    link_garbage(link, text, error->message);
  for (guint i = 0; messages && i < messages->len; i++)
    link->events->message(messages->pdata[i], link->data);
  return link->out_fd >= 0;
}

/* Reads one block into @buffer; 0 = nothing now, -1 = the end. */
static ssize_t link_read(int fd, char *buffer)
{
  ssize_t n;
  do
    n = read(fd, buffer, READ_BYTES);
  while (n < 0 && errno == EINTR);
  return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

static void link_on_output(void *data)
{
  McpLink *link = data;
  char buffer[READ_BYTES];
  for (int i = 0; i < READ_ROUNDS && link->out_fd >= 0; i++) {
    ssize_t n = link_read(link->out_fd, buffer);
    if (n == 0)
      return;
    if (n < 0) {
      link_close_output(link); /* most often since it has just ended: its exit code says more */
      if (!link->stop_why)
        loop_timer_set(link->timer, clock_boot_ms() + CLOSED_MS);
    } else if (!mcp_read_lines(&link->out, buffer, (size_t)n, link_take_output, link)) {
      link_close_output(link);
    }
  }
}

/* ---- its standard error ---- */

static bool link_take_errors(McpPiece piece, const char *text, size_t length, void *data)
{
  (void)length;
  McpLink *link = data;
  if (piece != MCP_PIECE_WHOLE)
    return piece == MCP_PIECE_TOO_LONG;
  g_free(link->last_said);
  link->last_said = text_escape(text, SAID_MAX);
  log_info("mcp server says", "mcp=%s text=\"%s\"", link->setup->name, link->last_said);
  return true;
}

static void link_on_errors(void *data)
{
  McpLink *link = data;
  char buffer[READ_BYTES];
  for (int i = 0; i < READ_ROUNDS && link->err_fd >= 0; i++) {
    ssize_t n = link_read(link->err_fd, buffer);
    if (n == 0)
      return;
    if (n < 0 || !mcp_read_lines(&link->err, buffer, (size_t)n, link_take_errors, link))
      link_close_errors(link);
  }
}

/* ---- its end ---- */

/* Kills what is left of the group and takes the exit code of its leader. */
static siginfo_t link_reap(McpLink *link)
{
  siginfo_t info = {0};
  link_signal(link, SIGKILL);
  int code;
  do
    code = waitid(P_PID, (id_t)link->pid, &info, WEXITED);
  while (code != 0 && errno == EINTR);
  link->pid = 0;
  return info;
}

static void link_on_exit(void *data)
{
  McpLink *link = data;
  g_clear_pointer(&link->exit_watch, loop_watch_free);
  link_on_output(link); /* what it said before it ended counts */
  link_on_errors(link);
  siginfo_t info = link_reap(link);
  g_autofree char *why = link->stop_why               ? g_strdup(link->stop_why)
                         : info.si_code == CLD_EXITED ? g_strdup_printf("it ended with code %d", info.si_status)
                                                      : g_strdup_printf("it was killed by signal %d", info.si_status);
  g_autofree char *full = link->last_said ? g_strdup_printf("%s: %s", why, link->last_said) : g_steal_pointer(&why);
  link->events->gone(full, link->data);
}

static bool stdio_stop(McpLink *link)
{
  link_end(link, "it was stopped");
  link_close_output(link);
  return false;
}

static void stdio_quit(McpLink *link)
{
  g_clear_pointer(&link->exit_watch, loop_watch_free);
  link_close_input(link);
  link_close_output(link);
  link_signal(link, SIGTERM);
}

static void stdio_free(McpLink *link, int64_t until_ms)
{
  if (link->pid > 0) {
    struct pollfd exit = {.fd = link->pidfd, .events = POLLIN};
    int64_t left = until_ms - clock_boot_ms();
    poll(&exit, 1, left > 0 ? (int)MIN(left, STOP_MS) : 0);
    link_reap(link);
  }
  link_close_input(link);
  link_close_output(link);
  link_close_errors(link);
  g_clear_pointer(&link->exit_watch, loop_watch_free);
  close_fd(&link->pidfd);
  loop_timer_free(link->timer);
  g_string_free(link->unread, TRUE);
  mcp_reader_clear(&link->out);
  mcp_reader_clear(&link->err);
  g_free(link->last_said);
  g_free(link->stop_why);
  g_free(link);
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

static bool pipes_open(Pipes *pipes, GError **error)
{
  *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}};
  if (pipe2(pipes->in, O_CLOEXEC) == 0 && pipe2(pipes->out, O_CLOEXEC) == 0 && pipe2(pipes->err, O_CLOEXEC) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "open pipes: %s", g_strerror(errno));
  pipes_close(pipes);
  return false;
}

static void spawn_prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const McpSetup *setup, const Pipes *pipes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(actions);
  posix_spawn_file_actions_adddup2(actions, pipes->in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(actions, pipes->out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions, pipes->err[1], STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
  if (setup->cwd)
    posix_spawn_file_actions_addchdir_np(actions, setup->cwd);
  posix_spawnattr_init(attributes);
  posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
}

static pid_t link_spawn(const McpSetup *setup, const Pipes *pipes, GError **error)
{
  struct stat info;
  if (setup->cwd && (stat(setup->cwd, &info) != 0 || !S_ISDIR(info.st_mode))) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "cwd '%s': no such directory", setup->cwd);
    return -1;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = -1;
  spawn_prepare(&actions, &attributes, setup, pipes);
  int code = posix_spawnp(&pid, setup->argv[0], &actions, &attributes, setup->argv, setup->environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code == 0)
    return pid;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "start '%s': %s", setup->argv[0], g_strerror(code));
  return -1;
}

static int take_end(int *fd)
{
  int taken = *fd;
  *fd = -1;
  fcntl(taken, F_SETFL, O_NONBLOCK);
  return taken;
}

static void link_watch(McpLink *link, Pipes *pipes)
{
  link->in_fd = take_end(&pipes->in[1]);
  link->out_fd = take_end(&pipes->out[0]);
  link->err_fd = take_end(&pipes->err[0]);
  link->out_watch = loop_watch_new(link->loop, link->out_fd, link_on_output, link);
  link->err_watch = loop_watch_new(link->loop, link->err_fd, link_on_errors, link);
  link->exit_watch = loop_watch_new(link->loop, link->pidfd, link_on_exit, link);
  link->in_event = event_new(loop_base(link->loop), link->in_fd, EV_WRITE | EV_PERSIST, link_on_writable, link);
  link->timer = loop_timer_new(link->loop, link_on_timer, link);
}

static McpLink *stdio_open(Loop *loop, HttpClient *client, const McpSetup *setup, const McpEvents *events, void *data, GError **error)
{
  (void)client;
  Pipes pipes;
  if (!pipes_open(&pipes, error))
    return NULL;
  pid_t pid = link_spawn(setup, &pipes, error);
  int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  McpLink *link = NULL;
  if (pidfd >= 0) {
    link = g_new0(McpLink, 1);
    *link =
        (McpLink){.loop = loop, .setup = setup, .events = events, .data = data, .pid = pid, .pidfd = pidfd, .unread = g_string_new(NULL)};
    link_watch(link, &pipes);
  } else if (pid > 0) { /* nobody would learn of its end */
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "watch '%s': %s", setup->argv[0], g_strerror(errno));
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  pipes_close(&pipes);
  return link;
}

static void stdio_settled(McpLink *link, const char *version)
{
  (void)link;
  (void)version;
}

static void stdio_forget(McpLink *link, int64_t id)
{
  (void)link;
  (void)id;
}

const McpTransport mcp_stdio = {.open = stdio_open,
                                .send = stdio_send,
                                .settled = stdio_settled,
                                .forget = stdio_forget,
                                .stop = stdio_stop,
                                .quit = stdio_quit,
                                .free = stdio_free};
