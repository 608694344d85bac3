#pragma once
/* The control core: a state machine. core_apply is the only way its state changes; it reads no
 * clock, draws no randomness, does no I/O. The real server and the simulator drive the same code.
 * What it wants done comes back as Effects, which leave only through the release queue (release.h).
 */
#include "base/time.h"
#include "model/frame.h"
#include "model/job.h"
#include "model/record.h"

typedef struct Core Core;

typedef struct CoreConfig {
  int64_t lease_ms;     /* a node not heard of so long is silent; default 35,000 */
  int64_t lost_ms;      /* ... and after this lost; default 60,000 */
  int64_t heartbeat_ms; /* default 10,000 */
  int64_t unknown_ms; /* an instance that no record explains is ended after this; default 60,000 */
  int port_base;      /* first automatic port; default 8100 */
  /* an automatic port that something else holds fails the rollout, instead of the next one being
   * taken */
  bool ports_fixed;
  const char *version; /* for welcome frames */
  size_t page_bytes;   /* of frames to nodes, see frame_pages; 0 = the default */
} CoreConfig;

typedef enum CommandType {
  COMMAND_DEPLOY,   /* a new revision; a new deployment when the name is new */
  COMMAND_DOWN,     /* stop everything of a deployment in reverse stage order */
  COMMAND_RESTART,  /* all agents or one, in stage order */
  COMMAND_CANCEL,   /* the open rollout of a deployment */
  COMMAND_ROLLBACK, /* to revision @number */
  COMMAND_SCALE,    /* @agent of a deployment to @number replicas: a new revision */
  COMMAND_RUN,      /* a scheduled @agent of a deployment, now */
  /* @source_name, a program, is about to run beside a replica: only noted in the audit trail */
  COMMAND_EXEC,
  COMMAND_FORGET,        /* a stopped deployment and its logs go */
  COMMAND_TOKEN_CREATE,  /* @token */
  COMMAND_TOKEN_REVOKE,  /* @token->name */
  COMMAND_SECRET_SET,    /* @secret */
  COMMAND_SECRET_REMOVE, /* @secret->name */
  /* the node of @instance was given its secrets, the newest of them of @version */
  COMMAND_SECRETS_GIVEN,
  COMMAND_REGISTER,     /* an agent of @deployment tells the registry of itself: @registration */
  COMMAND_DEREGISTER,   /* it takes itself out: @registration->id */
  COMMAND_NOTICE_TRIED, /* webhook @notice was posted: @delivered or not */
  COMMAND_NODE_FRAME,   /* hello, heartbeat, report, reserved */
  COMMAND_NODE_GONE,    /* its link broke */
  COMMAND_TICK,         /* the wake-up that the core asked for, or any time */
  COMMAND_N
} CommandType;

/* What is asked about a token. */
typedef struct TokenAsk {
  const char *name;
  Role role;
  const char *hash;    /* SHA-256 of the token, 64 hex digits: all that is ever stored of it */
  const char *shown;   /* the token itself, for the reply only */
  int64_t lifetime_ms; /* 0 = for ever */
} TokenAsk;

/* What is asked about a secret. The core holds the sealed text only. */
typedef struct SecretAsk {
  const char *name;
  const char *sealed; /* ciphertext as text, at most SECRET_SEALED_MAX bytes */
} SecretAsk;
enum { TOKENS_MAX = 250, SECRETS_MAX = 1000, SECRET_SEALED_MAX = 96 * 1024 };

/* What an agent says of itself. */
typedef struct RegistrationAsk {
  const char *id;   /* as it names itself */
  int port;         /* of its URL; 0 = that names none */
  const char *said; /* JSON object for Registration.said, at most REGISTRY_SAID_MAX bytes */
} RegistrationAsk;

/* All pointers are borrowed for the duration of core_apply. */
typedef struct Command {
  CommandType type;
  uint64_t reply_to;      /* token of the waiting request, 0 = nobody waits */
  const char *actor;      /* "uid:1000", "node:local": who, for the audit trail */
  const char *deployment; /* name or id: all but deploy and node commands */
  const char *agent;      /* restart: NULL = all; exec */
  int number;     /* rollback: revision, 0 = the one before; scale: replicas; exec: replica */
  const Job *job; /* deploy: resolved */
  /* deploy: file name and text as the user wrote it; job_json its resolved form */
  const char *source_name, *source;
  const char *job_json;
  const char *plan; /* deploy: refused unless core_plan_id still says so; NULL = do not ask */
  bool replace;     /* deploy: cancel the open rollout first */
  bool rolling;     /* restart: as gently as an update */
  /* node commands: node id (authenticated by the link, not read from the frame) */
  const char *node;
  const Frame *frame;
  const TokenAsk *token;
  const SecretAsk *secret;
  const RegistrationAsk *registration;
  const char *instance; /* secrets-given: id */
  int64_t version;
  const char *notice; /* id */
  bool delivered;
} Command;

/* One line to one node. */
typedef struct Message {
  char *node;
  char *frame; /* JSON text */
  /* an instruction: it means nothing over a later link, whose hello makes the core say anew what
   * holds */
  bool of_link;
} Message;

/* Something that watchers may want to know. @data: a JSON object. Types: deployment, rollout,
 * instance, node, webhook. */
typedef struct Event {
  char *type;
  char *deployment; /* name, NULL for node events */
  char *object;     /* id */
  char *data;
} Event;

typedef struct Reply {
  uint64_t to;
  int code;   /* -1 = success, else a ReeveError */
  int status; /* HTTP status on success: 200, 202 */
  char *body; /* success: JSON object; else the detail of the problem document */
} Reply;

/* Everything one turn wants. Freed by effects_clear / effects_free; release.h takes ownership of
 * the contents. */
typedef struct Effects {
  GPtrArray *records;  /* of Record* */
  GPtrArray *messages; /* of Message* */
  GPtrArray *events;   /* of Event* */
  GPtrArray *replies;  /* of Reply* */
  int64_t wake_at_ms;  /* boot clock; INT64_MAX = no need */
} Effects;
/* Empty, without a wake-up. Caller frees. */
Effects *effects_new(void);
/* With everything that is left in it; NULL is fine. */
void effects_free(Effects *effects);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Effects, effects_free)
/* NULL is fine, also in the two that follow. */
void core_message_free(Message *message);
void event_free_(Event *event); /* libevent owns the name event_free */
void reply_free(Reply *reply);

/* A core without objects, term 1. @config is copied; NULL, and members that are 0, stand for the
 * defaults. Caller frees. */
Core *core_new(const CoreConfig *config);
/* With all its objects; NULL is fine. Not inside core_apply. */
void core_free(Core *core);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Core, core_free)

/* Applies @command at @now and appends what follows to @effects (wake_at_ms is overwritten).
 * Refusals are replies, not errors: the state is then unchanged. */
void core_apply(Core *core, const Command *command, Now now, Effects *effects);

/* How often a node shows that it lives. */
int64_t core_heartbeat_ms(const Core *core);
/* The term of this server: every frame to a node carries it, and a node refuses a lower one. */
int64_t core_term(const Core *core);

/* Feeds one stored row during load. @values as in the table; borrowed. Rows come in table order. */
bool core_load_row(Core *core, TableId table, const Value *values, GError **error);
/* After the last row: links objects, clamps stored deadlines to what is left (started_at,
 * duration), starts every liveness deadline anew. Effects may hold events and the wake-up, never
 * records. */
void core_load_done(Core *core, Now now, Effects *effects);
/* Text of everything stored, sorted by id: equal for a core and for the fold of its records. Caller
 * frees. */
char *core_dump(const Core *core);
