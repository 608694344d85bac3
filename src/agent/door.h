#pragma once
/* What the doors share. A door is one protocol in one file: rows of paths (DoorRow), how it says no
 * (DoorRefuse), and how it says an answer (ReplyShape). doors.c joins the rows and is called by no
 * door; a new door is a file and a line there. */
#include "agent/ask.h"
#include "agent/internal.h"
#include "base/json.h"

enum {
  DOOR_BODY_MAX = 8 * 1024 * 1024, /* of one request: a long conversation is sent whole each time */
  DOOR_MESSAGES_MAX = 1000,        /* in one request */
  /* bytes that a stream's reader leaves behind before its brain is held back, until none is left */
  DOOR_BACKLOG_HIGH = 256 * 1024,
  /* and what it may leave behind where that does not help; more ends the stream */
  DOOR_BACKLOG_MAX = 4 * 1024 * 1024,
  /* how long it may take nothing at all; idle_timeout of the file where that is less */
  DOOR_STALL_MS = 60 * 1000,
  DOOR_SESSION_BYTES_MAX = 128,
  DOOR_CONTEXT_BYTES_MAX = 64 * 1024,
  /* a stream that says nothing for so long gives a sign of life, at the latest after twice that */
  DOOR_ALIVE_MS = 5000,
  DOOR_ID_BYTES = 25 /* of door_id, with NUL */
};

/* Answers @request with the status, word, title and detail of @no, in the protocol's own shape.
 * Headers are set already. */
typedef void (*DoorRefuse)(HttpRequest *request, const AskResult *no);

typedef struct DoorRow {
  /* a path that ends in '/' takes everything below it, "/" only itself */
  const char *method, *path;
  /* @rest: what came after a path that ends in '/' */
  void (*open)(Agent *agent, HttpRequest *request, const char *rest);
  DoorRefuse refuse;
  bool is_public; /* open without a key */
} DoorRow;

typedef struct DoorRows {
  const DoorRow *rows;
  size_t n;
} DoorRows;

extern const DoorRows prompt_rows, ollama_rows, openai_rows, a2a_rows;

/* What the doors keep between requests. */
typedef struct DoorKeys DoorKeys;
typedef struct A2aTasks A2aTasks;
struct Doors {
  DoorKeys *keys;
  A2aTasks *tasks;
};

/* ---- door_answer.c ---- */

/* How many agents the question in @request passed through, 0..PEER_DEPTH_MAX (peers.h): its header
 * X-Reeve-Depth, which agents send when they ask agents. What is no such number counts as the most.
 * For AskSpec.depth. */
int door_depth(const HttpRequest *request);

/* Answers with @json. */
void door_reply(HttpRequest *request, int status, const char *json, size_t length);
/* Refuses with @refuse; the texts are borrowed. */
void door_refuse(DoorRefuse refuse, HttpRequest *request, int status, const char *word,
                 const char *title, const char *detail);
/* The same with all that a result tells, Retry-After too. */
void door_refuse_result(DoorRefuse refuse, HttpRequest *request, const AskResult *no);
/* A problem document (RFC 9457): how the doors of our own refuse. */
void door_refuse_problem(HttpRequest *request, const AskResult *no);
/* The members of a problem document. */
void door_problem_members(GString *out, const AskResult *no);
/* 24 random hex digits and NUL. */
void door_id(char out[DOOR_ID_BYTES]);
/* Usage as members "prompt_tokens", "completion_tokens" (null = unknown), "rounds", "tool_calls".
 */
void door_usage(GString *out, const AskUsage *usage);

/* As OpenAI and Ollama refuse (door_openai.c, door_ollama.c). */
void openai_refuse(HttpRequest *request, const AskResult *no);
void ollama_refuse(HttpRequest *request, const AskResult *no);
/* GET /.well-known/agent-card.json (door_a2a_card.c): one document that clients of A2A 0.3 and
 * of 1.0 understand. */
void door_open_a2a_card(Agent *agent, HttpRequest *request, const char *rest);

/* door_body.c: reading of bodies. */
typedef enum DoorType {
  DOOR_TEXT,
  DOOR_SESSION,
  DOOR_FLAG,
  DOOR_REAL,
  DOOR_INT,
  DOOR_OBJECT
} DoorType;
typedef struct DoorMember {
  const char *name; /* NULL ends the table */
  DoorType type;
  bool required;      /* a required text is not empty */
  double least, most; /* of numbers */
} DoorMember;
/* Everything that is wrong with @body as an object with only @members, in one line; NULL = nothing.
 * Null members count as absent. */
char *door_body_check(const json_t *body, const DoorMember *members);
/* The body of @request as an object, or NULL with @wrong (caller frees). */
json_t *door_body(const HttpRequest *request, char **wrong);
/* Temperature, top_p and the most tokens, where @from has them under these names; null is absent,
 * and a limit below 1 is none. false with
 * @wrong (caller frees) when one is no number. */
bool door_options(AskOptions *options, const json_t *from, const char *max_tokens, char **wrong);
/* Is member @name of @body true, false, null or absent? */
bool door_is_flag(const json_t *body, const char *name);
/* The messages of a chat in @list, at least one, in the manner of Ollama and OpenAI: content is
 * text or a list of parts; "developer" counts as system, "function" as tool. What is no text (an
 * image) is refused in what is said now, from the last message of a user on, and before that a note
 * stands in its place. Returns NULL with @wrong. */
GPtrArray *door_messages(const json_t *list, char **wrong);

/* door_reader.c: does the reader of a stream keep up? */
typedef enum DoorPace {
  DOOR_PACE_SLOW, /* it left more than DOOR_BACKLOG_HIGH behind */
  DOOR_PACE_GOOD, /* it took all of that */
  /* it took nothing for too long, or left more than DOOR_BACKLOG_MAX behind: give it up */
  DOOR_PACE_STUCK,
} DoorPace;
/* Told of every change; may end the stream. */
typedef void (*DoorPaceFn)(DoorPace pace, void *data);
typedef struct DoorReader {
  HttpRequest *request;
  DoorPaceFn fn;
  void *data;
  LoopTimer *timer; /* while it is slow */
  int64_t stall_ms;
  size_t unread; /* when it was last looked at */
  bool slow;
} DoorReader;
/* Begins to look at what the reader of @request leaves behind, and tells @fn. @data outlives
 * @reader. */
void door_reader_init(DoorReader *reader, const Agent *agent, HttpRequest *request, DoorPaceFn fn,
                      void *data);
/* Looks no more. */
void door_reader_done(DoorReader *reader);
/* To be called after each piece that was sent. False: the reader was given up (DOOR_PACE_STUCK was
 * told), and with it what it is part of may be gone. */
bool door_reader_sent(DoorReader *reader);

/* door_stream.c: one question of one HTTP request, and its answer whole or in pieces. */
typedef struct Reply Reply;
typedef struct ReplyShape {
  const char *stream_type; /* content type of a stream */
  /* the sign of life in a stream that has nothing to say, NULL = its head alone */
  const char *alive;
  void (*delta)(Reply *reply, GString *out, const char *text, size_t length);
  /* NULL = it is not told */
  void (*tool)(const Reply *reply, GString *out, const char *name, bool begins);
  /* the end of a stream */
  void (*close)(const Reply *reply, GString *out, const AskResult *result);
  /* the end of a stream that had begun */
  void (*broken)(const Reply *reply, GString *out, const AskResult *no);
  /* the answer that is no stream */
  void (*whole)(const Reply *reply, GString *out, const AskResult *result);
  DoorRefuse refuse;
} ReplyShape;

struct Reply {
  const ReplyShape *shape;
  Agent *agent;
  HttpRequest *request;
  Ask *ask;
  DoorReader reader;
  char id[DOOR_ID_BYTES];
  char *model;                 /* as the client named it, else the agent's name */
  char *session_id;            /* NULL = none */
  int64_t created_ms, came_ms; /* wall clock; boot clock */
  bool stream;
  bool begun;       /* the head of the stream is out */
  bool said;        /* a piece of the answer was given */
  bool quiet;       /* nothing was sent since the timer was set */
  LoopTimer *alive; /* of a stream; NULL = it is none */
  bool usage;       /* OpenAI: the client wants it in the stream */
  GString *out; /* what goes out next: of a stream, the pieces of one turn of the loop together */
  struct event *flush; /* sends it at the end of the turn; NULL = there was no second piece yet */
  /* of OpenAI's chunks: what is the same in each piece of text; NULL = none yet */
  GString *head, *tail;
};

/* @model may be NULL. */
Reply *reply_new(Agent *agent, HttpRequest *request, const ReplyShape *shape, const char *model);
/* Asks, answers when the answer comes, and frees itself. When the client leaves or reads too slowly
 * the ask is cancelled. */
void reply_ask(Reply *reply, const AskSpec *spec);
/* One event of a server-sent stream, whose data is the JSON object that the caller writes between.
 * @event NULL = without a name. */
void sse_begin(GString *out, const char *event);
void sse_end(GString *out);

/* door_key.c: who may come in. */
/* Reads the key from the environment (AGENT_AUTH_REQUIRED, AGENT_API_KEY, AGENT_PEER_KEY) or where
 * @file says, and decides with [server] auth whom it is asked of. @beyond: we listen on another
 * address than loopback. NULL with @error when everybody needs a key and there is none. */
DoorKeys *door_keys_new(const AgentFile *file, bool beyond, GError **error);
void door_keys_free(DoorKeys *keys);
/* Does everybody need a key? */
bool door_keys_wanted(const DoorKeys *keys);
/* Does @request need one? So do those that came from another machine, or through a proxy that says
 * so, unless the file says that nobody does. */
bool door_keys_needed(const DoorKeys *keys, const HttpRequest *request);
typedef enum DoorKeyState {
  DOOR_KEY_GOOD,
  DOOR_KEY_MISSING,
  DOOR_KEY_WRONG,
  DOOR_KEY_LIMITED
} DoorKeyState;
/* May @request come in? Good when it needs no key. Compares in constant time; counts wrong ones per
 * peer, of which too many are LIMITED. */
DoorKeyState door_keys_check(DoorKeys *keys, const HttpRequest *request);
