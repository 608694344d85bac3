/* The command brain: what goes in, what comes out, and how every bad end is told. */
#include "agent/brain.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000, LONG_PROMPT = 1000000 };

typedef struct Heard {
  Loop *loop;
  int calls, deltas;
  BrainOutcome outcome;
  GString *text; /* all deltas */
  char *detail;
} Heard;

static void heard_delta(const char *text, size_t length, void *data)
{
  Heard *heard = data;
  g_assert_cmpint(heard->calls, ==, 0);
  g_assert_true(length > 0 && g_utf8_validate_len(text, length, NULL));
  heard->deltas++;
  g_string_append_len(heard->text, text, (gssize)length);
}

static void heard_done(const BrainResult *result, void *data)
{
  Heard *heard = data;
  heard->calls++;
  heard->outcome = result->outcome;
  heard->detail = g_strdup(result->detail);
  g_assert_true((result->outcome == BRAIN_ANSWERED) == (result->detail == NULL));
  loop_stop(heard->loop);
}

static const BrainListener listener = {.delta = heard_delta, .done = heard_done};

static void heard_clear(Heard *heard)
{
  g_string_free(heard->text, TRUE);
  g_free(heard->detail);
}

static void heard_late(void *data)
{
  (void)data;
  g_error("no answer within the deadline of the test");
}

static void drop(void *message)
{
  message_free(message);
}

/* A conversation that ends with @prompt. */
static GPtrArray *conversation(const char *prompt)
{
  GPtrArray *messages = g_ptr_array_new_with_free_func(drop);
  g_ptr_array_add(messages, message_new(ROLE_SYSTEM, "be brief"));
  g_ptr_array_add(messages, message_new(ROLE_USER, prompt));
  return messages;
}

/* Runs @argv as a brain with @prompt; @heard gets how it ended. */
static void ask(const char *const *argv, const char *prompt, int64_t timeout_ms, Heard *heard)
{
  AgentFile file = {.llm_command = (char **)(uintptr_t)argv};
  *heard = (Heard){.loop = loop_new(), .text = g_string_new(NULL)};
  LoopTimer *late = loop_timer_new(heard->loop, heard_late, NULL);
  loop_timer_set(late, clock_boot_ms() + DEADLINE_MS);
  g_autoptr(GPtrArray) messages = conversation(prompt);
  BrainWorld world = {.loop = heard->loop, .file = &file};
  BrainRequest question = {
      .messages = messages,
      .options = {.model = "tiny", .temperature = 0.5, .top_p = (double)NAN, .max_tokens = 9},
      .session_id = "s1",
      .context = "{\"a\":1}",
      .timeout_ms = timeout_ms};
  g_autoptr(GError) error = NULL;
  BrainCall *call = command_brain.start(&world, &question, &listener, heard, &error);
  g_assert_no_error(error);
  g_assert_nonnull(call);
  g_assert_cmpint(heard->calls, ==, 0);
  loop_run(heard->loop);
  g_assert_cmpint(heard->calls, ==, 1);
  loop_timer_free(late);
  loop_free(heard->loop);
}

enum { HELD_BYTES = 900000, HELD_MS = 200, PIPE_MAX = 256 * 1024 };

typedef struct Held {
  Heard heard;
  BrainCall *call;
  LoopTimer *timer;
} Held;

static void held_delta(const char *text, size_t length, void *data)
{
  Held *held = data;
  heard_delta(text, length, &held->heard);
  if (held->heard.deltas > 1)
    return;
  command_brain.hold(held->call, true);
  loop_timer_set(held->timer, clock_boot_ms() + HELD_MS);
}

static void held_done(const BrainResult *result, void *data)
{
  heard_done(result, &((Held *)data)->heard);
}

/* It cannot have ended: the pipe is full. */
static void held_let_go(void *data)
{
  Held *held = data;
  g_assert_cmpint(held->heard.deltas, ==, 1);
  g_assert_cmpuint(held->heard.text->len, <=, PIPE_MAX);
  command_brain.hold(held->call, false);
}

/* A program that writes much is held back after its first piece, and goes on where it stood. */
static void test_hold(void)
{
  const BrainListener held_listener = {.delta = held_delta, .done = held_done};
  const char *const argv[] = {"python3", "-S", "-c", "print('x' * 900000)", NULL};
  AgentFile file = {.llm_command = (char **)(uintptr_t)argv};
  Held held = {.heard = {.loop = loop_new(), .text = g_string_new(NULL)}};
  LoopTimer *late = loop_timer_new(held.heard.loop, heard_late, NULL);
  loop_timer_set(late, clock_boot_ms() + DEADLINE_MS);
  held.timer = loop_timer_new(held.heard.loop, held_let_go, &held);
  g_autoptr(GPtrArray) messages = conversation("hi");
  BrainWorld world = {.loop = held.heard.loop, .file = &file};
  BrainRequest question = {.messages = messages,
                           .options = {.temperature = (double)NAN, .top_p = (double)NAN},
                           .timeout_ms = DEADLINE_MS};
  held.call = command_brain.start(&world, &question, &held_listener, &held, NULL);
  g_assert_nonnull(held.call);
  loop_run(held.heard.loop);
  g_assert_cmpint(held.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpint(held.heard.deltas, >, 1);
  g_assert_cmpuint(held.heard.text->len, ==, HELD_BYTES);
  loop_timer_free(held.timer);
  loop_timer_free(late);
  loop_free(held.heard.loop);
  heard_clear(&held.heard);
}

#define PYTHON(code)                  \
  (const char *const[])               \
  {                                   \
    "python3", "-S", "-c", code, NULL \
  }

static void test_answer(void)
{
  Heard heard;
  ask((const char *const[]){"cat", NULL}, "hello\n\n", 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(heard.text->str, ==, "hello");
  heard_clear(&heard);
}

/* More than every pipe holds, both ways at once. */
static void test_long(void)
{
  g_autofree char *prompt = g_strnfill(LONG_PROMPT, 'x');
  Heard heard;
  ask((const char *const[]){"cat", NULL}, prompt, 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpuint(heard.text->len, ==, LONG_PROMPT);
  heard_clear(&heard);
}

/* A brain need not read its prompt. */
static void test_unread(void)
{
  g_autofree char *prompt = g_strnfill(LONG_PROMPT, 'x');
  Heard heard;
  ask(PYTHON("import os; os.close(0); print('no need')"), prompt, 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(heard.text->str, ==, "no need");
  heard_clear(&heard);
}

static void test_environment(void)
{
  Heard heard;
  ask(PYTHON(
          "import os,signal,json; e=os.environ; print(e['AGENT_SESSION_ID'], e['AGENT_CONTEXT'], e['AGENT_MODEL'], os.getpgid(0) == os.getpid(),"
          " signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),"
          " e['AGENT_SYSTEM_PROMPT'], e['AGENT_TEMPERATURE'], e.get('AGENT_TOP_P'), e['AGENT_MAX_TOKENS'],"
          " [m['role'] + ':' + m['content'] for m in json.loads(e['AGENT_MESSAGES'])])"),
      "hi", 10000, &heard);
  g_assert_cmpstr(
      heard.text->str, ==,
      "s1 {\"a\":1} tiny True True 0 be brief 0.5 None 9 ['system:be brief', 'user:hi']");
  heard_clear(&heard);
}

/* Of a conversation that is too long the newest messages reach the program, and the system's;
 * without a user the last message is the question. */
static void test_long_conversation(void)
{
  const char *const argv[] = {
      "python3", "-S", "-c",
      "import os,json,sys; m = json.loads(os.environ['AGENT_MESSAGES']); print(len(m), m[0]['role'], m[1]['content'][:2],"
      " m[-1]['content'][:2], os.environ['AGENT_OPTIONS'], sys.stdin.read()[:2])",
      NULL};
  AgentFile file = {.llm_command = (char **)(uintptr_t)argv};
  Heard heard = {.loop = loop_new(), .text = g_string_new(NULL)};
  LoopTimer *late = loop_timer_new(heard.loop, heard_late, NULL);
  loop_timer_set(late, clock_boot_ms() + DEADLINE_MS);
  g_autoptr(GPtrArray) messages = conversation("x");
  g_ptr_array_set_size(messages, 1);
  for (int i = 10; i < 20; i++) {
    g_autofree char *filler = g_strnfill(15000, 'x'), *text = g_strdup_printf("%d%s", i, filler);
    g_ptr_array_add(messages, message_new(ROLE_ASSISTANT, text));
  }
  json_t *more = json_pack("{s:i}", "seed", 7);
  BrainWorld world = {.loop = heard.loop, .file = &file};
  BrainRequest question = {
      .messages = messages,
      .options = {.temperature = (double)NAN, .top_p = (double)NAN, .more = more},
      .timeout_ms = DEADLINE_MS};
  g_assert_nonnull(command_brain.start(&world, &question, &listener, &heard, NULL));
  loop_run(heard.loop);
  g_assert_cmpstr(heard.text->str, ==, "5 system 16 19 {\"seed\":7} 19");
  json_decref(more);
  loop_timer_free(late);
  loop_free(heard.loop);
  heard_clear(&heard);
}

/* Pieces come as they are written; a character that is cut between two writes comes whole; line
 * ends within count, those at the end do not.
 */
static void test_deltas(void)
{
  Heard heard;
  ask(PYTHON(
          "import os,time\nfor part in b'one\\n', b'\\ntwo \\xe2\\x82', b'\\xac \\xff\\x00', b'\\xf0\\x9f', b'\\r\\n\\n':\n os.write(1, part); time.sleep(0.15)"),
      "x", 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(heard.text->str, ==,
                  "one\n\ntwo \xe2\x82\xac \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  g_assert_cmpint(heard.deltas, >=, 2); /* five on a machine that keeps up */
  heard_clear(&heard);
}

static void test_exit_code(void)
{
  Heard heard;
  ask(PYTHON("import sys; sys.stderr.write('first\\nno model at hand\\n'); sys.exit(3)"), "x",
      10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_FAILED);
  g_assert_cmpstr(heard.detail, ==, "the brain ended with code 3: no model at hand");
  heard_clear(&heard);
  ask(PYTHON("import os; os.kill(os.getpid(), 9)"), "x", 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_FAILED);
  g_assert_cmpstr(heard.detail, ==,
                  "the brain was killed by signal 9: it wrote nothing to standard error");
  heard_clear(&heard);
}

/* A last line without an end counts, control characters are shown. */
static void test_half_line(void)
{
  Heard heard;
  ask(PYTHON("import sys; sys.stderr.write('bad \\x1b[31mend'); sys.exit(1)"), "x", 10000, &heard);
  g_assert_cmpstr(heard.detail, ==, "the brain ended with code 1: bad \\x1b[31mend");
  heard_clear(&heard);
}

static void test_too_long(void)
{
  Heard heard;
  ask(PYTHON("import os\nwhile True: os.write(1, b'x' * 65536)"), "x", 10000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_FAILED);
  g_assert_cmpstr(heard.detail, ==, "the answer is longer than 1048576 bytes");
  heard_clear(&heard);
}

/* Gone, or a zombie: who reaps it is not our business. A process that was killed may take a moment
 * to die. */
static bool is_dead(pid_t pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid), *stat = NULL;
  return !g_file_get_contents(path, &stat, NULL, NULL) || strstr(stat, ") Z") ||
         strstr(stat, ") X");
}

/* The time limit ends the whole group, also a child that the brain waits for. */
static void test_timeout(void)
{
  Heard heard;
  g_autofree char *path = g_build_filename(g_get_tmp_dir(), "reeve-test-brain-XXXXXX", NULL);
  int fd = g_mkstemp(path);
  g_assert_cmpint(fd, >=, 0);
  g_autofree char *code = g_strdup_printf("sleep 1000 & echo $! > '%s'; wait", path);
  const char *const argv[] = {"/bin/sh", "-c", code, NULL};
  int64_t before = clock_boot_ms();
  ask(argv, "x", 1000, &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_TIMED_OUT);
  g_assert_cmpstr(heard.detail, ==, "no answer within 1000 ms; the brain was stopped");
  g_assert_cmpint(clock_boot_ms() - before, >=, 1000);
  heard_clear(&heard);
  g_autofree char *pid_text = NULL;
  g_assert_true(g_file_get_contents(path, &pid_text, NULL, NULL));
  pid_t pid = (pid_t)g_ascii_strtoll(pid_text, NULL, 10);
  g_assert_cmpint(pid, >, 1);
  int64_t until = clock_boot_ms() + DEADLINE_MS;
  while (!is_dead(pid))
    g_assert_cmpint(clock_boot_ms(), <, until);
  close(fd);
  g_unlink(path);
}

/* What the brain leaves behind in its group does not hold up the answer. */
static void test_left_behind(void)
{
  Heard heard;
  int64_t before = clock_boot_ms();
  ask(PYTHON("import subprocess; subprocess.Popen(['sleep', '1000']); print('done')"), "x", 15000,
      &heard);
  g_assert_cmpint(heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(heard.text->str, ==, "done");
  g_assert_cmpint(clock_boot_ms() - before, <, 10000);
  heard_clear(&heard);
}

static void test_no_program(void)
{
  const char *const argv[] = {"/nonexistent/brain", NULL};
  AgentFile file = {.llm_command = (char **)(uintptr_t)argv};
  BrainWorld world = {.loop = loop_new(), .file = &file};
  g_autoptr(GPtrArray) messages = conversation("x");
  BrainRequest question = {.messages = messages, .timeout_ms = 1000};
  g_autoptr(GError) error = NULL;
  g_assert_null(command_brain.start(&world, &question, &listener, NULL, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_FAILED);
  g_assert_cmpstr(error->message, ==,
                  "start brain '/nonexistent/brain': No such file or directory");
  loop_free(world.loop);
}

static void quit(void *data)
{
  loop_stop(data);
}

static void test_cancel(void)
{
  const char *const argv[] = {"sleep", "1000", NULL};
  AgentFile file = {.llm_command = (char **)(uintptr_t)argv};
  Heard heard = {.loop = loop_new()};
  BrainWorld world = {.loop = heard.loop, .file = &file};
  g_autoptr(GPtrArray) messages = conversation("x");
  BrainRequest question = {.messages = messages, .timeout_ms = 60000};
  BrainCall *call = command_brain.start(&world, &question, &listener, &heard, NULL);
  g_assert_nonnull(call);
  command_brain.cancel(call);
  LoopTimer *timer = loop_timer_new(heard.loop, quit, heard.loop);
  /* long enough for its end to be noticed; nothing may be heard of it */
  loop_timer_set(timer, clock_boot_ms() + 300);
  loop_run(heard.loop);
  g_assert_cmpint(heard.calls, ==, 0);
  errno = 0;
  g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1); /* it was reaped */
  g_assert_cmpint(errno, ==, ECHILD);
  loop_timer_free(timer);
  loop_free(heard.loop);
}

static void test_find(void)
{
  g_assert_true(brain_find("command") == &command_brain);
  g_assert_null(brain_find("telepathy"));
  g_assert_null(brain_find(NULL));
}

/* What validate knows of providers is what there is. */
static void test_providers(void)
{
  g_autofree char *known = g_strjoinv(", ", (char **)(uintptr_t)agent_llm_providers);
  g_assert_cmpstr(known, ==, brain_providers());
  for (size_t i = 0; agent_llm_providers[i]; i++)
    g_assert_nonnull(brain_find(agent_llm_providers[i]));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/brain/hold", test_hold);
  g_test_add_func("/brain/answer", test_answer);
  g_test_add_func("/brain/long", test_long);
  g_test_add_func("/brain/unread", test_unread);
  g_test_add_func("/brain/environment", test_environment);
  g_test_add_func("/brain/long-conversation", test_long_conversation);
  g_test_add_func("/brain/deltas", test_deltas);
  g_test_add_func("/brain/exit-code", test_exit_code);
  g_test_add_func("/brain/half-line", test_half_line);
  g_test_add_func("/brain/too-long", test_too_long);
  g_test_add_func("/brain/timeout", test_timeout);
  g_test_add_func("/brain/left-behind", test_left_behind);
  g_test_add_func("/brain/no-program", test_no_program);
  g_test_add_func("/brain/cancel", test_cancel);
  g_test_add_func("/brain/find", test_find);
  g_test_add_func("/brain/providers", test_providers);
  return g_test_run();
}
