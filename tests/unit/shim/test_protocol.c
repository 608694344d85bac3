/* The shim itself, driven over its socket by somebody who means no good, and what it leaves in its
 * directory. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 10000, FDS = 5 };

typedef struct Rig {
  char *dir;
  int control;
  pid_t pid;
  int out, err;        /* of an attached shim; else -1 */
  const char *program; /* instead of sh */
  rlim_t file_bytes;   /* that a file may have; 0 = as many as it likes */
} Rig;

static void put(GString *spec, const char *key, const char *text)
{
  g_string_append_printf(spec, "%s:%zu:%s\n", key, strlen(text), text);
}

/* Only what may run between fork and exec. */
static void become_shim(const char *program, int fds[FDS], rlim_t file_bytes)
{
  if (file_bytes)
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){file_bytes, file_bytes});
  int null = open("/dev/null", O_RDWR);
  for (int i = 0; i < 3; i++)
    dup2(null, i);
  for (int i = 0; i < FDS; i++)
    if (fds[i] >= 0)
      fds[i] = fcntl(fds[i], F_DUPFD, 100);
  for (int i = 0; i < FDS; i++)
    if (fds[i] >= 0)
      dup2(fds[i], 3 + i);
  for (int fd = 3 + FDS; fd < 128; fd++)
    close(fd);
  execl(program, "reeve-shim", "test/a", (char *)NULL);
  _exit(126);
}

/* A shim for `sh -c @script`; more lines of its spec in @more. */
static void rig_spawn(Rig *rig, const char *script, const char *more, bool attached)
{
  int pair[2], out[2] = {-1, -1}, err[2] = {-1, -1};
  g_autoptr(GString) spec = g_string_new(NULL);
  put(spec, "argv", rig->program ? rig->program : "sh");
  put(spec, "argv", "-c");
  put(spec, "argv", script);
  put(spec, "env", "PATH=/usr/bin:/bin");
  put(spec, "generation", "12");
  g_string_append(spec, more);
  if (attached) {
    put(spec, "attached", "1");
    g_assert_true(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
  }
  int memory = memfd_create("spec", MFD_CLOEXEC),
      dir = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_true(write(memory, spec->str, spec->len) == (ssize_t)spec->len);
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
  const char *program = g_getenv("REEVE_SHIM");
  rig->pid = fork();
  if (rig->pid == 0)
    become_shim(program, (int[FDS]){memory, dir, pair[1], out[1], err[1]}, rig->file_bytes);
  int ours[] = {memory, dir, pair[1], out[1], err[1]};
  for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
    if (ours[i] >= 0)
      close(ours[i]);
  rig->control = pair[0];
  rig->out = out[0];
  rig->err = err[0];
}

static void rig_init(Rig *rig)
{
  *rig =
      (Rig){.dir = g_dir_make_tmp("reeve-shim-XXXXXX", NULL), .control = -1, .out = -1, .err = -1};
}

/* One datagram of the shim, or "" at the end of the connection. Caller frees. */
static char *hear(int fd)
{
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  g_assert_cmpint(poll(&poll_fd, 1, WAIT_MS), ==, 1);
  char text[1024];
  ssize_t n = recv(fd, text, sizeof text - 1, 0);
  return g_strndup(text, (gsize)MAX(n, 0));
}

static void hear_start(int fd, const char *wanted)
{
  g_autofree char *text = hear(fd);
  if (!g_str_has_prefix(text, wanted))
    g_error("heard '%s', wanted '%s'", text, wanted);
}

static void say(const Rig *rig, const char *text)
{
  g_assert_cmpint(send(rig->control, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t)strlen(text));
}

static int rig_reap(Rig *rig)
{
  int status = 0;
  for (int i = 0; i < WAIT_MS; i++) {
    if (waitpid(rig->pid, &status, WNOHANG) == rig->pid)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    g_usleep(1000);
  }
  g_error("the shim does not end");
}

static void rig_done(Rig *rig)
{
  int fds[] = {rig->control, rig->out, rig->err};
  for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
    if (fds[i] >= 0)
      close(fds[i]);
  fs_remove_tree(rig->dir, NULL);
  g_free(rig->dir);
}

static char *rig_file(const Rig *rig, const char *name)
{
  g_autofree char *path = g_build_filename(rig->dir, name, NULL);
  return fs_read(path, 1024 * 1024, NULL, NULL);
}

/* Until @text stands in the log @times times, also when the file was rotated behind it. */
static void wait_log(const Rig *rig, const char *text, int times)
{
  for (int i = 0; i < WAIT_MS; i++) {
    g_autofree char *newest = rig_file(rig, "log"), *older = rig_file(rig, "log.1");
    g_autofree char *log = g_strconcat(older ? older : "", newest ? newest : "", NULL);
    int seen = 0;
    for (const char *p = strstr(log, text); p; p = strstr(p + 1, text))
      seen++;
    if (seen >= times)
      return;
    g_usleep(1000);
  }
  g_error("the log does not say '%s' %d times", text, times);
}

static void wait_gone(pid_t pid)
{
  for (int i = 0; i < WAIT_MS && kill(pid, 0) == 0; i++)
    g_usleep(1000);
  g_assert_cmpint(kill(pid, 0), ==, -1);
}

static int rig_connect(const Rig *rig)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_snprintf(address.sun_path, sizeof address.sun_path, "%s/shim.sock", rig->dir);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

/* A record of @log begins with the present time: what the shim makes of a clock. */
static void assert_now(const char *log)
{
  g_autofree char *text = g_strndup(log, strlen("2026-01-01T00:00:00.000Z"));
  g_autoptr(GDateTime) then = g_date_time_new_from_iso8601(text, NULL),
                       now = g_date_time_new_now_utc();
  g_assert_nonnull(then);
  GTimeSpan age_us = g_date_time_difference(now, then);
  g_assert_true(age_us > -G_TIME_SPAN_SECOND && age_us < WAIT_MS * G_TIME_SPAN_MILLISECOND);
}

static void test_one_life(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "echo out; echo err >&2; exit 3", "", false);
  hear_start(rig.control,
             "hello version=1 generation=12 attempt=0 pid=0 start=0 state=idle code=-1 signal=0");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started attempt=1 pid=");
  g_autofree char *exited = hear(rig.control);
  g_assert_true(g_str_has_prefix(exited, "exited attempt=1 code=3 signal=0 output="));
  g_autofree char *log = rig_file(&rig, "log"), *state = rig_file(&rig, "state");
  g_assert_nonnull(strstr(log, " stdout F out\n"));
  g_assert_nonnull(strstr(log, " stderr F err\n"));
  assert_now(log);
  g_assert_cmpint(atoi(strstr(exited, "output=") + 7), ==, (int)strlen(log));
  g_assert_true(g_str_has_prefix(state, "attempt=1 pid="));
  say(&rig, "query");
  hear_start(rig.control, "hello version=1 generation=12 attempt=1 pid=0");
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* Whatever it hears: it answers what it does not know, keeps its agent, and goes on. */
static void test_hostile_bytes(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "trap '' TERM; echo up; sleep 60", "", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  g_autofree char *started = hear(rig.control);
  pid_t agent = (pid_t)atoi(strstr(started, "pid=") + 4);
  g_autofree char *huge = g_strnfill(100000, 's');
  static const char *const unknown[] = {
      "nonsense", "\xff\xfe\xfd", "starting attempt=2", " ", "KILL",
      "kill\n",   "end\n",        "start\tattempt=2"};
  for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++) {
    say(&rig, unknown[i]);
    hear_start(rig.control, "unknown");
  }
  g_assert_cmpint(send(rig.control, huge, strlen(huge), MSG_NOSIGNAL), ==, (ssize_t)strlen(huge));
  hear_start(rig.control, "unknown");
  g_assert_cmpint(send(rig.control, "query\0kill", 10, MSG_NOSIGNAL), ==, 10);
  hear_start(rig.control, "hello ");
  for (const char *const *text =
           (const char *const[]){"signal", "signal sig=-9", "signal sig=99999999999",
                                 "signal sig=4711", "signal sig=0", "end", NULL};
       *text; text++)
    say(&rig, *text); /* none of them does anything */
  say(&rig, "start attempt=9");
  g_autofree char *twice = hear(rig.control);
  g_autofree char *wanted =
      g_strdup_printf("hello version=1 generation=12 attempt=1 pid=%d ", (int)agent);
  g_assert_true(g_str_has_prefix(twice, wanted));
  g_assert_cmpint(kill(agent, 0), ==, 0);
  say(&rig, "kill");
  hear_start(rig.control, "exited attempt=1 code=-1 signal=9");
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

static void test_the_newest_connection_counts(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "sleep 60", "", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  int second = rig_connect(&rig);
  hear_start(second, "hello version=1 generation=12 attempt=1 pid=");
  hear_start(rig.control, "");
  for (int i = 0; i < 100; i++) { /* a stampede: each takes the place of the one before */
    int next = rig_connect(&rig);
    hear_start(next, "hello ");
    close(second);
    second = next;
  }
  close(rig.control);
  rig.control = second;
  say(&rig, "kill");
  hear_start(rig.control, "exited attempt=1");
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* Each attempt replaces all of the state, however much shorter its own is; who says nothing has no
 * log. */
static void test_state_of_each_attempt(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "exit 0", "", false);
  hear_start(rig.control, "hello ");
  static const int attempts[] = {1000000000, 7, 8};
  for (size_t i = 0; i < G_N_ELEMENTS(attempts); i++) {
    g_autofree char *start = g_strdup_printf("start attempt=%d", attempts[i]),
                    *wanted = g_strdup_printf("attempt=%d pid=", attempts[i]);
    say(&rig, start);
    hear_start(rig.control, "started ");
    hear_start(rig.control, "exited ");
    g_autofree char *state = rig_file(&rig, "state");
    g_assert_true(g_str_has_prefix(state, wanted));
    char *generation = strstr(state, " generation=12");
    g_assert_nonnull(generation);
    g_assert_cmpstr(g_strstrip(generation), ==, "generation=12");
  }
  g_autofree char *log = rig_file(&rig, "log");
  g_assert_null(log);
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* A second shim for one instance does not come up while the first is there. */
static void test_one_shim_an_instance(void)
{
  Rig rig, other;
  rig_init(&rig);
  rig_spawn(&rig, "sleep 60", "", false);
  hear_start(rig.control, "hello ");
  other = (Rig){.dir = rig.dir, .out = -1, .err = -1};
  rig_spawn(&other, "sleep 60", "", false);
  hear_start(other.control, "");
  g_assert_cmpint(rig_reap(&other), ==, 1);
  close(other.control);
  say(&rig, "query");
  hear_start(rig.control, "hello ");
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* What forked away and left the session goes too, before anybody hears of the end. */
static void test_the_whole_tree(void)
{
  Rig rig;
  rig_init(&rig);
  g_autofree char *cwd = g_strdup_printf("cwd:%zu:%s\n", strlen(rig.dir), rig.dir);
  rig_spawn(
      &rig,
      "setsid sh -c 'echo $$; : > ready; exec sleep 60' & while ! test -e ready; do sleep 0.01; done; exit 0",
      cwd, false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  hear_start(rig.control, "exited attempt=1 code=0 signal=0");
  g_autofree char *log = rig_file(&rig, "log");
  g_assert_nonnull(strstr(log, " stdout F "));
  pid_t away = (pid_t)atoi(strstr(log, " stdout F ") + strlen(" stdout F "));
  g_assert_cmpint(away, >, 1);
  g_assert_cmpint(kill(away, 0), ==, -1);
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

static void test_rotation(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done",
            "log_bytes:5:20000\nlog_files:1:3\n", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  int rotated = 0;
  for (;;) {
    g_autofree char *text = hear(rig.control);
    if (g_str_has_prefix(text, "exited "))
      break;
    g_assert_cmpstr(text, ==, "rotated");
    rotated++;
  }
  g_assert_cmpint(rotated, >, 0);
  g_autofree char *newest = rig_file(&rig, "log"), *older = rig_file(&rig, "log.1"),
                  *none = rig_file(&rig, "log.3");
  g_assert_nonnull(older);
  g_assert_null(none);
  g_autofree char *both = g_strconcat(older, newest, NULL);
  g_assert_true(g_str_has_suffix(both, " stdout F line 1999\n"));
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* The text of all records of @log, one behind the other; counts the records. Caller frees. */
static char *log_text(const char *log, guint *records)
{
  g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
  GString *text = g_string_new(NULL);
  *records = 0;
  for (guint i = 0; lines[i] && lines[i][0]; i++, ++*records) {
    g_assert_true(g_utf8_validate(lines[i], -1, NULL));
    g_string_append(text, lines[i] + strlen("2026-01-01T00:00:00.000Z stdout F "));
  }
  return g_string_free(text, FALSE);
}

/* A part of a long line ends between two characters, wherever 8 KiB may fall. */
static void test_long_lines_keep_their_characters(void)
{
  static const char *const letters[] = {"ü", "€", "🙂"};
  for (size_t i = 0; i < G_N_ELEMENTS(letters) * 4; i++) {
    Rig rig;
    rig_init(&rig);
    g_autofree char *script =
        g_strdup_printf("printf '%.*s'; yes '%s' | head -6000 | tr -d '\\n'; echo", (int)(i % 4),
                        "abc", letters[i / 4]);
    rig_spawn(&rig, script, "", false);
    hear_start(rig.control, "hello ");
    say(&rig, "start attempt=1");
    hear_start(rig.control, "started ");
    hear_start(rig.control, "exited attempt=1 code=0 ");
    g_autofree char *log = rig_file(&rig, "log");
    guint records;
    g_autofree char *text = log_text(log, &records);
    g_assert_cmpint(g_utf8_strlen(text, -1), ==, (glong)(6000 + i % 4));
    g_assert_cmpuint(records, >, 1);
    say(&rig, "end");
    g_assert_cmpint(rig_reap(&rig), ==, 0);
    rig_done(&rig);
  }
}

/* Dots, for minutes: what there is of a line is written a second after it began, although it grows
 * all the time; a character that was written in two halves stays whole. */
static void test_a_line_that_keeps_growing(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "while :; do printf '.\\342\\202'; sleep 0.05; printf '\\254'; done", "", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  guint records = 0;
  for (gint64 end_us = g_get_monotonic_time() + WAIT_MS * 1000; records < 2; g_usleep(20000)) {
    g_autofree char *log = rig_file(&rig, "log");
    g_free(log ? log_text(log, &records) : NULL);
    g_assert_cmpint(g_get_monotonic_time(), <, end_us);
  }
  say(&rig, "kill attempt=1");
  hear_start(rig.control, "exited attempt=1 code=-1 signal=9 ");
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

static void test_what_cannot_be_executed(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "", "argv:1:x\ncwd:13:/no/directory\n", false);
  hear_start(rig.control, "hello ");
  for (int attempt = 1; attempt < 3; attempt++) {
    g_autofree char *text = g_strdup_printf("start attempt=%d", attempt),
                    *wanted = g_strdup_printf("start-failed attempt=%d errno=%d step=cwd", attempt,
                                              ENOENT);
    say(&rig, text);
    hear_start(rig.control, wanted);
  }
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* Which step failed is told: the program, or what its first line names. */
static void test_which_step_failed(void)
{
  static const struct {
    const char *name, *text;
    int error;
    const char *step;
  } rows[] = {{"absent", NULL, ENOENT, "exec"},
              {"crlf", "#!/bin/sh\r\nexit 0\r\n", ENOENT, "interpreter"},
              {"gone", "#!/no/such/interpreter\n", ENOENT, "interpreter"},
              {"text", "no program\n", ENOEXEC, "exec"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Rig rig;
    rig_init(&rig);
    g_autofree char *path = g_build_filename(rig.dir, rows[i].name, NULL);
    g_assert_true(!rows[i].text ||
                  (g_file_set_contents(path, rows[i].text, -1, NULL) && chmod(path, 0755) == 0));
    rig.program = path;
    rig_spawn(&rig, "", "", false);
    hear_start(rig.control, "hello ");
    say(&rig, "start attempt=1");
    g_autofree char *wanted =
        g_strdup_printf("start-failed attempt=1 errno=%d step=%s", rows[i].error, rows[i].step);
    hear_start(rig.control, wanted);
    say(&rig, "end");
    g_assert_cmpint(rig_reap(&rig), ==, 0);
    rig_done(&rig);
  }
}

/* A stop gives the whole group its time, also when the main process ends at once; who is in another
 * group is asked when the main one has ended. */
static void test_a_stop_waits_for_the_group(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(
      &rig,
      "sh -c 'trap \"sleep 0.3; echo saved; exit 0\" TERM; echo up; while :; do sleep 0.01; done' & setsid sh -c 'echo up; exec sleep 60' & wait",
      "", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  wait_log(&rig, "up", 2);
  say(&rig, "signal sig=15");
  hear_start(rig.control, "exited attempt=1 code=-1 signal=15");
  wait_log(&rig, "saved", 1);
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* Who does not go has until the node's kill; without a stop there is nothing to wait for. */
static void test_a_stop_ends_with_the_kill(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.01; done' & wait", "",
            false);
  hear_start(rig.control, "hello ");
  for (int attempt = 1; attempt < 3; attempt++) {
    g_autofree char *start = g_strdup_printf("start attempt=%d", attempt);
    say(&rig, start);
    g_autofree char *started = hear(rig.control);
    pid_t agent = (pid_t)atoi(strstr(started, "pid=") + 4);
    wait_log(&rig, "up", attempt);
    if (attempt == 1) {
      say(&rig, "signal sig=15");
      wait_gone(agent);
      say(&rig, "query");
      hear_start(rig.control, "hello version=1 generation=12 attempt=1 pid=");
      /* it is not over */
      g_assert_cmpint(poll(&(struct pollfd){.fd = rig.control, .events = POLLIN}, 1, 200), ==, 0);
      say(&rig, "kill");
    } else {
      kill(agent, SIGTERM); /* by somebody else: that is no stop */
    }
    g_autofree char *exited = g_strdup_printf("exited attempt=%d code=-1 signal=15", attempt);
    hear_start(rig.control, exited);
  }
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* A node that reads nothing for a while hears of the end all the same, however much there was to
 * say before. */
static void test_a_deaf_node(void)
{
  enum { QUERIES = 3000 };
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "head -c 40000000 /dev/zero | tr '\\0' '\\n'; echo $$; exec sleep 60",
            "log_bytes:4:1000\nlog_files:1:3\n", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  g_autofree char *state = NULL;
  wait_log(&rig, "stdout F ", 1);
  state = rig_file(&rig, "state");
  pid_t agent = (pid_t)atoi(strstr(state, "pid=") + 4);
  g_autofree char *pid = g_strdup_printf(" stdout F %d\n", (int)agent);
  wait_log(&rig, pid, 1);
  for (int i = 0; i < QUERIES; i++)
    say(&rig, "query");
  kill(agent, SIGKILL);
  wait_gone(agent);
  int rotated = 0, more = 0;
  for (;; more++) {
    g_autofree char *text = hear(rig.control);
    if (g_str_has_prefix(text, "exited attempt=1 code=-1 signal=9"))
      break;
    rotated += strcmp(text, "rotated") == 0;
    g_assert_cmpstr(text, !=, "");
  }
  g_assert_cmpint(rotated, ==, 1);
  g_assert_cmpint(more, <, QUERIES);
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

/* What the disk takes no more of ends with a whole record. */
static void test_no_half_record(void)
{
  Rig rig;
  rig_init(&rig);
  rig.file_bytes = 1000;
  rig_spawn(&rig, "i=100; while [ $i -lt 200 ]; do echo line $i; i=$((i + 1)); done", "", false);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  g_autofree char *exited = hear(rig.control);
  g_assert_true(g_str_has_prefix(exited, "exited attempt=1 code=0"));
  g_autofree char *log = rig_file(&rig, "log");
  g_assert_cmpint(atoi(strstr(exited, "output=") + 7), ==, (int)strlen(log));
  g_assert_cmpint((int)strlen(log) % 43, ==, 0); /* TIME stdout F line NNN */
  g_assert_cmpint((int)strlen(log), >, 800);
  say(&rig, "end");
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

static void test_a_bad_spec(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "sleep 60", "argv:999:x\n", false);
  hear_start(rig.control, "");
  g_assert_cmpint(rig_reap(&rig), ==, 1);
  rig_done(&rig);
}

/* Attached: bytes go through as they are, nothing is logged, there is one attempt, and the end of
 * the connection is the end of all. */
static void test_attached(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "printf 'a\\0b'; printf err >&2; exit 5", "", true);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started attempt=1");
  hear_start(rig.control, "exited attempt=1 code=5 signal=0");
  char text[16] = "";
  g_assert_cmpint(read(rig.out, text, sizeof text), ==, 3);
  g_assert_cmpint(memcmp(text, "a\0b", 3), ==, 0);
  g_assert_cmpint(read(rig.out, text, sizeof text), ==, 0);
  g_assert_cmpint(read(rig.err, text, sizeof text), ==, 3);
  say(&rig, "start attempt=2");
  hear_start(rig.control, "start-failed attempt=2");
  g_autofree char *log = rig_file(&rig, "log");
  g_assert_null(log);
  close(rig.control);
  rig.control = -1;
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

static void test_attached_ends_with_its_connection(void)
{
  Rig rig;
  rig_init(&rig);
  rig_spawn(&rig, "trap '' TERM; setsid sleep 60 & echo up; sleep 60", "", true);
  hear_start(rig.control, "hello ");
  say(&rig, "start attempt=1");
  hear_start(rig.control, "started ");
  char text[16];
  g_assert_cmpint(read(rig.out, text, sizeof text), ==, 3);
  close(rig.control);
  rig.control = -1;
  g_assert_cmpint(read(rig.out, text, sizeof text), ==, 0); /* the last writer is dead */
  g_assert_cmpint(rig_reap(&rig), ==, 0);
  rig_done(&rig);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  g_assert_nonnull(g_getenv("REEVE_SHIM"));
  g_test_add_func("/shim/one-life", test_one_life);
  g_test_add_func("/shim/hostile-bytes", test_hostile_bytes);
  g_test_add_func("/shim/newest-connection", test_the_newest_connection_counts);
  g_test_add_func("/shim/state-of-each-attempt", test_state_of_each_attempt);
  g_test_add_func("/shim/one-an-instance", test_one_shim_an_instance);
  g_test_add_func("/shim/whole-tree", test_the_whole_tree);
  g_test_add_func("/shim/rotation", test_rotation);
  g_test_add_func("/shim/long-lines", test_long_lines_keep_their_characters);
  g_test_add_func("/shim/growing-line", test_a_line_that_keeps_growing);
  g_test_add_func("/shim/cannot-be-executed", test_what_cannot_be_executed);
  g_test_add_func("/shim/which-step", test_which_step_failed);
  g_test_add_func("/shim/stop-waits", test_a_stop_waits_for_the_group);
  g_test_add_func("/shim/stop-kill", test_a_stop_ends_with_the_kill);
  g_test_add_func("/shim/deaf-node", test_a_deaf_node);
  g_test_add_func("/shim/no-half-record", test_no_half_record);
  g_test_add_func("/shim/bad-spec", test_a_bad_spec);
  g_test_add_func("/shim/attached", test_attached);
  g_test_add_func("/shim/attached-ends", test_attached_ends_with_its_connection);
  return g_test_run();
}
