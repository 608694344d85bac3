#pragma once
/* A2A (agent to agent) in its two living versions: 0.3 ("message/send", "working", "kind") and 1.0
 * ("SendMessage", "TASK_STATE_WORKING", wrappers). A request is read into A2aCall whatever its
 * version (a2a_read.c), a task is kept once (a2a_tasks.c) and written in the version of whoever
 * asks (a2a_write.c); door_a2a.c joins them with the asks. */
#include "base/json.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  A2A_ID_BYTES_MAX = 128,
  A2A_PAGE_DEFAULT = 50,
  A2A_PAGE_MAX = 100,
  A2A_TASKS_MAX = 1000,                  /* kept, running ones included */
  A2A_TEXT_BYTES_MAX = 64 * 1024 * 1024, /* of all kept tasks */
  /* a message that comes again within it is the same, later it is a new one */
  A2A_RETRY_MS = 60 * 1000,
  A2A_EXPIRE_MS = 60 * 60 * 1000 /* after its end a task is kept for so long */
};

typedef enum A2aVersion { A2A_0_3, A2A_1_0 } A2aVersion;

typedef enum A2aMethod {
  A2A_SEND,
  A2A_STREAM,
  A2A_GET,
  A2A_LIST,
  A2A_CANCEL,
  A2A_SUBSCRIBE,
  A2A_PUSH,         /* any of push notification configurations: not offered */
  A2A_EXTENDED_CARD /* not offered */
} A2aMethod;

/* state, 0.3 word, 1.0 word, is it the end */
#define A2A_STATES(X)                                      \
  X(SUBMITTED, "submitted", "TASK_STATE_SUBMITTED", false) \
  X(WORKING, "working", "TASK_STATE_WORKING", false)       \
  X(COMPLETED, "completed", "TASK_STATE_COMPLETED", true)  \
  X(FAILED, "failed", "TASK_STATE_FAILED", true)           \
  X(CANCELED, "canceled", "TASK_STATE_CANCELED", true)     \
  X(REJECTED, "rejected", "TASK_STATE_REJECTED", true)

typedef enum A2aState {
#define X(id, old, new, ends) A2A_##id,
  A2A_STATES(X)
#undef X
      A2A_STATE_N
} A2aState;

/* ---- a2a_state.c ---- */

/* The word that @version has for @state; static. */
const char *a2a_state_word(A2aState state, A2aVersion version);
/* Is it the end of a task? */
bool a2a_state_ends(A2aState state);

/* Codes of JSON-RPC and of A2A; the rows with their reasons are in a2a_write.c. */
enum {
  A2A_PARSE = -32700,
  A2A_INVALID_REQUEST = -32600,
  A2A_NO_METHOD = -32601,
  A2A_INVALID_PARAMS = -32602,
  A2A_INTERNAL = -32603,
  A2A_TASK_NOT_FOUND = -32001,
  A2A_NOT_CANCELABLE = -32002,
  A2A_PUSH_NOT_SUPPORTED = -32003,
  A2A_UNSUPPORTED = -32004,
  A2A_CONTENT_TYPE = -32005,
  A2A_NO_EXTENDED_CARD = -32007,
  A2A_VERSION = -32009
};

/* ---- a2a_read.c ---- */

typedef struct A2aCall {
  A2aVersion version; /* of the spelling of the method */
  A2aMethod method;
  char *id; /* of the request, as JSON text; "null" when it has none that counts */
  /* send and stream */
  char *text; /* of the message: its text parts, and data parts as JSON */
  char *message_id, *context_id;
  bool blocking; /* answer when the task has ended */
  /* all but list */
  char *task_id;
  int64_t history; /* at most so many messages; -1 = all */
  /* list; context_id too */
  int state; /* A2aState or -1 */
  int64_t page_size, after_ms;
  char *page_token;
  bool artifacts;
} A2aCall;

typedef struct A2aFault {
  int code; /* 0 = none */
  char *message;
} A2aFault;

/* Reads a request body. @version_header: of A2A-Version, or NULL. Always fills @call
 * (a2a_call_clear frees) as far as it came, so that an error can carry its id. False with @fault
 * set (a2a_fault_clear frees). */
bool a2a_read(const char *bytes, size_t length, const char *version_header, A2aCall *call,
              A2aFault *fault);
void a2a_call_clear(A2aCall *call);
/* Sets @fault to @code and a message. */
void a2a_fault(A2aFault *fault, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
void a2a_fault_clear(A2aFault *fault);

/* ---- a2a_tasks.c ---- */

typedef struct A2aTask {
  char *id, *context_id, *message_id;
  char *text;      /* what the user said */
  GString *answer; /* as far as it came */
  char *detail;    /* why it failed or was rejected, else NULL */
  A2aState state;
  int64_t changed_ms;  /* wall clock */
  int64_t ended_ms;    /* boot clock; 0 = not yet */
  size_t kept_bytes;   /* counted in the store */
  void *ask;           /* Ask* while it is open */
  GPtrArray *watchers; /* of A2aWatch*; door_a2a.c */
  void *owner;         /* Agent*; door_a2a.c */
  GList link;          /* in the store, most recently changed first */
} A2aTask;

typedef struct A2aTasks A2aTasks;
/* None yet; a2a_tasks_free frees them. */
A2aTasks *a2a_tasks_new(void);
/* Every task must have ended or been abandoned: their asks are not touched. */
void a2a_tasks_free(A2aTasks *tasks);
/* A new task in state submitted; NULL when all that are kept still run. Ended tasks that are too
 * old or too many are forgotten first. */
A2aTask *a2a_tasks_add(A2aTasks *tasks, const A2aCall *call, int64_t now_boot_ms,
                       int64_t now_wall_ms);
/* NULL when there is none (any more). */
A2aTask *a2a_tasks_find(A2aTasks *tasks, const char *id, int64_t now_boot_ms);
/* The task that this very message made: the client sends it again because it lost the answer. Only
 * tasks that ended less than A2A_RETRY_MS ago, for some clients count their messages from 1 again.
 */
A2aTask *a2a_tasks_find_message(A2aTasks *tasks, const A2aCall *call, int64_t now_boot_ms);
/* Moves @task; a state that ends it is the last. Counts what it holds now. */
void a2a_tasks_move(A2aTasks *tasks, A2aTask *task, A2aState state, int64_t now_boot_ms,
                    int64_t now_wall_ms);
/* The first (most recently changed) and the one after @task, or NULL. */
A2aTask *a2a_tasks_first(A2aTasks *tasks);
A2aTask *a2a_tasks_next(A2aTask *task);
/* How many are kept. */
guint a2a_tasks_count(const A2aTasks *tasks);

/* ---- a2a_write.c: all append to @out ---- */

typedef struct A2aShown {
  A2aVersion version;
  int64_t history; /* -1 = all */
  bool artifacts;
} A2aShown;

/* {"jsonrpc":"2.0","id":@id,"result": and the closing brace. */
void a2a_begin(GString *out, const char *id);
void a2a_end(GString *out);
void a2a_write_error(GString *out, const char *id, A2aVersion version, const A2aFault *fault);
/* A task as such; with @wrapped as the result of sending or the event of a stream has it
 * ({"task":...} in 1.0). */
void a2a_write_task(GString *out, const A2aTask *task, A2aShown shown, bool wrapped);
/* Events of a stream. */
void a2a_write_status(GString *out, const A2aTask *task, A2aVersion version);
void a2a_write_piece(GString *out, const A2aTask *task, A2aVersion version, const char *text,
                     size_t length, bool append, bool last);
/* The result of listing: a page of what fits @call. Its token is the id of the task that it ended
 * with. */
void a2a_write_list(GString *out, A2aTasks *tasks, const A2aCall *call);
