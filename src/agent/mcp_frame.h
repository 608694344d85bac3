#pragma once
/* What an MCP server sends, from bytes to messages: lines of a pipe, events of a stream, JSON-RPC.
 * Pure; bounded, since the bytes are foreign. */
#include "base/json.h"

#include <stddef.h>

enum {
  MCP_TEXT_MAX = 1024 * 1024, /* of one line, event or answer */
  /* of a line that is too long, until nobody waits for its end any more */
  MCP_SKIP_MAX = 16 * 1024 * 1024,
  MCP_BATCH_MAX = 64,  /* messages in one text */
  MCP_ID_MAX = 1 << 30 /* of a request of ours */
};

typedef enum McpPiece {
  MCP_PIECE_WHOLE,
  MCP_PIECE_TOO_LONG, /* more than MCP_TEXT_MAX; what follows it counts again */
  MCP_PIECE_ENDLESS   /* more than MCP_SKIP_MAX without an end: give up */
} McpPiece;

/* Takes a piece; @text is NUL-terminated and borrowed, "" unless whole. False = stop: the reader is
 * not touched any more. */
typedef bool (*McpTake)(McpPiece piece, const char *text, size_t length, void *data);

/* Zeroed it is ready; mcp_reader_clear frees what it holds. */
typedef struct McpReader {
  GString *text;  /* of the line so far */
  size_t skipped; /* bytes of a line that is too long, 0 = it is not */
} McpReader;
void mcp_reader_clear(McpReader *reader);

/* Splits @bytes at line feeds, takes a CR before them off, leaves empty lines out. False when @take
 * said so. */
bool mcp_read_lines(McpReader *reader, const char *bytes, size_t length, McpTake take, void *data);

typedef enum McpKind { MCP_RESPONSE, MCP_REQUEST, MCP_NOTIFICATION } McpKind;

/* A JSON-RPC message; everything in it belongs to @root. */
typedef struct McpMessage {
  json_t *root;
  McpKind kind;
  int64_t id;            /* of the request that a response answers; -1 = none of ours */
  const json_t *id_json; /* of a request: text or number */
  const char *method;    /* NULL with a response */
  const json_t *params;  /* or NULL */
  const json_t *result;  /* of a response; NULL = it is an error */
  int64_t code;          /* of an error */
  const char *error;     /* its message, never NULL then */
} McpMessage;

/* The messages of @text, of McpMessage*: one, or the members of a batch. NULL with
 * REEVE_ERROR_USAGE or REEVE_ERROR_LIMIT when it is none. */
GPtrArray *mcp_parse(const char *text, size_t length, GError **error);

/* The number that the member "id" of the outermost object of @text has, for a text that is no JSON:
 * whose answer was it? -1 when there is none. */
int64_t mcp_find_id(const char *text, size_t length);
