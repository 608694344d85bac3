/* Children: what goes in and comes out, held back, refused input, and an end that leaves nothing
 * behind. */
#include "agent/child.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 20000, MUCH = 300000 };

typedef struct Heard {
  Loop *loop;
  Child *child;
  GString *output, *errors;
  int output_ends, refusals, ends;
  siginfo_t info;
  bool hold;
} Heard;

static void heard_output(const char *bytes, size_t length, void *data)
{
  Heard *heard = data;
  g_string_append_len(heard->output, bytes, (gssize)length);
  if (heard->hold)
    child_hold(heard->child, true);
}

static void heard_output_ended(void *data)
{
  ((Heard *)data)->output_ends++;
}

static void heard_errors(const char *bytes, size_t length, void *data)
{
  g_string_append_len(((Heard *)data)->errors, bytes, (gssize)length);
}

static void heard_refused(void *data)
{
  ((Heard *)data)->refusals++;
}

static void heard_ended(const siginfo_t *info, void *data)
{
  Heard *heard = data;
  heard->ends++;
  heard->info = *info;
  loop_stop(heard->loop);
}

static const ChildEvents events = {.output = heard_output,
                                   .output_ended = heard_output_ended,
                                   .errors = heard_errors,
                                   .input_refused = heard_refused,
                                   .ended = heard_ended};

static void late(void *data)
{
  (void)data;
  g_error("no end within the deadline of the test");
}

static void heard_open(Heard *heard, const char *code)
{
  const char *const argv[] = {"python3", "-S", "-c", code, NULL};
  g_auto(GStrv) environment = g_get_environ();
  ChildSpec spec = {
      .what = "", .argv = (char *const *)(uintptr_t)argv, .environment = environment, .cwd = "/"};
  g_autoptr(GError) error = NULL;
  *heard = (Heard){.loop = loop_new(), .output = g_string_new(NULL), .errors = g_string_new(NULL)};
  heard->child = child_start(heard->loop, &spec, &events, heard, &error);
  g_assert_no_error(error);
}

static void heard_run(Heard *heard)
{
  LoopTimer *timer = loop_timer_new(heard->loop, late, NULL);
  loop_timer_set(timer, clock_boot_ms() + DEADLINE_MS);
  loop_run(heard->loop);
  loop_timer_free(timer);
  g_assert_cmpint(heard->ends, ==, 1);
}

static void heard_close(Heard *heard)
{
  child_free(heard->child, 0);
  g_assert_true(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  loop_free(heard->loop);
  g_string_free(heard->output, TRUE);
  g_string_free(heard->errors, TRUE);
}

static void test_streams(void)
{
  Heard heard;
  heard_open(
      &heard,
      "import sys, os; text = sys.stdin.read(); sys.stderr.write('said'); sys.stdout.write(text + os.getcwd()); sys.exit(3)");
  g_autofree char *much = g_strnfill(MUCH, 'x');
  child_write(heard.child, much, MUCH);
  child_write(heard.child, "y", 1);
  g_assert_cmpuint(child_unread(heard.child), ==, MUCH + 1);
  child_end_input(heard.child);
  heard_run(&heard);
  g_assert_cmpuint(heard.output->len, ==, MUCH + 2);
  g_assert_cmpstr(heard.output->str + MUCH, ==, "y/");
  g_assert_cmpstr(heard.errors->str, ==, "said");
  g_assert_true(heard.info.si_code == CLD_EXITED && heard.info.si_status == 3);
  g_assert_false(child_takes_input(heard.child) || child_gives_output(heard.child));
  g_assert_cmpint(heard.output_ends, ==, 1);
  heard_close(&heard);
}

/* It closes its standard input and reads nothing: who writes is told, once. */
static void test_refused(void)
{
  Heard heard;
  heard_open(&heard, "import os, time; os.close(0); print('closed', flush=True); time.sleep(0.2)");
  g_autofree char *much = g_strnfill(MUCH, 'x');
  child_write(heard.child, much, MUCH);
  heard_run(&heard);
  g_assert_cmpint(heard.refusals, ==, 1);
  child_write(heard.child, "z", 1); /* into nothing */
  heard_close(&heard);
}

/* What it wrote while it was held back is told when it has ended. */
static void test_held_to_its_end(void)
{
  Heard heard;
  heard_open(&heard,
             "import sys, time; print('a', flush=True); time.sleep(0.2); print('b' * 30000)");
  heard.hold = true;
  heard_run(&heard);
  g_assert_cmpuint(heard.output->len, ==, 2 + 30000 + 1);
  heard_close(&heard);
}

/* Freed while it runs, with a child of its own that ignores signals: nothing is told and nothing is
 * left. */
static void test_free(void)
{
  Heard heard;
  heard_open(
      &heard,
      "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork(); pid and os.write(1, b'up'); time.sleep(600)");
  while (!heard.output->len)
    event_base_loop(loop_base(heard.loop), EVLOOP_ONCE);
  child_signal(heard.child, SIGTERM);
  int64_t before = clock_boot_ms();
  child_mute(heard.child);
  child_free(g_steal_pointer(&heard.child), before + 100);
  g_assert_cmpint(clock_boot_ms() - before, >=, 100);
  g_assert_cmpint(heard.ends, ==, 0);
  heard_close(&heard);
}

static void test_cannot_start(void)
{
  const struct {
    const char *program, *cwd, *message;
  } rows[] = {{"/nowhere/at-all", NULL, "start brain '/nowhere/at-all': No such file or directory"},
              {"cat", "/nowhere", "cwd '/nowhere': no such directory"}};
  Loop *loop = loop_new();
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *const argv[] = {rows[i].program, NULL};
    g_auto(GStrv) environment = g_get_environ();
    ChildSpec spec = {.what = "brain ",
                      .argv = (char *const *)(uintptr_t)argv,
                      .environment = environment,
                      .cwd = rows[i].cwd};
    g_autoptr(GError) error = NULL;
    g_assert_null(child_start(loop, &spec, &events, NULL, &error));
    g_assert_cmpstr(error->message, ==, rows[i].message);
  }
  loop_free(loop);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/child/streams", test_streams);
  g_test_add_func("/child/refused", test_refused);
  g_test_add_func("/child/held-to-its-end", test_held_to_its_end);
  g_test_add_func("/child/free", test_free);
  g_test_add_func("/child/cannot-start", test_cannot_start);
  return g_test_run();
}
