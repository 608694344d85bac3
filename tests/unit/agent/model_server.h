#pragma once
/* A stand-in for a model server, on the loop of the test: it takes requests one per connection and
 * plays a script to each, byte by byte as the script says. */
#include "net/loop.h"

#include <glib.h>

typedef struct ModelServer ModelServer;

typedef enum PlayEnd {
  PLAY_END,  /* the answer ends as it should */
  PLAY_CUT,  /* the connection is closed in the middle of the answer */
  PLAY_HANG, /* nothing more comes, the connection stays */
  PLAY_AGAIN /* the pieces come again and again, until the peer leaves */
} PlayEnd;

/* What one request is answered with. */
typedef struct Play {
  int status;                /* 0 = the connection is closed without a word */
  const char *type;          /* content type */
  const char *header;        /* one more line, or NULL */
  const char *const *pieces; /* each a chunk of its own, NULL-terminated */
  int pause_ms;              /* before each piece */
  PlayEnd end;
} Play;

/* Listens on a free port of loopback. Request number i is answered with @plays[i], and from the
 * last on with that. @plays outlives it. */
ModelServer *model_server_new(Loop *loop, const Play *plays, guint n_plays);
void model_server_free(ModelServer *server);
int model_server_port(const ModelServer *server);
/* Requests so far, and the body and head of the last one; borrowed. */
guint model_server_requests(const ModelServer *server);
const char *model_server_body(const ModelServer *server);
const char *model_server_head(const ModelServer *server);
/* Bytes of answers that wait for their peers to read. */
size_t model_server_unsent(const ModelServer *server);
/* Connections that are open. */
guint model_server_open(const ModelServer *server);
