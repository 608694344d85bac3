/* Forks one attempt of the agent and lets it exec only after its identity is on disk. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned long long child_start_time(pid_t pid)
{
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0)
    return 0;
  text[n] = '\0';
  char *p = strrchr(text, ')'); /* the name may hold blanks and parentheses */
  for (int field = 2; p && field < 22; field++)
    p = strchr(p + 1, ' ');
  return p ? strtoull(p + 1, NULL, 10) : 0;
}

static struct {
  int fd; /* the state file, once it is open */
  char boot[64];
} child_state = {.fd = -1};

int child_state_fd(void)
{
  shim_crash_point("state open");
  if (child_state.fd < 0)
    child_state.fd = openat(SHIM_DIR_FD, "state", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return child_state.fd;
}

static void child_read_boot(void)
{
  if (child_state.boot[0])
    return;
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, child_state.boot, sizeof child_state.boot - 1);
  if (fd >= 0)
    close(fd);
  if (n <= 0)
    strcpy(child_state.boot, "unknown");
  child_state.boot[strcspn(child_state.boot, "\n")] = '\0';
}

/* {attempt, pid, start time, boot id, generation}: enough to know the process again, also after
 * this shim died. Always of one length and within one page, so that one write replaces all of it or
 * nothing, and who dies meanwhile leaves no mixture. 0 or an errno. */
static int child_write_state(int attempt, pid_t pid, unsigned long long start_time, long generation)
{
  enum { STATE_BYTES = 192 };
  char text[STATE_BYTES + 1];
  int length = snprintf(text, sizeof text, "attempt=%d pid=%d start=%llu boot=%s generation=%ld",
                        attempt, (int)pid, start_time, child_state.boot, generation);
  memset(text + length, ' ', (size_t)(STATE_BYTES - length));
  text[STATE_BYTES - 1] = '\n';
  shim_crash_point("state write");
  ssize_t n = pwrite(child_state.fd, text, STATE_BYTES, 0);
  return n == STATE_BYTES ? 0 : n < 0 ? errno : ENOSPC;
}

/* 0 or an errno. */
static int child_join(const char *procs)
{
  int fd = open(procs, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int e = write(fd, "0", 1) == 1 ? 0 : errno;
  close(fd);
  return e;
}

static int child_join_cgroups(const ShimSpec *spec)
{
  int e = 0;
  for (int i = 0; i < spec->n_cgroups && !e; i++)
    e = child_join(spec->cgroups[i]);
  if (spec->cgroup_tree)
    child_join(spec->cgroup_tree);
  return e;
}

/* In the order in which they are taken; CHILD_STARTED: none of them failed. */
enum {
  CHILD_STARTED,
  CHILD_FORK,
  CHILD_STATE,
  CHILD_CGROUP,
  CHILD_USER,
  CHILD_CWD,
  CHILD_EXEC,
  CHILD_INTERPRETER,
  CHILD_STEPS
};
static const char *const child_steps[CHILD_STEPS] = {[CHILD_FORK] = "fork",
                                                     [CHILD_STATE] = "state",
                                                     [CHILD_CGROUP] = "cgroup",
                                                     [CHILD_USER] = "user",
                                                     [CHILD_CWD] = "cwd",
                                                     [CHILD_EXEC] = "exec",
                                                     [CHILD_INTERPRETER] = "interpreter"};

/* What went wrong, as it comes from the child. */
typedef struct ChildFault {
  int error, step;
} ChildFault;

static ChildFault child_become(const ShimSpec *spec)
{
  int e = child_join_cgroups(spec);
  if (e)
    return (ChildFault){e, CHILD_CGROUP};
  if (spec->gid >= 0 &&
      (setgroups((size_t)spec->n_groups, spec->groups) != 0 || setgid((gid_t)spec->gid) != 0))
    return (ChildFault){errno, CHILD_USER};
  if (spec->uid >= 0 && setuid((uid_t)spec->uid) != 0)
    return (ChildFault){errno, CHILD_USER};
  if (spec->cwd && chdir(spec->cwd) != 0)
    return (ChildFault){errno, CHILD_CWD};
  return (ChildFault){0};
}

static const char *child_path(const ShimSpec *spec)
{
  for (int i = 0; i < spec->n_env; i++)
    if (strncmp(spec->envp[i], "PATH=", 5) == 0)
      return spec->envp[i] + 5;
  return "/usr/local/bin:/usr/bin:/bin";
}

/* A file that is there, and still "not found": the program that its first line or its header names
 * is not. */
static ChildFault child_try(const ShimSpec *spec, const char *file)
{
  execve(file, spec->argv, spec->envp);
  int e = errno;
  return (ChildFault){e, e == ENOENT && access(file, F_OK) == 0 ? CHILD_INTERPRETER : CHILD_EXEC};
}

/* execve with the search of PATH; what says most of all that went wrong. */
static ChildFault child_exec(const ShimSpec *spec)
{
  char *const *argv = spec->argv;
  if (strchr(argv[0], '/'))
    return child_try(spec, argv[0]);
  ChildFault seen = {ENOENT, CHILD_EXEC};
  for (const char *p = child_path(spec); *p;) {
    size_t length = strcspn(p, ":");
    char file[4096];
    if (length + strlen(argv[0]) + 2 < sizeof file) {
      snprintf(file, sizeof file, "%.*s/%s", (int)length, p, argv[0]);
      ChildFault fault = child_try(spec, file);
      if (fault.step == CHILD_INTERPRETER || (fault.error != ENOENT && fault.error != ENOTDIR))
        seen = fault;
    }
    p += length + (p[length] == ':');
  }
  return seen;
}

static void child_limits(const ShimSpec *spec)
{
  struct rlimit limit = {.rlim_cur = (rlim_t)spec->nofile_soft,
                         .rlim_max = (rlim_t)spec->nofile_hard};
  if (spec->nofile_soft >= 0)
    setrlimit(RLIMIT_NOFILE, &limit);
  if (spec->core_soft == -2 || getrlimit(RLIMIT_CORE, &limit) != 0)
    return;
  limit.rlim_cur = spec->core_soft < 0 ? RLIM_INFINITY : (rlim_t)spec->core_soft;
  setrlimit(RLIMIT_CORE, &limit);
}

/* In the child: never returns. @gate: opened by the parent's byte; @fault: where a ChildFault goes,
 * closed by a successful exec. Everything but the exec is done before the gate, while the parent
 * writes down who we are. */
static void child_run(const ShimSpec *spec, int out, int err, int gate, int fault)
{
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (null > STDERR_FILENO)
    close(null);
  umask(022);
  child_limits(spec);
  ChildFault wrong = child_become(spec);
  char go;
  if (read(gate, &go, 1) != 1)
    _exit(127); /* the shim is gone or could not write our identity */
  if (!wrong.step)
    wrong = child_exec(spec);
  if (write(fault, &wrong, sizeof wrong) < 0)
    _exit(126);
  _exit(127);
}

static void child_close(int fds[2])
{
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close(fds[i]);
}

/* Opens the gate and waits for the exec. */
static ChildFault child_release(const ShimSpec *spec, int attempt, Child *child, int gate,
                                int fault)
{
  child->start_time = child_start_time(child->pid);
  int e = child_write_state(attempt, child->pid, child->start_time, spec->generation);
  if (e)
    return (ChildFault){e, CHILD_STATE};
  shim_crash_point("gate");
  if (write(gate, "g", 1) != 1)
    return (ChildFault){errno, CHILD_FORK};
  ChildFault wrong = {0};
  ssize_t n;
  do
    n = read(fault, &wrong, sizeof wrong);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)sizeof wrong ? wrong : (ChildFault){0};
}

/* The pipes of stdout and stderr, or with an attached shim the descriptors that the node handed
 * over. */
static bool child_open(const ShimSpec *spec, int pipes[4][2])
{
  if (spec->attached) {
    pipes[0][1] = SHIM_OUT_FD;
    pipes[1][1] = SHIM_ERR_FD;
  }
  bool ok = true;
  for (int i = spec->attached ? 2 : 0; i < 4 && ok; i++)
    ok = pipe2(pipes[i], O_CLOEXEC) == 0;
  return ok;
}

static int child_nonblock(int fd)
{
  if (fd >= 0)
    fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static Child child_failed(ChildFault fault)
{
  return (Child){.pid = -1, .fds = {-1, -1}, .error = fault.error, .step = child_steps[fault.step]};
}

Child child_start(const ShimSpec *spec, int attempt)
{
  int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}}; /* out, err, gate, fault */
  Child child = {.pid = -1};
  child_read_boot();
  if (child_open(spec, pipes))
    child.pid = fork();
  if (child.pid == 0) {
    close(pipes[2][1]);
    child_run(spec, pipes[0][1], pipes[1][1], pipes[2][0], pipes[3][1]);
  }
  if (child.pid < 0) {
    ChildFault fault = {errno, CHILD_FORK};
    for (int i = 0; i < 4; i++)
      child_close(pipes[i]);
    return child_failed(fault);
  }
  close(pipes[3][1]);
  pipes[3][1] = -1;
  ChildFault fault = child_release(spec, attempt, &child, pipes[2][1], pipes[3][0]);
  child_close(pipes[2]);
  child_close(pipes[3]);
  close(pipes[0][1]);
  close(pipes[1][1]);
  if (fault.step) {
    pipes[0][1] = pipes[1][1] = -1;
    child_close(pipes[0]);
    child_close(pipes[1]);
    return child_failed(fault); /* the child ends itself; the loop reaps it */
  }
  child.fds[0] = child_nonblock(pipes[0][0]);
  child.fds[1] = child_nonblock(pipes[1][0]);
  return child;
}
