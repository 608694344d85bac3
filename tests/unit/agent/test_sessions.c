/* Histories of sessions: what they keep, and every way in which they forget. */
#include "agent/sessions.h"

#include <string.h>

static GPtrArray *said(const char *question, const char *answer)
{
  GPtrArray *messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, question));
  g_ptr_array_add(messages, message_new(ROLE_ASSISTANT, answer));
  return messages;
}

static void add(Sessions *sessions, const char *id, const char *question, const char *answer,
                int64_t now_ms)
{
  g_autoptr(GPtrArray) messages = said(question, answer);
  sessions_add(sessions, id, messages, now_ms);
}

static const char *text_at(const GPtrArray *history, guint i)
{
  return ((const Message *)g_ptr_array_index(history, i))->text;
}

static void test_order(void)
{
  Sessions *sessions = sessions_new();
  g_assert_null(sessions_get(sessions, "a", 1));
  add(sessions, "a", "q1", "a1", 1);
  add(sessions, "b", "other", "one", 2);
  add(sessions, "a", "q2", "a2", 3);
  const GPtrArray *history = sessions_get(sessions, "a", 4);
  g_assert_cmpuint(history->len, ==, 4);
  g_assert_cmpstr(text_at(history, 0), ==, "q1");
  g_assert_cmpstr(text_at(history, 3), ==, "a2");
  g_assert_cmpint(sessions_count(sessions), ==, 2);
  g_assert_true(sessions_remove(sessions, "a"));
  g_assert_false(sessions_remove(sessions, "a"));
  g_assert_null(sessions_get(sessions, "a", 5));
  sessions_free(sessions);
}

/* Twenty messages; an answer whose question is gone goes too. */
static void test_messages(void)
{
  Sessions *sessions = sessions_new();
  for (int i = 0; i < 30; i++) {
    g_autofree char *question = g_strdup_printf("q%d", i);
    add(sessions, "a", question, "a", i);
  }
  const GPtrArray *history = sessions_get(sessions, "a", 40);
  g_assert_cmpuint(history->len, ==, SESSION_MESSAGES_MAX);
  g_assert_cmpstr(text_at(history, 0), ==, "q20");
  g_autoptr(GPtrArray) odd = said("last", "one");
  g_ptr_array_add(odd, message_new(ROLE_ASSISTANT, "and another"));
  sessions_add(sessions, "a", odd, 41);
  history = sessions_get(sessions, "a", 42);
  g_assert_cmpuint(history->len, ==, 19);
  g_assert_cmpint(((const Message *)g_ptr_array_index(history, 0))->role, ==, ROLE_USER);
  g_assert_cmpstr(text_at(history, 0), ==, "q22");
  sessions_free(sessions);
}

static void test_bytes(void)
{
  Sessions *sessions = sessions_new();
  g_autofree char *third = g_strnfill(SESSION_BYTES_MAX / 3, 'x'),
                  *all = g_strnfill(SESSION_BYTES_MAX + 1, 'y');
  for (int i = 0; i < 5; i++)
    add(sessions, "a", third, "a", i);
  /* two questions and their answers, the third is too much */
  g_assert_cmpuint(sessions_get(sessions, "a", 9)->len, ==, 4);
  add(sessions, "a", "short", all, 10);
  /* its question went, and what followed it */
  g_assert_cmpuint(sessions_get(sessions, "a", 11)->len, ==, 0);
  add(sessions, "a", "q", "a", 12);
  g_assert_cmpuint(sessions_get(sessions, "a", 13)->len, ==, 2);
  sessions_free(sessions);
}

static void test_time(void)
{
  Sessions *sessions = sessions_new();
  add(sessions, "a", "q", "a", 0);
  add(sessions, "b", "q", "a", 1000);
  g_assert_nonnull(sessions_get(sessions, "a", SESSION_TTL_MS - 1)); /* and lives on from now */
  g_assert_null(sessions_get(sessions, "b", SESSION_TTL_MS + 1000));
  g_assert_nonnull(sessions_get(sessions, "a", SESSION_TTL_MS + 1000));
  g_assert_cmpint(sessions_count(sessions), ==, 1);
  sessions_free(sessions);
}

/* The one that was quiet for longest makes room. */
static void test_many(void)
{
  Sessions *sessions = sessions_new();
  for (int i = 0; i <= SESSIONS_MAX; i++) {
    g_autofree char *id = g_strdup_printf("s%d", i);
    add(sessions, id, "q", "a", i);
    g_assert_nonnull(sessions_get(sessions, "s0", i));
  }
  g_assert_cmpint(sessions_count(sessions), ==, SESSIONS_MAX);
  g_assert_nonnull(sessions_get(sessions, "s0", 200));
  g_assert_null(sessions_get(sessions, "s1", 200));
  g_assert_nonnull(sessions_get(sessions, "s2", 200));
  sessions_free(sessions);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sessions/order", test_order);
  g_test_add_func("/sessions/messages", test_messages);
  g_test_add_func("/sessions/bytes", test_bytes);
  g_test_add_func("/sessions/time", test_time);
  g_test_add_func("/sessions/many", test_many);
  return g_test_run();
}
