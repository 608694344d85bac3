/* Frames that are too long for one line go as several, and are whole again at the other end. */
#include "base/error.h"
#include "model/frame.h"

#include <string.h>

enum { PAGE = 4000 };

/* A hello with @n reports, each with @output bytes of output. */
static Frame *hello_of(guint n, size_t output)
{
  Frame *hello = frame_new(FRAME_HELLO);
  hello->node = g_strdup("local");
  hello->boot_id = g_strdup("boot");
  hello->protocol = PROTOCOL_VERSION;
  for (guint i = 0; i < n; i++) {
    g_autofree char *id = g_strdup_printf("ins_%06u", i);
    InstanceReport *report = instance_report_new(id);
    report->generation = i;
    report->output = g_strnfill(output, 'x');
    g_ptr_array_add(hello->reports, report);
  }
  return hello;
}

static Frame *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  Frame *frame = frame_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return frame;
}

static void assert_same(const Frame *a, const Frame *b)
{
  g_assert_cmpuint(a->reports->len, ==, b->reports->len);
  for (guint i = 0; i < a->reports->len; i++) {
    const InstanceReport *x = a->reports->pdata[i], *y = b->reports->pdata[i];
    g_assert_cmpstr(x->id, ==, y->id);
    g_assert_cmpint(x->generation, ==, y->generation);
    g_assert_cmpstr(x->output, ==, y->output);
  }
}

/* All of @pages, one after another: the hello comes out with the last and not before. */
static Frame *join_all(const GPtrArray *pages)
{
  FrameJoin join = {0};
  Frame *whole = NULL;
  for (guint i = 0; i < pages->len; i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(whole);
    whole = frame_join_feed(&join, parse(pages->pdata[i]), strlen(pages->pdata[i]), &error);
    g_assert_no_error(error);
  }
  g_assert_nonnull(whole);
  g_assert_null(join.hello);
  return whole;
}

static void join_waits(FrameJoin *join, const char *page, size_t length)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(frame_join_feed(join, parse(page), length, &error));
  g_assert_no_error(error);
}

static void join_refused(FrameJoin *join, const char *page, size_t length, const char *why)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(frame_join_feed(join, parse(page), length, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_cmpstr(error->message, ==, why);
}

static void test_short_ones_stay_whole(void)
{
  g_autoptr(Frame) hello = hello_of(3, 10);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  g_autofree char *whole = frame_write(hello);
  g_assert_cmpuint(pages->len, ==, 1);
  g_assert_cmpstr(pages->pdata[0], ==, whole);
}

static void test_hello_is_whole_again(void)
{
  static const guint sizes[] = {2, 30, 31, 500};
  for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
    g_autoptr(Frame) hello = hello_of(sizes[k], 2500);
    g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
    g_assert_cmpuint(pages->len, >, 1);
    g_autoptr(Frame) first = parse(pages->pdata[0]);
    g_assert_cmpint(first->type, ==, FRAME_HELLO);
    g_assert_cmpint(first->more, ==, 1);
    for (guint i = 1; i < pages->len; i++) {
      g_assert_cmpuint(strlen(pages->pdata[i]), <=, PAGE);
      g_autoptr(Frame) page = parse(pages->pdata[i]);
      g_assert_cmpint(page->type, ==, FRAME_LIST);
    }
    g_autoptr(Frame) whole = join_all(pages);
    g_assert_cmpint(whole->more, ==, 0);
    g_assert_cmpstr(whole->node, ==, "local");
    assert_same(hello, whole);
  }
}

static void test_page_twice(void)
{
  g_autoptr(Frame) hello = hello_of(10, 2500);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE), twice = g_ptr_array_new();
  for (guint i = 0; i < pages->len; i++) {
    g_ptr_array_add(twice, pages->pdata[i]);
    if (i > 0 && i + 1 < pages->len) /* behind the last one the hello is handed out */
      g_ptr_array_add(twice, pages->pdata[i]);
  }
  g_autoptr(Frame) whole = join_all(twice);
  assert_same(hello, whole);
}

static void test_page_missing(void)
{
  g_autoptr(Frame) hello = hello_of(10, 2500);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  FrameJoin join = {0};
  join_waits(&join, pages->pdata[0], 100);
  join_waits(&join, pages->pdata[1], 100);
  join_refused(&join, pages->pdata[3], 100, "a page is missing");
  join_refused(&join, pages->pdata[2], 100, "no hello before it"); /* it is gone */
  join_waits(&join, pages->pdata[0], 100);
  frame_join_clear(&join);
}

static void test_list_without_hello(void)
{
  g_autoptr(Frame) hello = hello_of(3, 2500);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  FrameJoin join = {0};
  join_refused(&join, pages->pdata[1], 100, "no hello before it");
  g_autoptr(Frame) whole = join_all(pages); /* and one that is over expects nothing more */
  g_assert_nonnull(whole);
  join_refused(&join, pages->pdata[2], 100, "no hello before it");
}

/* A second hello is a new beginning, also of what is counted. */
static void test_too_long(void)
{
  g_autoptr(Frame) hello = hello_of(10, 2500);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  FrameJoin join = {0};
  join_waits(&join, pages->pdata[0], FRAME_LIST_BYTES_MAX);
  join_waits(&join, pages->pdata[0], FRAME_LIST_BYTES_MAX - 100);
  join_waits(&join, pages->pdata[1], 100);
  join_refused(&join, pages->pdata[2], 1, "it is too long");
  join_refused(&join, pages->pdata[0], (size_t)FRAME_LIST_BYTES_MAX + 1, "it is too long");
  g_assert_null(join.hello);
}

static void test_others_pass(void)
{
  g_autoptr(Frame) hello = hello_of(3, 2500);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  FrameJoin join = {0};
  join_waits(&join, pages->pdata[0], 100);
  g_autoptr(Frame) beat = frame_join_feed(&join, frame_new(FRAME_HEARTBEAT), 100, NULL);
  g_assert_cmpint(beat->type, ==, FRAME_HEARTBEAT);
  join_waits(&join, pages->pdata[1], 100);
  frame_join_clear(&join);
}

/* One item that is longer than a page by itself has one of its own. */
static void test_long_items(void)
{
  g_autoptr(Frame) hello = hello_of(3, 2 * (size_t)PAGE);
  g_autoptr(GPtrArray) pages = frame_pages(hello, PAGE);
  g_assert_cmpuint(pages->len, ==, 3);
}

static void test_instructions(void)
{
  g_autoptr(Frame) stop = frame_new(FRAME_STOP);
  stop->term = 7;
  for (int i = 0; i < 1000; i++)
    g_ptr_array_add(stop->instructions, instruction_new("ins_000001", 1, i));
  g_autoptr(GPtrArray) pages = frame_pages(stop, PAGE);
  g_assert_cmpuint(pages->len, >, 1);
  int64_t next = 0;
  for (guint i = 0; i < pages->len; i++) {
    g_autoptr(Frame) page = parse(pages->pdata[i]);
    g_assert_cmpint(page->type, ==, FRAME_STOP);
    g_assert_cmpint(page->term, ==, 7);
    for (guint k = 0; k < page->instructions->len; k++)
      g_assert_cmpint(((const Instruction *)page->instructions->pdata[k])->generation, ==, next++);
  }
  g_assert_cmpint(next, ==, 1000);
}

/* Its answer is about all of it. */
static void test_reserve_is_never_split(void)
{
  g_autoptr(Frame) reserve = frame_new(FRAME_RESERVE);
  for (int i = 0; i < 1000; i++)
    g_ptr_array_add(reserve->instructions, instruction_new("ins_000001", 1, i));
  g_autoptr(GPtrArray) pages = frame_pages(reserve, PAGE);
  g_assert_cmpuint(pages->len, ==, 1);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pages/short", test_short_ones_stay_whole);
  g_test_add_func("/pages/hello", test_hello_is_whole_again);
  g_test_add_func("/pages/twice", test_page_twice);
  g_test_add_func("/pages/missing", test_page_missing);
  g_test_add_func("/pages/list-without-hello", test_list_without_hello);
  g_test_add_func("/pages/too-long", test_too_long);
  g_test_add_func("/pages/others", test_others_pass);
  g_test_add_func("/pages/long-items", test_long_items);
  g_test_add_func("/pages/instructions", test_instructions);
  g_test_add_func("/pages/reserve", test_reserve_is_never_split);
  return g_test_run();
}
