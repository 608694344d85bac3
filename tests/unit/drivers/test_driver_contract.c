/* What every driver must do, whatever it runs instances in: one suite over each row, through its
 * slots and its news alone. drivers/driver.h is the text of it. */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *const A = "ins_00000a", *const B = "ins_00000b";

/* A driver that is open, and what it told that no test has taken yet. */
static const Bench *bench;
static Driver *driver;
static GPtrArray *heard; /* of DriverNews*, whose texts are their own */

/* ---- news ---- */

static void news_free(gpointer data)
{
  DriverNews *news = data;
  g_free((char *)(uintptr_t)news->instance);
  g_free((char *)(uintptr_t)news->text);
  g_free(news);
}

static void hear(void *data, const DriverNews *news)
{
  DriverNews *copy = g_memdup2(news, sizeof *news);
  (void)data;
  copy->instance = g_strdup(news->instance);
  copy->text = g_strdup(news->text);
  g_ptr_array_add(heard, copy);
}

/* The first of @id that was heard and not taken, or NULL; caller frees. */
static DriverNews *take(const char *id)
{
  for (guint i = 0; i < heard->len; i++)
    if (strcmp(((const DriverNews *)heard->pdata[i])->instance, id) == 0)
      return g_ptr_array_steal_index(heard, i);
  return NULL;
}

/* The next news of @id is of @type; the caller's to free. */
static DriverNews *wait_for(const char *id, DriverNewsType type)
{
  DriverNews *news = take(id);
  for (; !news; news = take(id))
    if (!bench->step())
      g_error("%s: '%s' is waited for in vain", bench->name, driver_news_word(type));
  if (news->type != type)
    g_error("%s: '%s' (%s), wanted '%s'", bench->name, driver_news_word(news->type),
            news->text ? news->text : "", driver_news_word(type));
  return news;
}

static void wants(const char *id, DriverNewsType type)
{
  news_free(wait_for(id, type));
}

/* Nothing is told of @id for a while. */
static void wants_nothing(const char *id)
{
  enum { STEPS = 40 };
  for (int i = 0; i < STEPS; i++)
    g_assert_true(bench->step());
  DriverNews *news = take(id);
  if (news)
    g_error("%s: '%s', wanted no news", bench->name, driver_news_word(news->type));
}

/* ---- a driver and its instances ---- */

static void begin(void)
{
  heard = g_ptr_array_new_with_free_func(news_free);
  bench->begin(hear);
  driver = bench->open();
  g_assert_nonnull(driver);
}

static void end(void)
{
  driver->ops->close(driver);
  bench->end();
  g_ptr_array_unref(heard);
}

/* The node dies, and its next life opens the driver anew. */
static void live_again(void)
{
  driver->ops->close(driver);
  g_ptr_array_set_size(heard, 0);
  driver = bench->open();
}

static void prepare(const char *id, BenchProgram program, int64_t generation)
{
  g_autoptr(InstanceSpec) spec = bench->equip(id, program);
  DriverJob job = {.id = id, .generation = generation, .spec = spec};
  driver->ops->prepare(driver, &job);
  g_assert_cmpuint(heard->len, >, 0); /* before it returns */
  wants(id, DRIVER_CREATED);
  wants(id, DRIVER_PREPARED);
}

/* Returns what it runs as. */
static int64_t start(const char *id, int attempt)
{
  driver->ops->start(driver, id, attempt);
  DriverNews *news = wait_for(id, DRIVER_STARTED);
  int64_t pid = news->pid;
  g_assert_cmpint(news->attempt, ==, attempt);
  g_assert_cmpint(pid, >, 0);
  news_free(news);
  return pid;
}

static ExitStatus exited(const char *id, int attempt)
{
  DriverNews *news = wait_for(id, DRIVER_EXITED);
  ExitStatus exit = news->exit;
  g_assert_cmpint(news->attempt, ==, attempt);
  g_assert_cmpint(bench->living(id), ==, 0);
  news_free(news);
  return exit;
}

/* So many processes of it are there. */
static void wait_living(const char *id, int n)
{
  while (bench->living(id) != n)
    g_assert_true(bench->step());
}

static void wait_living_some(const char *id)
{
  while (bench->living(id) == 0)
    g_assert_true(bench->step());
}

/* ---- a life ---- */

/* One handle, one attempt after another, each with its exit; then it leaves, which is no news. */
static void test_life(void)
{
  begin();
  prepare(A, BENCH_EXITS_3, 1);
  for (int attempt = 1; attempt <= 2; attempt++) {
    start(A, attempt);
    ExitStatus exit = exited(A, attempt);
    g_assert_cmpint(exit.code, ==, 3);
    g_assert_cmpint(exit.signal, ==, 0);
  }
  driver->ops->release(driver, A);
  while (bench->handle(A))
    g_assert_true(bench->step());
  wants_nothing(A);
  driver->ops->forget(driver, A);
  prepare(A, BENCH_SLEEPS, 2); /* as if it had never been */
  start(A, 1);
  end();
}

static void test_signal(void)
{
  begin();
  prepare(A, BENCH_SLEEPS, 1);
  start(A, 1);
  driver->ops->signal(driver, A, SIGTERM);
  exited(A, 1);
  end();
}

/* Who does not listen has until the kill. */
static void test_grace(void)
{
  begin();
  prepare(A, BENCH_HOLDS, 1);
  start(A, 1);
  wants_nothing(A); /* it sets its trap */
  driver->ops->signal(driver, A, SIGTERM);
  wants_nothing(A);
  wait_living_some(A);
  driver->ops->kill(driver, A);
  g_assert_cmpint(exited(A, 1).signal, ==, SIGKILL);
  end();
}

/* A kill ends also what left its parent, before the end is told. */
static void test_tree(void)
{
  begin();
  prepare(A, BENCH_TREE, 1);
  start(A, 1);
  wait_living(A, 2);
  driver->ops->kill(driver, A);
  exited(A, 1);
  end();
}

static void start_fails(BenchProgram program, FailureClass failure)
{
  begin();
  prepare(A, program, 1);
  driver->ops->start(driver, A, 1);
  DriverNews *news = wait_for(A, DRIVER_START_FAILED);
  g_assert_cmpint(news->attempt, ==, 1);
  g_assert_nonnull(news->text);
  g_assert_cmpint(news->failure, ==, failure);
  news_free(news);
  wants_nothing(A);
  g_assert_true(bench->handle(A)); /* for the next try */
  end();
}

static void test_start_fails(void)
{
  start_fails(BENCH_ABSENT, FAILURE_FINAL);
  start_fails(BENCH_BUSY, FAILURE_PASSING);
}

static void test_two_at_once(void)
{
  begin();
  prepare(A, BENCH_SLEEPS, 1);
  prepare(B, BENCH_EXITS_3, 7);
  g_assert_cmpint(start(A, 1), !=, start(B, 4));
  g_assert_cmpint(exited(B, 4).code, ==, 3);
  wants_nothing(A);
  wait_living(A, 1);
  driver->ops->kill(driver, A);
  exited(A, 1);
  wants_nothing(B);
  end();
}

/* Slots about what is not there do nothing. */
static void test_unknown(void)
{
  begin();
  driver->ops->signal(driver, A, SIGTERM);
  driver->ops->kill(driver, A);
  driver->ops->release(driver, A);
  driver->ops->forget(driver, A);
  wants_nothing(A);
  prepare(A, BENCH_SLEEPS, 1); /* a handle in which nothing runs */
  driver->ops->signal(driver, A, SIGTERM);
  driver->ops->kill(driver, A);
  wants_nothing(A);
  end();
}

/* ---- the next life of the node ---- */

static void find(const char *id)
{
  driver->ops->find(driver, id);
}

static void test_found(void)
{
  begin();
  prepare(A, BENCH_SLEEPS, 5);
  int64_t pid = start(A, 3);
  live_again();
  wait_living(A, 1); /* close leaves everything running */
  find(A);
  driver->ops->sweep(driver);
  DriverNews *news = wait_for(A, DRIVER_FOUND);
  g_assert_cmpint(news->generation, ==, 5);
  g_assert_cmpint(news->attempt, ==, 3);
  g_assert_cmpint(news->pid, ==, pid);
  news_free(news);
  driver->ops->signal(driver, A, SIGTERM); /* it listens as it did */
  exited(A, 3);
  end();
}

/* A handle in which nothing was started yet. */
static void test_found_idle(void)
{
  begin();
  prepare(A, BENCH_SLEEPS, 5);
  live_again();
  find(A);
  DriverNews *news = wait_for(A, DRIVER_FOUND);
  g_assert_true(news->generation == 5 && news->attempt == 0 && news->pid == 0);
  news_free(news);
  start(A, 1);
  end();
}

/* That it ended while nobody listened is told by find, or right after it. */
static void test_ended_meanwhile(void)
{
  begin();
  prepare(A, BENCH_EXITS_3, 5);
  start(A, 3);
  wait_living_some(A);
  live_again();
  wait_living(A, 0);
  wants_nothing(A);
  find(A);
  DriverNews *news = wait_for(A, DRIVER_FOUND);
  g_assert_cmpint(news->attempt, ==, 3);
  g_assert_cmpint(news->pid ? exited(A, 3).code : news->exit.code, ==, 3);
  news_free(news);
  end();
}

static void test_absent(void)
{
  begin();
  instance_spec_free(bench->equip(A, BENCH_SLEEPS)); /* a directory, and nothing else */
  find(A);
  DriverNews *news = wait_for(A, DRIVER_ABSENT);
  g_assert_true(news->attempt == 0 && !news->tree_lives);
  news_free(news);
  end();
}

/* Its handle died while nobody watched: what it left is told, and goes when that is asked for. */
static void test_orphan(void)
{
  begin();
  prepare(A, BENCH_TREE, 5);
  start(A, 3);
  wait_living(A, 2);
  driver->ops->close(driver);
  bench->kill_handle(A);
  g_ptr_array_set_size(heard, 0);
  driver = bench->open();
  find(A);
  DriverNews *news = wait_for(A, DRIVER_ABSENT);
  g_assert_true(news->generation == 5 && news->attempt == 3 && news->tree_lives);
  news_free(news);
  wait_living(A, 2);
  driver->ops->clear(driver, A);
  news = wait_for(A, DRIVER_CLEARED);
  g_assert_true(news->generation == 5 && news->attempt == 3);
  g_assert_cmpint(bench->living(A), ==, 0);
  news_free(news);
  end();
}

/* One that does not answer is not absent, however many nodes have asked it; awake, it is found. */
static void test_unreachable(void)
{
  enum { LIVES = 6 };
  begin();
  prepare(A, BENCH_SLEEPS, 5);
  int64_t pid = start(A, 3);
  bench->freeze(A);
  for (int i = 0; i < LIVES; i++) {
    live_again();
    find(A);
  }
  wants(A, DRIVER_UNREACHABLE);
  wants_nothing(A);
  bench->wake(A);
  DriverNews *news = wait_for(A, DRIVER_REACHABLE);
  news_free(news);
  news = wait_for(A, DRIVER_FOUND);
  g_assert_cmpint(news->pid, ==, pid);
  news_free(news);
  end();
}

/* ---- handles that are lost ---- */

static void test_vanished(void)
{
  begin();
  prepare(A, BENCH_TREE, 1);
  start(A, 1);
  wait_living(A, 2);
  bench->kill_handle(A);
  DriverNews *news = wait_for(A, DRIVER_VANISHED);
  g_assert_true(news->tree_lives);
  news_free(news);
  driver->ops->clear(driver, A);
  driver->ops->clear(driver, A); /* goes on */
  wants(A, DRIVER_CLEARED);
  g_assert_cmpint(bench->living(A), ==, 0);
  prepare(A, BENCH_SLEEPS, 1);
  start(A, 2);
  end();
}

/* A frozen handle and what it holds are ended all the same. */
static void test_clear_frozen(void)
{
  begin();
  prepare(A, BENCH_SLEEPS, 1);
  start(A, 1);
  bench->freeze(A);
  driver->ops->kill(driver, A);
  wants_nothing(A);
  driver->ops->clear(driver, A);
  wants(A, DRIVER_CLEARED);
  g_assert_true(bench->living(A) == 0 && !bench->handle(A));
  end();
}

/* ---- commands beside an agent ---- */

typedef struct Command {
  DriverExec *exec;
  int output;
  bool started, ended;
  ExitStatus exit;
  char *error;
} Command;

static void command_on_started(void *data)
{
  ((Command *)data)->started = true;
}

static void command_on_ended(void *data, ExitStatus exit, const char *error)
{
  Command *command = data;
  command->ended = true;
  command->exit = exit;
  command->error = g_strdup(error);
}

static const DriverExecNews command_news = {.started = command_on_started,
                                            .ended = command_on_ended};

static void command_begin(Command *command, const InstanceSpec *spec, const char *script)
{
  char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)script, NULL};
  int pair[2];
  g_assert_cmpint(pipe2(pair, O_CLOEXEC | O_NONBLOCK), ==, 0);
  const int fds[2] = {pair[1], pair[1]};
  DriverCommand what = {.job = {.id = A, .spec = spec}, .argv = argv, .fds = fds};
  g_autoptr(GError) error = NULL;
  *command = (Command){.output = pair[0]};
  command->exec = driver->ops->exec(driver, &what, &command_news, command, &error);
  g_assert_no_error(error);
  close(pair[1]);
}

static void command_done(Command *command)
{
  driver->ops->exec_free(command->exec);
  close(command->output);
  g_free(command->error);
}

static void test_exec(void)
{
  begin();
  g_autoptr(InstanceSpec) spec = bench->equip(A, BENCH_SLEEPS);
  if (!(driver->ops->can & DRIVER_EXEC)) {
    g_autoptr(GError) error = NULL;
    DriverCommand none = {.job = {.id = A, .spec = spec}};
    g_assert_null(driver->ops->exec(driver, &none, &command_news, NULL, &error));
    g_assert_nonnull(error);
    driver->ops->exec_free(NULL);
    end();
    return;
  }
  Command command;
  char text[64] = "";
  command_begin(&command, spec, "echo $PATH; exit 5");
  while (!command.ended)
    g_assert_true(bench->step());
  g_assert_true(command.started && !command.error && command.exit.code == 5);
  g_assert_cmpint(read(command.output, text, sizeof text - 1), >, 0);
  g_assert_cmpstr(text, ==, "/usr/bin:/bin\n");
  command_done(&command);
  command_begin(&command, spec, "trap 'exit 6' TERM; echo; while :; do sleep 0.01; done");
  while (read(command.output, text, sizeof text) <= 0)
    g_assert_true(bench->step());
  driver->ops->exec_signal(command.exec, SIGTERM);
  while (!command.ended)
    g_assert_true(bench->step());
  g_assert_cmpint(command.exit.code, ==, 6);
  command_done(&command);
  command_begin(&command, spec, "echo; exec sleep 600"); /* with whoever asked for it, it goes */
  while (read(command.output, text, sizeof text) <= 0)
    g_assert_true(bench->step());
  int output = dup(command.output);
  command_done(&command);
  while (read(output, text, sizeof text) != 0) /* nobody has the other end any more */
    g_assert_true(bench->step());
  close(output);
  end();
}

/* ---- logs ---- */

static void on_grown(void *data)
{
  *(bool *)data = true;
}

static void test_log(void)
{
  begin();
  bool grown = false;
  DriverLogFrom all = {.lines = -1, .follow = true}, last = {.lines = 1};
  if (!(driver->ops->can & DRIVER_LOGS)) {
    g_assert_null(driver->ops->log_open(driver, A, &all, on_grown, &grown));
    driver->ops->log_free(NULL);
    end();
    return;
  }
  prepare(A, BENCH_SAYS, 1);
  DriverLog *log = driver->ops->log_open(driver, A, &all, on_grown, &grown);
  start(A, 1);
  g_autoptr(GString) text = g_string_new(NULL);
  char block[4096];
  while (!strstr(text->str, "line 3")) {
    g_assert_true(bench->step());
    for (size_t n = grown ? driver->ops->log_read(log, block, sizeof block) : 0; n;
         n = driver->ops->log_read(log, block, sizeof block))
      g_string_append_len(text, block, (gssize)n);
  }
  g_assert_nonnull(strstr(text->str, " stdout F line 1\n"));
  driver->ops->log_free(log);
  log = driver->ops->log_open(driver, A, &last, on_grown, &grown);
  size_t n = driver->ops->log_read(log, block, sizeof block - 1);
  block[n] = '\0';
  g_assert_true(g_str_has_suffix(block, " stdout F line 3\n") && !strstr(block, "line 2"));
  g_assert_cmpuint(driver->ops->log_read(log, block, sizeof block), ==, 0);
  driver->ops->log_free(log);
  end();
}

/* ---- the suite ---- */

typedef struct Case {
  const Bench *bench;
  void (*test)(void);
} Case;

static void run_case(gconstpointer data)
{
  const Case *one = data;
  bench = one->bench;
  one->test();
}

int main(int argc, char **argv)
{
  static const Bench *const benches[] = {&process_bench, &sim_bench};
  static const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {{"life", test_life},
               {"signal", test_signal},
               {"grace", test_grace},
               {"tree", test_tree},
               {"start-fails", test_start_fails},
               {"two-at-once", test_two_at_once},
               {"unknown", test_unknown},
               {"found", test_found},
               {"found-idle", test_found_idle},
               {"ended-meanwhile", test_ended_meanwhile},
               {"absent", test_absent},
               {"orphan", test_orphan},
               {"unreachable", test_unreachable},
               {"vanished", test_vanished},
               {"clear-frozen", test_clear_frozen},
               {"exec", test_exec},
               {"log", test_log}};
  g_test_init(&argc, &argv, NULL);
  g_assert_nonnull(g_getenv("REEVE_SHIM"));
  for (size_t i = 0; i < G_N_ELEMENTS(benches); i++)
    for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
      g_autofree char *path = g_strdup_printf("/driver/%s/%s", benches[i]->name, tests[k].name);
      Case *one = g_new0(Case, 1);
      *one = (Case){.bench = benches[i], .test = tests[k].test};
      g_test_add_data_func_full(path, one, run_case, g_free);
    }
  return g_test_run();
}
