/* Log requests over rotating files: everything once and in order, by credit, from the right place
 * on, and on as it grows. */
#include "base/clock.h"
#include "base/fs.h"
#include "drivers/process.h"
#include "node/logs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

/* As much of a node as logs need, and what it sent. */
typedef struct Rig {
  Node node;
  char *directory; /* of the instance */
  GString *text;   /* of all data frames */
  guint frames;
  bool ended;
  char *error;
  size_t wanted; /* stops the loop once so many bytes are there */
  LoopTimer *late;
} Rig;

static void rig_sent(const char *text, void *data)
{
  Rig *rig = data;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  g_assert_nonnull(frame);
  g_assert_cmpint(frame->request, ==, 5);
  if (frame->type == FRAME_LOG_DATA) {
    g_assert_cmpuint(strlen(frame->data), <=, BULK_BYTES_MAX);
    g_string_append(rig->text, frame->data);
    rig->frames++;
  } else {
    g_assert_cmpint(frame->type, ==, FRAME_LOG_END);
    rig->ended = true;
    rig->error = g_strdup(frame->error);
  }
  if (rig->wanted && rig->text->len >= rig->wanted)
    loop_stop(rig->node.loop);
}

static void rig_is_late(void *data)
{
  g_error("not within %d ms: %s", WAIT_MS, (const char *)data);
}

static void rig_init(Rig *rig)
{
  *rig = (Rig){.text = g_string_new(NULL)};
  rig->node.loop = loop_new();
  rig->node.instances_dir = g_dir_make_tmp("reeve-logs-XXXXXX", NULL);
  rig->node.send = rig_sent;
  rig->node.send_data = rig;
  DriverWorld world = {.loop = rig->node.loop,
                       .state_dir = rig->node.instances_dir,
                       .instances_dir = rig->node.instances_dir};
  rig->node.driver = driver_open(&process_driver, &world, NULL);
  rig->node.logs = node_logs_new(&rig->node);
  rig->directory = g_build_filename(rig->node.instances_dir, "ins_00000a", NULL);
  rig->late = loop_timer_new(rig->node.loop, rig_is_late, (void *)(uintptr_t) "more of the log");
  g_assert_true(fs_mkdirs(rig->directory, 0755, NULL));
}

static void rig_done(Rig *rig)
{
  node_logs_free(rig->node.logs);
  process_driver.close(rig->node.driver);
  loop_timer_free(rig->late);
  loop_free(rig->node.loop);
  fs_remove_tree(rig->node.instances_dir, NULL);
  g_free(rig->node.instances_dir);
  g_free(rig->directory);
  g_free(rig->error);
  g_string_free(rig->text, TRUE);
}

/* Runs the loop until so many bytes came in all. */
static void rig_wait(Rig *rig, size_t bytes)
{
  rig->wanted = bytes;
  loop_timer_set(rig->late, clock_boot_ms() + WAIT_MS);
  if (rig->text->len < bytes)
    loop_run(rig->node.loop);
  loop_timer_set(rig->late, INT64_MAX);
  rig->wanted = 0;
}

/* Lines "n" of @from..@to as one log file. */
static void rig_write(Rig *rig, const char *name, int from, int to)
{
  g_autofree char *path = g_build_filename(rig->directory, name, NULL);
  g_autoptr(GString) text = g_string_new(NULL);
  for (int i = from; i <= to; i++)
    g_string_append_printf(text, "2026-01-01T00:00:%02d.000Z stdout F line %d\n", i % 60, i);
  FILE *file = fopen(path, "ae");
  g_assert_true(file && fwrite(text->str, 1, text->len, file) == text->len);
  fclose(file);
}

static void rig_move(Rig *rig, const char *from, const char *to)
{
  g_autofree char *a = g_build_filename(rig->directory, from, NULL),
                  *b = g_build_filename(rig->directory, to, NULL);
  g_assert_cmpint(rename(a, b), ==, 0);
}

static void rig_read(Rig *rig, int64_t tail, int64_t since_ms, bool follow, int64_t credit)
{
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_READ);
  frame->request = 5;
  frame->instance = g_strdup("ins_00000a");
  frame->tail = tail;
  frame->since_ms = since_ms;
  frame->follow = follow;
  frame->credit = credit;
  node_logs_frame(rig->node.logs, frame);
}

static void rig_credit(Rig *rig, int64_t credit)
{
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_CREDIT);
  frame->request = 5;
  frame->credit = credit;
  node_logs_frame(rig->node.logs, frame);
}

static void rig_has(const Rig *rig, int from, int to)
{
  g_auto(GStrv) lines = g_strsplit(rig->text->str, "\n", -1);
  g_assert_cmpint((int)g_strv_length(lines) - 1, ==, to - from + 1);
  for (int i = from; i <= to; i++) {
    g_autofree char *wanted = g_strdup_printf(" line %d", i);
    g_assert_true(g_str_has_suffix(lines[i - from], wanted));
  }
}

static void test_oldest_first(void)
{
  Rig rig;
  rig_init(&rig);
  for (int age = 4; age > 0; age--) {
    g_autofree char *name = g_strdup_printf("log.%d", age);
    rig_write(&rig, name, (4 - age) * 10, (4 - age) * 10 + 9);
  }
  rig_write(&rig, "log", 40, 49);
  rig_read(&rig, -1, 0, false, 100);
  g_assert_true(rig.ended);
  g_assert_null(rig.error);
  rig_has(&rig, 0, 49);
  rig_done(&rig);
}

static void test_by_credit(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log.1", 0, 999);
  rig_write(&rig, "log", 1000, 1999);
  rig_read(&rig, -1, 0, false, 0);
  g_assert_cmpuint(rig.frames, ==, 0);
  rig_credit(&rig, 2);
  g_assert_cmpuint(rig.frames, ==, 2);
  g_assert_false(rig.ended);
  rig_credit(&rig, 1000);
  g_assert_true(rig.ended);
  rig_has(&rig, 0, 1999);
  rig_done(&rig);
}

static void test_tail(void)
{
  static const int wanted[][2] = {{1, 49},  {5, 45}, {10, 40}, {11, 39},
                                  {25, 25}, {50, 0}, {500, 0}};
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
    Rig rig;
    rig_init(&rig);
    rig_write(&rig, "log.2", 0, 29);
    rig_write(&rig, "log.1", 30, 39);
    rig_write(&rig, "log", 40, 49);
    rig_read(&rig, wanted[i][0], 0, false, 100);
    g_assert_true(rig.ended);
    rig_has(&rig, wanted[i][1], 49);
    rig_done(&rig);
  }
}

/* Appends a record of @stream, "F" or "P". */
static void rig_record(Rig *rig, const char *name, const char *stream, const char *text)
{
  g_autofree char *path = g_build_filename(rig->directory, name, NULL);
  FILE *file = fopen(path, "ae");
  g_assert_true(file && fprintf(file, "2026-01-01T00:00:00.000Z %s %s\n", stream, text) > 0);
  fclose(file);
}

/* Of a line that was written in parts the tail has all parts, also those in the file before;
 * another stream's words end a line. */
static void test_tail_counts_lines_not_parts(void)
{
  g_autofree char *long_part = g_strnfill(8192, 'x');
  static const char *const wanted[] = {"stdout F eight", "stdout P seven-a", "stderr F six",
                                       "stdout P five",  "stdout F four",    "stdout P three-a",
                                       "stdout P one-a"};
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
    Rig rig;
    rig_init(&rig);
    rig_record(&rig, "log.1", "stdout P", "one-a");
    for (int k = 0; k < 20; k++)
      rig_record(&rig, "log.1", "stdout P", long_part);
    rig_record(&rig, "log.1", "stdout F", "one-b");
    rig_record(&rig, "log.1", "stdout P", "three-a");
    rig_record(&rig, "log", "stdout F", "three-b");
    rig_record(&rig, "log", "stdout F", "four");
    rig_record(&rig, "log", "stdout P", "five");
    rig_record(&rig, "log", "stderr F", "six");
    rig_record(&rig, "log", "stdout P", "seven-a");
    rig_record(&rig, "log", "stdout F", "seven-b");
    rig_record(&rig, "log", "stdout F", "eight");
    rig_read(&rig, (int64_t)i + 1, 0, false, 1000);
    g_assert_true(rig.ended);
    g_autofree char *begin = g_strconcat("2026-01-01T00:00:00.000Z ", wanted[i], "\n", NULL);
    if (!g_str_has_prefix(rig.text->str, begin))
      g_error("the last %zu lines begin '%.60s', wanted '%s'", i + 1, rig.text->str, wanted[i]);
    g_assert_true(g_str_has_suffix(rig.text->str, " eight\n"));
    rig_done(&rig);
  }
}

static void test_tail_of_nothing(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log", 0, 9);
  rig_read(&rig, 0, 0, false, 100);
  g_assert_true(rig.ended);
  g_assert_cmpuint(rig.text->len, ==, 0);
  rig_done(&rig);
}

static void test_since(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log.1", 0, 29);
  rig_write(&rig, "log", 30, 49);
  rig_read(&rig, -1, time_parse_iso("2026-01-01T00:00:35Z"), false, 100);
  g_assert_true(rig.ended);
  rig_has(&rig, 35, 49);
  rig_done(&rig);
}

static void test_follows_over_rotations(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log", 0, 9);
  rig_read(&rig, -1, 0, true, 100);
  rig_has(&rig, 0, 9);
  size_t line = rig.text->len / 10;
  rig_write(&rig, "log", 10, 19);
  rig_wait(&rig, line * 10 + (line + 1) * 10);
  rig_move(&rig, "log", "log.1"); /* the moment between: no file is called log */
  rig_credit(&rig, 1);
  rig_has(&rig, 0, 19);
  rig_write(&rig, "log", 20, 29);
  rig_wait(&rig, line * 10 + (line + 1) * 20);
  rig_has(&rig, 0, 29);
  rig_move(&rig, "log.1", "log.2");
  rig_move(&rig, "log", "log.1");
  rig_write(&rig, "log", 30, 39);
  rig_wait(&rig, line * 10 + (line + 1) * 30);
  rig_has(&rig, 0, 39);
  g_assert_false(rig.ended);
  rig_done(&rig);
}

static void test_follows_what_is_not_there_yet(void)
{
  Rig rig;
  rig_init(&rig);
  rig_read(&rig, -1, 0, true, 100);
  rig_write(&rig, "log", 10, 19);
  rig_wait(&rig, 10 * strlen("2026-01-01T00:00:10.000Z stdout F line 10\n"));
  rig_has(&rig, 10, 19);
  rig_done(&rig);
}

static void test_rotated_away_under_a_slow_reader(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log", 0, 1999);
  rig_read(&rig, -1, 0, false, 1);
  g_autofree char *path = g_build_filename(rig.directory, "log", NULL);
  g_assert_cmpint(unlink(path), ==, 0);
  rig_write(&rig, "log.4", 5000, 5009);
  rig_write(&rig, "log", 6000, 6009);
  rig_credit(&rig, 1000);
  g_assert_true(rig.ended);
  g_assert_nonnull(strstr(rig.text->str, " line 1999\n"));
  g_assert_true(g_str_has_suffix(rig.text->str, " line 6009\n"));
  g_assert_nonnull(strstr(rig.text->str, " line 5000\n"));
  rig_done(&rig);
}

static void test_no_byte_does_harm(void)
{
  Rig rig;
  rig_init(&rig);
  g_autofree char *path = g_build_filename(rig.directory, "log", NULL);
  g_autofree char *long_line = g_strnfill(3 * BULK_BYTES_MAX, 'y');
  g_autofree char *text = g_strdup_printf("a%cb\n%s\nno end", 1, long_line);
  text[1] = '\0';
  g_assert_true(g_file_set_contents(path, text, (gssize)(4 + strlen(long_line) + 1 + 6), NULL));
  rig_read(&rig, -1, 0, false, 100);
  g_assert_true(rig.ended);
  g_assert_true(g_str_has_prefix(rig.text->str, "a?b\nyyy"));
  g_assert_cmpuint(rig.text->len, ==, 4 + 3 * BULK_BYTES_MAX + 1);
  rig_done(&rig);
}

static void test_refused(void)
{
  Rig rig;
  rig_init(&rig);
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_READ);
  frame->request = 5;
  frame->instance = g_strdup("../../etc");
  frame->credit = 10;
  node_logs_frame(rig.node.logs, frame);
  g_assert_true(rig.ended);
  g_assert_nonnull(rig.error);
  rig_credit(&rig, 10); /* of a request that is over: nothing happens */
  rig_done(&rig);
}

static void test_cancelled(void)
{
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log", 0, 1999);
  rig_read(&rig, -1, 0, true, 1);
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_CANCEL);
  frame->request = 5;
  node_logs_frame(rig.node.logs, frame);
  rig_credit(&rig, 100);
  g_assert_cmpuint(rig.frames, ==, 1);
  g_assert_false(rig.ended);
  rig_done(&rig);
}

/* Many lines before the wanted time are looked through in several turns, and others of the loop
 * come between. */
static void test_since_takes_turns(void)
{
  enum { LINES = 60000 };
  Rig rig;
  rig_init(&rig);
  rig_write(&rig, "log", 1, LINES);
  rig_read(&rig, -1, 1893456000000, false, 10); /* 2030 */
  g_assert_false(rig.ended);
  loop_timer_set(rig.late, clock_boot_ms() + WAIT_MS);
  int turns = 0;
  for (; !rig.ended; turns++)
    event_base_loop(loop_base(rig.node.loop), EVLOOP_ONCE);
  g_assert_cmpint(turns, >=, 5);
  g_assert_null(rig.error);
  g_assert_cmpuint(rig.frames, ==, 0);
  rig_done(&rig);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/logs/oldest-first", test_oldest_first);
  g_test_add_func("/logs/by-credit", test_by_credit);
  g_test_add_func("/logs/tail", test_tail);
  g_test_add_func("/logs/tail-counts-lines", test_tail_counts_lines_not_parts);
  g_test_add_func("/logs/tail-of-nothing", test_tail_of_nothing);
  g_test_add_func("/logs/since", test_since);
  g_test_add_func("/logs/since-takes-turns", test_since_takes_turns);
  g_test_add_func("/logs/follows-over-rotations", test_follows_over_rotations);
  g_test_add_func("/logs/follows-what-is-not-there-yet", test_follows_what_is_not_there_yet);
  g_test_add_func("/logs/rotated-away", test_rotated_away_under_a_slow_reader);
  g_test_add_func("/logs/no-byte-does-harm", test_no_byte_does_harm);
  g_test_add_func("/logs/refused", test_refused);
  g_test_add_func("/logs/cancelled", test_cancelled);
  return g_test_run();
}
