/* The few functions of a C library that the shim calls, over the kernel's calls and nothing else. Declared by the usual headers; what is
 * not needed is left out, as each function says. A static glibc sets up locales, a heap, its loader and tables of the processor's caches in
 * every process: a third of a millisecond and 40 KiB for each agent, of which a shim uses nothing. meson.build takes this file where KERNEL
 * knows the processor, else the libc that is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIGNAL_SET_BYTES = 8, ERRNO_MOST = 4095 }; /* the kernel's */

/* ---- the kernel ---- */

#if defined __x86_64__
static long kernel(long number, const long a[6])
{
  long result;
  __asm__ volatile("mov 24(%[a]), %%r10\n mov 32(%[a]), %%r8\n mov 40(%[a]), %%r9\n syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), [a] "r"(a)
                   : "rcx", "r8", "r9", "r10", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call libc_begin\n");
#elif defined __aarch64__
static long kernel(long number, const long a[6])
{
  long result;
  __asm__ volatile("mov x8, %[number]\n ldp x4, x5, [%[a], #32]\n ldp x2, x3, [%[a], #16]\n ldp x0, x1, [%[a]]\n svc 0\n mov %[result], x0"
                   : [result] "=r"(result)
                   : [number] "r"(number), [a] "r"(a)
                   : "x0", "x1", "x2", "x3", "x4", "x5", "x8", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n and sp, x0, #-16\n bl libc_begin\n");
#endif

static int libc_errno;
static char **libc_environment;

int *__errno_location(void)
{
  return &libc_errno;
}

static long libc_result(long result)
{
  if (result >= 0 || result < -ERRNO_MOST)
    return result;
  libc_errno = (int)-result;
  return -1;
}

/* CALL(number, up to six arguments): the result, or -1 with errno. */
#define CALL_SIX(number, a, b, c, d, e, f, ...)                                                                                            \
  libc_result(kernel(number, (const long[6]){(long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)}))
#define CALL(...) CALL_SIX(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

int main(void);
_Noreturn void libc_begin(long *stack);

/* @stack: argc, the arguments, NULL, the environment, NULL. */
void libc_begin(long *stack)
{
  libc_environment = (char **)(stack + 1 + stack[0] + 1);
  exit(main());
}

void exit(int code)
{
  _exit(code);
}

void _exit(int code)
{
  for (;;)
    CALL(SYS_exit_group, code);
}

/* ---- calls that are the kernel's own ---- */

// clang-format off
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) { return (int)CALL(SYS_accept4, fd, address, length, flags); }
int bind(int fd, const struct sockaddr *address, socklen_t length) { return (int)CALL(SYS_bind, fd, address, length); }
int chdir(const char *path) { return (int)CALL(SYS_chdir, path); }
int clock_gettime(clockid_t clock, struct timespec *now) { return (int)CALL(SYS_clock_gettime, clock, now); }
int close(int fd) { return (int)CALL(SYS_close, fd); }
int dup2(int fd, int wanted) { return fd == wanted ? fd : (int)CALL(SYS_dup3, fd, wanted, 0); }
int epoll_create1(int flags) { return (int)CALL(SYS_epoll_create1, flags); }
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event) { return (int)CALL(SYS_epoll_ctl, epoll, op, fd, event); }
int epoll_wait(int epoll, struct epoll_event *events, int max, int ms) { return (int)CALL(SYS_epoll_pwait, epoll, events, max, ms, NULL, SIGNAL_SET_BYTES); }
int execve(const char *path, char *const argv[], char *const envp[]) { return (int)CALL(SYS_execve, path, argv, envp); }
int flock(int fd, int operation) { return (int)CALL(SYS_flock, fd, operation); }
pid_t fork(void) { return (pid_t)CALL(SYS_clone, SIGCHLD); }
int fstat(int fd, struct stat *out) { return (int)CALL(SYS_fstat, fd, out); }
pid_t getpid(void) { return (pid_t)CALL(SYS_getpid); }
int kill(pid_t pid, int sig) { return (int)CALL(SYS_kill, pid, sig); }
int listen(int fd, int backlog) { return (int)CALL(SYS_listen, fd, backlog); }
void *mmap(void *at, size_t length, int rights, int flags, int fd, off_t from) { return (void *)CALL(SYS_mmap, at, length, rights, flags, fd, from); }
int nanosleep(const struct timespec *time, struct timespec *left) { return (int)CALL(SYS_nanosleep, time, left); }
int pipe2(int fds[2], int flags) { return (int)CALL(SYS_pipe2, fds, flags); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return CALL(SYS_pwrite64, fd, bytes, length, at); }
ssize_t read(int fd, void *bytes, size_t length) { return CALL(SYS_read, fd, bytes, length); }
ssize_t recv(int fd, void *bytes, size_t length, int flags) { return CALL(SYS_recvfrom, fd, bytes, length, flags); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return (int)CALL(SYS_renameat, from_dir, from, to_dir, to); }
ssize_t send(int fd, const void *bytes, size_t length, int flags) { return CALL(SYS_sendto, fd, bytes, length, flags); }
int setgid(gid_t gid) { return (int)CALL(SYS_setgid, gid); }
int setgroups(size_t n, const gid_t *groups) { return (int)CALL(SYS_setgroups, n, groups); }
int setrlimit(__rlimit_resource_t what, const struct rlimit *limit) { return (int)CALL(SYS_prlimit64, 0, what, limit); }
pid_t setsid(void) { return (pid_t)CALL(SYS_setsid); }
int setuid(uid_t uid) { return (int)CALL(SYS_setuid, uid); }
int signalfd(int fd, const sigset_t *set, int flags) { return (int)CALL(SYS_signalfd4, fd, set, SIGNAL_SET_BYTES, flags); }
int sigprocmask(int how, const sigset_t *set, sigset_t *old) { return (int)CALL(SYS_rt_sigprocmask, how, set, old, SIGNAL_SET_BYTES); }
int socket(int domain, int type, int protocol) { return (int)CALL(SYS_socket, domain, type, protocol); }
mode_t umask(mode_t mask) { return (mode_t)CALL(SYS_umask, mask); }
int unlinkat(int dir, const char *path, int flags) { return (int)CALL(SYS_unlinkat, dir, path, flags); }
int waitid(idtype_t type, id_t id, siginfo_t *info, int options) { return (int)CALL(SYS_waitid, type, id, info, options); }
ssize_t write(int fd, const void *bytes, size_t length) { return CALL(SYS_write, fd, bytes, length); }
// clang-format on

/* The last argument of the four below, which not every call of them has. */
#define LIBC_OPTIONAL(last, type)                                                                                                          \
  __extension__({                                                                                                                          \
    va_list args;                                                                                                                          \
    va_start(args, last);                                                                                                                  \
    type value = va_arg(args, type);                                                                                                       \
    va_end(args);                                                                                                                          \
    value;                                                                                                                                 \
  })

int open(const char *path, int flags, ...)
{
  return (int)CALL(SYS_openat, AT_FDCWD, path, flags, flags & O_CREAT ? LIBC_OPTIONAL(flags, mode_t) : 0);
}

int openat(int dir, const char *path, int flags, ...)
{
  return (int)CALL(SYS_openat, dir, path, flags, flags & O_CREAT ? LIBC_OPTIONAL(flags, mode_t) : 0);
}

int fcntl(int fd, int command, ...)
{
  return (int)CALL(SYS_fcntl, fd, command, LIBC_OPTIONAL(command, long));
}

/* With PR_SET_ options of one number, followed by zeros. */
int prctl(int option, ...)
{
  return (int)CALL(SYS_prctl, option, LIBC_OPTIONAL(option, long));
}

/* ---- signals ---- */

int sigemptyset(sigset_t *set)
{
  memset(set, 0, sizeof *set);
  return 0;
}

int sigfillset(sigset_t *set)
{
  memset(set, 0xff, sizeof *set);
  return 0;
}

int sigaddset(sigset_t *set, int sig)
{
  set->__val[0] |= 1UL << (sig - 1);
  return 0;
}

/* SIG_DFL and SIG_IGN only; does not tell what was before. */
sighandler_t signal(int sig, sighandler_t handler)
{
  const struct {
    sighandler_t handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
  } action = {.handler = handler};
  return CALL(SYS_rt_sigaction, sig, &action, NULL, SIGNAL_SET_BYTES) < 0 ? SIG_ERR : SIG_DFL;
}

/* ---- directories: one open at a time ---- */

struct __dirstream {
  int fd;
  long at, length;
  _Alignas(struct dirent) char entries[2048];
};

DIR *opendir(const char *path)
{
  static DIR only;
  only.at = only.length = 0;
  only.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return only.fd < 0 ? NULL : &only;
}

struct dirent *readdir(DIR *dir)
{
  if (dir->at >= dir->length) {
    dir->at = 0;
    dir->length = CALL(SYS_getdents64, dir->fd, dir->entries, sizeof dir->entries);
  }
  if (dir->length <= 0)
    return NULL;
  struct dirent *entry = (struct dirent *)(void *)(dir->entries + dir->at);
  dir->at += entry->d_reclen;
  return entry;
}

int closedir(DIR *dir)
{
  return close(dir->fd);
}

/* ---- the rest ---- */

char *getenv(const char *name)
{
  size_t length = strlen(name);
  for (char **at = libc_environment; *at; at++)
    if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
      return *at + length + 1;
  return NULL;
}

/* At most 511 bytes. */
int dprintf(int fd, const char *format, ...)
{
  char text[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return (int)write(fd, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}
