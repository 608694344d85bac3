/* Owns the histories of sessions: a table by name and a queue by last use. */
#include "agent/sessions.h"

typedef struct Session {
  char *id;
  GPtrArray *messages;
  size_t bytes;
  int64_t used_at_ms;
  GList link; /* in Sessions.by_use */
} Session;

struct Sessions {
  GHashTable *by_id;
  GQueue by_use; /* longest quiet first */
};

static void session_free(void *data)
{
  Session *session = data;
  g_ptr_array_unref(session->messages);
  g_free(session->id);
  g_free(session);
}

Sessions *sessions_new(void)
{
  Sessions *sessions = g_new0(Sessions, 1);
  sessions->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, session_free);
  g_queue_init(&sessions->by_use);
  return sessions;
}

void sessions_free(Sessions *sessions)
{
  if (!sessions)
    return;
  g_hash_table_unref(sessions->by_id);
  g_free(sessions);
}

static void session_drop(Sessions *sessions, Session *session)
{
  g_queue_unlink(&sessions->by_use, &session->link);
  g_hash_table_remove(sessions->by_id, session->id);
}

static void sessions_expire(Sessions *sessions, int64_t now_ms)
{
  Session *oldest;
  while ((oldest = g_queue_peek_head(&sessions->by_use)) &&
         oldest->used_at_ms + SESSION_TTL_MS <= now_ms)
    session_drop(sessions, oldest);
}

static void session_use(Sessions *sessions, Session *session, int64_t now_ms)
{
  session->used_at_ms = now_ms;
  g_queue_unlink(&sessions->by_use, &session->link);
  g_queue_push_tail_link(&sessions->by_use, &session->link);
}

const GPtrArray *sessions_get(Sessions *sessions, const char *id, int64_t now_ms)
{
  sessions_expire(sessions, now_ms);
  Session *session = g_hash_table_lookup(sessions->by_id, id);
  if (!session)
    return NULL;
  session_use(sessions, session, now_ms);
  return session->messages;
}

static Session *session_begin(Sessions *sessions, const char *id)
{
  while (g_hash_table_size(sessions->by_id) >= SESSIONS_MAX)
    session_drop(sessions, g_queue_peek_head(&sessions->by_use));
  Session *session = g_new0(Session, 1);
  session->id = g_strdup(id);
  session->messages = messages_new();
  session->link.data = session;
  g_hash_table_insert(sessions->by_id, session->id, session);
  g_queue_push_tail_link(&sessions->by_use, &session->link);
  return session;
}

/* An answer without its question would only puzzle the model: what is left begins with a user. */
static void session_trim(Session *session)
{
  while (session->messages->len) {
    const Message *first = g_ptr_array_index(session->messages, 0);
    bool fits =
        session->messages->len <= SESSION_MESSAGES_MAX && session->bytes <= SESSION_BYTES_MAX;
    if (fits && first->role == ROLE_USER)
      return;
    session->bytes -= message_bytes(first);
    g_ptr_array_remove_index(session->messages, 0);
  }
}

void sessions_add(Sessions *sessions, const char *id, GPtrArray *said, int64_t now_ms)
{
  sessions_expire(sessions, now_ms);
  Session *session = g_hash_table_lookup(sessions->by_id, id);
  if (!session)
    session = session_begin(sessions, id);
  session_use(sessions, session, now_ms);
  while (said->len) {
    Message *message = g_ptr_array_steal_index(said, 0);
    session->bytes += message_bytes(message);
    g_ptr_array_add(session->messages, message);
  }
  session_trim(session);
}

bool sessions_remove(Sessions *sessions, const char *id)
{
  Session *session = g_hash_table_lookup(sessions->by_id, id);
  if (session)
    session_drop(sessions, session);
  return session != NULL;
}

int sessions_count(const Sessions *sessions)
{
  return (int)g_hash_table_size(sessions->by_id);
}
