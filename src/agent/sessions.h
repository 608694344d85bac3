#pragma once
/* What was said in each session, in memory: bounded, and forgotten an hour after the last word. */
#include "agent/message.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  SESSIONS_MAX = 100, /* the one that was quiet for longest makes room */
  SESSION_MESSAGES_MAX = 20,
  SESSION_BYTES_MAX = 64 * 1024, /* the oldest messages go */
  SESSION_TTL_MS = 3600 * 1000
};

typedef struct Sessions Sessions;

Sessions *sessions_new(void);
void sessions_free(Sessions *sessions);
/* What was said in session @id: Message* in order, a user's first; NULL = nothing, or too long ago.
 * Borrowed until the next call. */
const GPtrArray *sessions_get(Sessions *sessions, const char *id, int64_t now_ms);
/* Adds @said (of Message*; its content is moved out of it) at the end of session @id, which begins
 * if there is none. */
void sessions_add(Sessions *sessions, const char *id, GPtrArray *said, int64_t now_ms);
/* Forgets session @id; false when there is none. */
bool sessions_remove(Sessions *sessions, const char *id);
int sessions_count(const Sessions *sessions);
