/* The release queue: order, waiting of what could have seen the uncommitted, refusal after a failed
 * commit, bounds. */
#include "base/error.h"
#include "core/release.h"

#include <string.h>

static GString *left; /* what left, in order: reply codes and ids */

static void leave(Effects *effects, void *data)
{
  (void)data;
  g_assert_cmpuint(effects->records->len, ==, 0);
  for (guint i = 0; i < effects->messages->len; i++)
    g_string_append_printf(left, "m%s ", ((const Message *)effects->messages->pdata[i])->frame);
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = effects->replies->pdata[i];
    g_string_append_printf(left, "r%" G_GUINT64_FORMAT ":%d ", reply->to,
                           reply->code < 0 ? reply->status : reply->code + 1000);
  }
  effects_free(effects);
}

static Effects *turn(uint64_t token, guint records)
{
  Effects *effects = effects_new();
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.to = token, .code = -1, .status = 200, .body = g_strdup("{}")};
  g_ptr_array_add(effects->replies, reply);
  for (guint i = 0; i < records; i++) {
    Record *record = record_new(TABLE_META);
    record_text(record, META_KEY, "k");
    g_ptr_array_add(effects->records, record);
  }
  if (records) {
    Message *message = g_new0(Message, 1);
    message->node = g_strdup("local");
    message->of_link = token % 2; /* as instructions are */
    message->frame = g_strdup_printf("%" G_GUINT64_FORMAT, token);
    g_ptr_array_add(effects->messages, message);
  }
  return effects;
}

static void assert_left(const char *text)
{
  g_assert_cmpstr(left->str, ==, text);
  g_string_truncate(left, 0);
}

static void test_order(void)
{
  left = g_string_new(NULL);
  ReleaseQueue *queue = release_new(leave, NULL);
  release_add(queue, turn(1, 0));
  assert_left("r1:200 "); /* it saw nothing uncommitted */
  g_assert_true(release_idle(queue));
  release_add(queue, turn(2, 1));
  release_add(queue, turn(3, 0)); /* a read behind a change waits with it */
  g_assert_true(release_ready(queue));
  assert_left("");
  g_assert_cmpuint(release_take(queue)->len, ==, 1);
  release_add(queue, turn(4, 0));
  /* one batch at a time, and nothing to store in the open one */
  g_assert_false(release_ready(queue));
  release_add(queue, turn(5, 2));
  g_assert_false(release_ready(queue));
  assert_left("");
  release_committed(queue);
  assert_left("m2 r2:200 r3:200 ");
  g_assert_true(release_ready(queue));
  g_assert_cmpuint(release_take(queue)->len, ==, 2);
  release_add(queue, turn(6, 0));
  release_committed(queue);
  assert_left("r4:200 m5 r5:200 r6:200 ");
  g_assert_true(release_idle(queue));
  release_free(queue);
  g_string_free(left, TRUE);
}

static void test_failed_commit(void)
{
  left = g_string_new(NULL);
  ReleaseQueue *queue = release_new(leave, NULL);
  release_add(queue, turn(1, 1));
  release_take(queue);
  release_add(queue, turn(2, 1));
  release_add(queue, turn(3, 0));
  release_failed(queue, REEVE_ERROR_STORE_FULL, "no room");
  g_autofree char *wanted =
      g_strdup_printf("r1:%d r2:%d r3:%d ", 1000 + REEVE_ERROR_STORE_FULL,
                      1000 + REEVE_ERROR_STORE_FULL, 1000 + REEVE_ERROR_STORE_FULL);
  assert_left(wanted); /* no message: nothing of it ever happened */
  g_assert_true(release_idle(queue));
  release_add(queue, turn(4, 1));
  release_take(queue);
  release_committed(queue);
  assert_left("m4 r4:200 ");
  release_free(queue);
  g_string_free(left, TRUE);
}

/* What waits for a commit while its node comes back over a new link: instructions of the former
 * link never leave, the rest does. */
static void test_new_link(void)
{
  left = g_string_new(NULL);
  ReleaseQueue *queue = release_new(leave, NULL);
  release_add(queue, turn(1, 1));
  release_take(queue);
  release_add(queue, turn(2, 1));
  release_add(queue, turn(3, 1));
  release_new_link(queue, "other");
  release_new_link(queue, "local");
  release_add(queue, turn(5, 1)); /* of the hello itself */
  release_committed(queue);
  assert_left("r1:200 ");
  release_take(queue);
  release_committed(queue);
  assert_left("m2 r2:200 r3:200 m5 r5:200 ");
  release_free(queue);
  g_string_free(left, TRUE);
}

static void test_bound(void)
{
  left = g_string_new(NULL);
  ReleaseQueue *queue = release_new(leave, NULL);
  release_add(queue, turn(1, 1));
  g_assert_false(release_full(queue));
  Effects *big = turn(2, 1);
  g_autofree char *text = g_strnfill(RELEASE_BYTES_MAX, 'x');
  record_text(big->records->pdata[0], META_VALUE, text);
  release_add(queue, big);
  g_assert_true(release_full(queue));
  release_take(queue);
  g_assert_false(release_full(queue));
  release_free(queue); /* with a batch under way and nothing left */
  assert_left("");
  g_string_free(left, TRUE);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/release/order", test_order);
  g_test_add_func("/release/failed-commit", test_failed_commit);
  g_test_add_func("/release/new-link", test_new_link);
  g_test_add_func("/release/bound", test_bound);
  return g_test_run();
}
