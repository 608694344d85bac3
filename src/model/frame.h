#pragma once
/* Frames of the server-node protocol (docs/protocol.md), version 2: one JSON object each, {"type":
 * ..., ...}. The two ends share these structs only; the link between them (memory, unix socket,
 * later WebSocket) carries text. Unknown fields are ignored, an unknown type parses as
 * FRAME_UNKNOWN and is answered with FRAME_UNKNOWN_TYPE. */
#include "model/instance_spec.h"
#include "model/limits.h"
#include "model/states.h"

enum { PROTOCOL_VERSION = 2 };

/*        enum            word            direction */
#define FRAME_TYPES(X)                                                                             \
  X(UNKNOWN, "?")                                                                                  \
  X(HELLO, "hello")               /* node: who I am, my boot, all instances that I hold */         \
  X(LIST, "list")                 /* node: what follows hello when that says that there is more */ \
  X(HEARTBEAT, "heartbeat")       /* node: alive; capacity */                                      \
  X(REPORT, "report")             /* node: instances[] as they are now */                          \
  X(RESERVED, "reserved")         /* node: answer to reserve */                                    \
  X(LOG_DATA, "log-data")         /* node, bulk: records of a log request */                       \
  X(SECRET_READ, "secret-read")   /* node: the secrets of @instance for its generation @request */ \
  X(LOG_END, "log-end")           /* node: no more records, or why not */                          \
  X(EXEC_DATA, "exec-data")       /* node, bulk: what a command wrote */                           \
  X(EXEC_END, "exec-end")         /* node: the command has ended, or why it could not run */       \
  X(UNKNOWN_TYPE, "unknown-type") /* both: I do not know the type that you sent */                 \
  X(WELCOME, "welcome")           /* server: accepted; lease, heartbeat interval, term */          \
  X(REFUSE, "refuse") /* server: not yours, and why: nothing else follows on this link */          \
  X(RELIST, "relist") /* server: say hello again, with all that you hold */                        \
  X(HEARTBEAT_ACK, "heartbeat-ack") /* server */                                                   \
  X(RESERVE, "reserve")             /* server: bind these ports, check these commands */           \
  X(RELEASE, "release")             /* server: give the ports of a reserve back */                 \
  X(START, "start")   /* server: instances[] run, each with epoch, generation, spec */             \
  X(STOP, "stop")     /* server: instances[] stop */                                               \
  X(FORGET, "forget") /* server: instances[] and all their files go */                             \
  X(PEERS, "peers")   /* server: new peers file of an instance */                                  \
  X(SECRETS,                                                                                       \
    "secrets") /* server: @data: {"KEY": "value"} for @instance and @request, or @error */         \
  X(LOG_READ, "log-read")       /* server: open a log request */                                   \
  X(LOG_CREDIT, "log-credit")   /* server: so many more bulk frames of a request */                \
  X(LOG_CANCEL, "log-cancel")   /* server */                                                       \
  X(EXEC, "exec")               /* server: run a command in the environment of an instance */      \
  X(EXEC_CREDIT, "exec-credit") /* server: so many more bulk frames of a command */                \
  X(EXEC_CANCEL, "exec-cancel") /* server: nobody waits for it any more: end it */

typedef enum FrameType {
#define X(id, word) FRAME_##id,
  FRAME_TYPES(X)
#undef X
      FRAME_N
} FrameType;

/* How a process ended. code -1 and signal 0: not ended (yet). */
typedef struct ExitStatus {
  int code;   /* 0..255, or -1 */
  int signal; /* 1..64, or 0 */
} ExitStatus;

/* One instance as the node sees it (hello, report). */
typedef struct InstanceReport {
  char *id;
  int64_t epoch;
  int64_t generation;
  InstanceState state;
  Health health;
  int attempt;  /* starts in this epoch and generation, from 1; 0 = none yet */
  int restarts; /* in a row, resets after the stable period */
  int64_t pid;  /* of the main process, 0 = none */
  int port;
  ExitStatus last_exit;
  int64_t since_ms; /* wall: when state or health last changed */
  /* why it is in this state: "exit status 3", "no answer on port 9001 ..."; may be NULL */
  char *reason;
  /* limits that it asks for and its node cannot enforce, "memory cpu"; NULL = none */
  char *unenforced;
  char *output; /* last lines of output when an attempt failed, at most 4 KiB; may be NULL */
  char *peers;  /* hello: instance_peers_digest of what its peers file says; NULL = not told */
} InstanceReport;

/* One instance in an instruction (reserve, start, stop, forget, peers). */
typedef struct Instruction {
  char *id;
  int64_t epoch;
  int64_t generation;
  InstanceSpec *spec; /* start: owned; reserve: argv[0], working_dir, user, port only; else NULL */
  /* reserve: spec->port may not be replaced; else the node may choose another from @port_base
   * upwards */
  bool port_fixed;
  char *peers; /* peers: JSON text */
} Instruction;

/* Answer to a reserve for one instance. */
typedef struct Reservation {
  char *id;
  int port;    /* bound, 0 = none wanted */
  char *error; /* NULL = fine; else "port 9001 is in use by pid 4711 (nginx)" */
} Reservation;

typedef struct Frame {
  FrameType type;
  /* of the server (every server frame): a node refuses a lower one; hello: the highest that the
   * node has obeyed */
  int64_t term;
  char *node;        /* hello: node id */
  char *name;        /* hello: host name */
  char *boot_id;     /* hello */
  char *incarnation; /* hello: of the node's state directory, see model/identity.h */
  /* hello: id of the store that what it holds belongs to; welcome, refuse: of the server */
  char *store;
  char *version; /* hello, welcome: Reeve's version, for people */
  char *cgroups; /* hello: what limits are enforced with, for people */
  /* hello: limits that the node cannot enforce, "memory cpu pids" or some of them; NULL = none */
  char *unenforced;
  int64_t protocol;               /* hello, welcome */
  int64_t seq;                    /* heartbeat, heartbeat-ack; list: 1, 2, ... behind its hello */
  int64_t more;                   /* hello, list: 1 = a list frame with further reports follows */
  int64_t lease_ms, heartbeat_ms; /* welcome */
  int64_t request;         /* reserve, reserved, release; log-*, exec*: chosen by the server */
  int port_base;           /* reserve: first automatic port */
  GPtrArray *reports;      /* of InstanceReport* (hello, list, report) */
  GPtrArray *instructions; /* of Instruction* (reserve, start, stop, forget, peers) */
  GPtrArray *reservations; /* of Reservation* (reserved) */
  char *instance;          /* log-read, exec: instance id */
  int64_t since_ms;        /* log-read: wall, 0 = from the beginning */
  int64_t tail;            /* log-read: only the last so many records, -1 = all */
  bool follow;             /* log-read */
  int64_t credit; /* log-read, log-credit, exec, exec-credit: bulk frames that may be sent */
  /* log-data: lines in the format of the log files; exec-data: base64; unknown-type: the type */
  char *data;
  char *error;                    /* log-end, exec-end, refuse: why, or NULL */
  char **argv;                    /* exec: NULL-terminated */
  char *stream;                   /* exec-data: "stdout", "stderr" */
  int64_t timeout_ms;             /* exec: 0 = none; exec-end: it was over after so long */
  int64_t exit_code, exit_signal; /* exec-end; without error */
} Frame;

/* A frame with nothing in it. Caller frees. */
Frame *frame_new(FrameType type);
/* With its texts overwritten, since there may be secrets in it. NULL is fine. */
void frame_free(Frame *frame);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Frame, frame_free)
/* Of an instance that has not started; the id is copied. Caller frees, or a frame does. */
InstanceReport *instance_report_new(const char *id);
InstanceReport *instance_report_copy(const InstanceReport *report);
/* NULL is fine, also for the others below. */
void instance_report_free(InstanceReport *report);
/* Without a spec; the id is copied. Caller frees, or a frame does. */
Instruction *instruction_new(const char *id, int64_t epoch, int64_t generation);
void instruction_free(Instruction *instruction);
/* Texts are copied; @error NULL = it has @port. Caller frees, or a frame does. */
Reservation *reservation_new(const char *id, int port, const char *error);
void reservation_free(Reservation *reservation);

/* The frame as one line of JSON without line end; caller frees. */
char *frame_write(const Frame *frame);
/* Parses @length bytes (at most FRAME_BYTES_MAX). NULL with REEVE_ERROR_USAGE or
 * REEVE_ERROR_INVALID that names the field. */
Frame *frame_parse(const char *text, size_t length, GError **error);
const char *frame_type_word(FrameType type);

/* @frame as lines of about @page_bytes (0 = FRAME_PAGE_BYTES) at most, unless one item needs more:
 * of char*, caller unrefs. Reports of a hello go on in list frames; instructions and reports in
 * further frames of the same type. Frames that are answered as one (reserve) are never split. */
GPtrArray *frame_pages(const Frame *frame, size_t page_bytes);

/* The other end of frame_pages: a hello of which further pages are on their way. Zeroed it is
 * empty. Bounded: what all pages of a hello have together is at most FRAME_LIST_BYTES_MAX. */
typedef struct FrameJoin {
  Frame *hello; /* NULL = none is expected */
  size_t bytes; /* of the pages that came */
} FrameJoin;
/* Takes the next frame of a link, @length bytes long (owned). Returns what there is to handle,
 * owned by the caller: the hello when all of it is there, a frame of another type as it came. NULL
 * while pages are missing; also with REEVE_ERROR_INVALID, when @frame does not follow what came
 * before it or the hello is too long: nothing is left of it then, and the link should end, so that
 * the node begins again. A page that comes twice changes nothing. */
Frame *frame_join_feed(FrameJoin *join, Frame *frame, size_t length, GError **error);
/* Empty again; a new hello does the same. */
void frame_join_clear(FrameJoin *join);
