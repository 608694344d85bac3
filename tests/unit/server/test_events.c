/* The ring of events: numbering, resuming, forgetting the oldest, filtering. */
#include "server/events.h"

static void ring_add(EventRing *ring, const char *deployment, const char *data)
{
  Event event = {.type = (char *)"instance",
                 .deployment = (char *)deployment,
                 .object = (char *)"ins_000001",
                 .data = (char *)data};
  event_ring_add(ring, &event);
}

static void test_text(void)
{
  EventRing *ring = event_ring_new("abc.1", 4);
  Event event = {.type = (char *)"node", .object = (char *)"local", .data = (char *)"{\"x\":1}"};
  g_assert_cmpstr(event_ring_add(ring, &event), ==,
                  "event: node\nid: abc.1-1\ndata: {\"x\":1}\n\n");
  g_autofree char *id = event_ring_id(ring);
  g_assert_cmpstr(id, ==, "abc.1-1");
  g_assert_cmpint(event_ring_last(ring), ==, 1);
  event_ring_free(ring);
}

static void test_resume(void)
{
  EventRing *ring = event_ring_new("abc.1", 4);
  /* a snapshot of an empty ring can be resumed */
  g_assert_cmpint(event_ring_resume(ring, "abc.1-0"), ==, 0);
  for (int i = 1; i <= 6; i++)
    ring_add(ring, "desk", "{}");
  g_assert_cmpint(event_ring_resume(ring, "abc.1-6"), ==, 6);
  g_assert_cmpint(event_ring_resume(ring, "abc.1-3"), ==, 3);
  /* 3, 4, 5, 6 are there: nothing is missed */
  g_assert_cmpint(event_ring_resume(ring, "abc.1-2"), ==, 2);
  g_assert_cmpint(event_ring_resume(ring, "abc.1-1"), ==, -1); /* 2 is gone */
  g_assert_cmpint(event_ring_resume(ring, "abc.1-7"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, "abc.2-6"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, "abc.16"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, "abc.1-"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, "abc.1--1"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, "abc.1-99999999999999999999"), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, ""), ==, -1);
  g_assert_cmpint(event_ring_resume(ring, NULL), ==, -1);
  event_ring_free(ring);
}

static void test_wrap_and_filter(void)
{
  EventRing *ring = event_ring_new("r", 3);
  ring_add(ring, "a", "1");
  ring_add(ring, "b", "2");
  ring_add(ring, NULL, "3");
  ring_add(ring, "a", "4");
  g_assert_null(event_ring_at(ring, 1, NULL));
  g_assert_cmpstr(event_ring_at(ring, 2, NULL), ==, "event: instance\nid: r-2\ndata: 2\n\n");
  g_assert_nonnull(event_ring_at(ring, 2, "b"));
  g_assert_null(event_ring_at(ring, 2, "a"));
  g_assert_null(event_ring_at(ring, 3, "a"));
  g_assert_nonnull(event_ring_at(ring, 3, NULL));
  g_assert_cmpstr(event_ring_at(ring, 4, "a"), ==, "event: instance\nid: r-4\ndata: 4\n\n");
  g_assert_null(event_ring_at(ring, 5, NULL));
  g_assert_null(event_ring_at(ring, 0, NULL));
  event_ring_free(ring);
}

/* Past events lie packed in blocks: each one that the ring promises comes back as it was, whatever
 * order they are read in. */
static void test_blocks(void)
{
  enum { SIZE = 1000 };
  EventRing *ring = event_ring_new("r", SIZE);
  for (int i = 1; i <= 3 * SIZE + 7; i++) {
    g_autofree char *data = g_strdup_printf("{\"n\":%d,\"pad\":\"%.*s\"}", i, i % 50,
                                            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    ring_add(ring, i % 3 ? "desk" : NULL, data);
  }
  gint64 last = event_ring_last(ring);
  g_assert_cmpint(last, ==, 3 * SIZE + 7);
  g_assert_null(event_ring_at(ring, last - SIZE, NULL));
  for (int k = 0; k < SIZE; k++) {
    gint64 seq = last - SIZE + 1 + k * 7 % SIZE;
    g_autofree char *data = g_strdup_printf("{\"n\":%d,\"pad\":\"%.*s\"}", (int)seq, (int)seq % 50,
                                            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    g_autofree char *want =
        g_strdup_printf("event: instance\nid: r-%d\ndata: %s\n\n", (int)seq, data);
    g_assert_cmpstr(event_ring_at(ring, seq, NULL), ==, want);
    g_assert_true((event_ring_at(ring, seq, "desk") != NULL) == (seq % 3 != 0));
  }
  event_ring_free(ring);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/server/events/text", test_text);
  g_test_add_func("/server/events/resume", test_resume);
  g_test_add_func("/server/events/wrap-and-filter", test_wrap_and_filter);
  g_test_add_func("/server/events/blocks", test_blocks);
  return g_test_run();
}
