#pragma once
/* What a model server says, as it comes: bytes in any pieces go in, text and at the end tool calls
 * and usage come out. Touches no socket; what a kind of server says is read by its format. */
#include "agent/message.h"
#include "agent/quick_same.h"
#include "agent/quick_text.h"
#include "agent/sse.h"
#include "base/json.h"

#include <jansson.h>
#include <stdint.h>

enum {
  MODEL_LINE_MAX = 1024 * 1024, /* one line, one event */
  /* all text of one answer; also a whole answer that is one JSON document */
  MODEL_ANSWER_MAX = 16 * 1024 * 1024,
  MODEL_TOOL_CALLS_MAX = 64,
  MODEL_ARGUMENTS_MAX = 64 * 1024 /* of one tool call */
};

typedef struct ModelStream ModelStream;

/* A piece of the answer; false = nobody wants more. The stream must live until the feed has
 * returned. */
typedef bool (*ModelDelta)(const char *text, size_t length, void *data);

typedef enum ModelFraming {
  FRAMING_LINES, /* JSON documents one after another, a line each as a rule */
  /* server-sent events, or one JSON document from a server that does not stream: it begins with a
     brace */
  FRAMING_EVENTS,
  FRAMING_WHOLE /* one JSON document */
} ModelFraming;

typedef struct ModelFormat {
  ModelFraming framing;  /* when the server streams */
  const QuickKey *quick; /* where the text is in a document that has nothing else to say */
  /* Reads one document that it said. */
  void (*take)(ModelStream *stream, const json_t *said);
} ModelFormat;

extern const ModelFormat ollama_format, openai_format;

/* Fields may be read; the functions below and the formats write them. */
struct ModelStream {
  const ModelFormat *format;
  ModelFraming framing;
  LineReader lines;
  SseReader events;
  GString *whole; /* of a document that is not over yet; NULL = there was none */
  JsonWalk walk;  /* where in it we are, of FRAMING_LINES */
  ModelDelta delta;
  void *data;
  GPtrArray *tool_calls; /* of ToolCall* */
  /* of each: the number that the server gave it, -1 = none */
  int64_t call_index[MODEL_TOOL_CALLS_MAX];
  GString *reasoning; /* what it thought, to be given back with its tool calls; NULL = nothing */
  const char *reasoning_key;                /* the member that it came in; static */
  int64_t prompt_tokens, completion_tokens; /* -1 = not told */
  const char *finish; /* "stop", "length" or "content_filter", NULL = it did not say yet */
  size_t text_bytes;  /* of reasoning too */
  bool began;         /* its first byte that is no blank was seen */
  QuickSame same;     /* the piece before */
  bool over;          /* the answer is complete */
  bool stopped;       /* the listener wanted no more */
  char *error;        /* what went wrong, one line; NULL = nothing */
};

/* @framing is how the answer comes: the format's own as a rule. */
ModelStream *model_stream_new(const ModelFormat *format, ModelFraming framing, ModelDelta delta,
                              void *data);
void model_stream_free(ModelStream *stream);
/* False when no more is wanted: over, stopped or error tells why. */
bool model_stream_feed(ModelStream *stream, const char *bytes, size_t length);
/* The server said all that it has to say; sets error when the answer is not complete. */
void model_stream_end(ModelStream *stream);

/* For the formats. */
void model_stream_text(ModelStream *stream, const char *text, size_t length);
void model_stream_fail(ModelStream *stream, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A new tool call, to which the server gave the number @index, -1 = none; NULL with error set when
 * there are too many. */
ToolCall *model_stream_new_call(ModelStream *stream, int64_t index);
/* What the model thinks; @key as in reasoning_key. */
void model_stream_reasoning(ModelStream *stream, const char *key, const json_t *text);
/* "length", "content_filter", else "stop": of all reasons to end, those that a client must know of.
 * Static. */
const char *model_finish(const char *reason);
/* Adds to the arguments of @call what the server gives as such: a piece of text, or an object; null
 * and nothing are nothing. */
void model_stream_arguments(ModelStream *stream, ToolCall *call, const json_t *arguments);
/* The message of {"error": "..."} or {"error": {"message": "..."}}, or NULL; borrowed from @said.
 */
const char *model_error_text(const json_t *said);
