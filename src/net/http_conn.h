#pragma once
/* One connection of the HTTP server: shared by http_conn.c, http_reply.c (answering), http_server.c
 * (reading) and http_listen.c, each of which calls only those before it. */
#include "net/http_head.h"
#include "net/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <llhttp/llhttp.h>
#include <time.h>

typedef struct Conn Conn;

typedef enum ConnState {
  CONN_READING,  /* a request is coming, or none yet */
  CONN_HANDLING, /* the handler has it */
  CONN_STREAM,   /* answering in pieces */
  CONN_CLOSING,  /* the last answer is on its way; what still comes is thrown away */
} ConnState;

typedef struct HttpHeader {
  char *name, *value;
} HttpHeader;

struct HttpRequest {
  Conn *conn;
  char *method, *path, *query_text; /* path and query as they were sent */
  GArray *headers;                  /* of HttpHeader */
  GHashTable *query;                /* decoded, made on first use */
  char *query_wrong;                /* what is wrong with its spelling, or NULL */
  GString *body;
  size_t body_max;
  void *data;
  LoopFn gone, drained;
  void *gone_data, *drained_data;
  GString *reply_headers; /* lines added by http_reply_header */
  bool keep_alive, head, chunked;
  bool head_waits; /* the head of a stream is in the buffer and nothing else is */
};

struct Conn {
  HttpServer *server;
  struct bufferevent *bev;
  llhttp_t parser;
  ConnState state;
  HttpRequest *request;        /* being read or answered */
  GString *url, *name, *value; /* of the head being read */
  HeadScan scan;               /* HEAD_OVER: a body is being read */
  size_t head_bytes;
  int header_lines;
  /* what was wrong with the request, 0 = nothing; reported when the parser stops */
  int error_status;
  const char *error_detail;
  char error_text[64]; /* for a detail that is not static */
  LoopTimer *timer;    /* checks deadline_ms; set lazily, so that a request costs no timer call */
  int64_t deadline_ms;
  size_t unsent; /* when it began to close, or was last looked at */
  int peer_uid, peer_kind;
  char peer_address[48]; /* numeric, of a TCP peer */
  bool in_parse, half_closed, complete;
  bool trailers; /* the lines behind the last chunk are being read */
  GList link;    /* in HttpServer.conns */
};

struct HttpServer {
  Loop *loop;
  HttpServerConfig config;
  GPtrArray *listeners; /* of struct evconnlistener* */
  LoopTimer *resume;    /* after EMFILE */
  GQueue conns;
  int open;      /* requests being handled or streamed */
  char date[40]; /* of answers, as it is in second date_s */
  time_t date_s;
  bool paused;
};

/* ---- http_conn.c ---- */

/* An empty request of @conn; request_free frees it, NULL is allowed. */
HttpRequest *request_new(Conn *conn);
void request_free(HttpRequest *request);
/* Closes @conn at once; who waits with its request is told (http_request_on_gone). */
void conn_free(Conn *conn);
/* Nothing more is read; closes @conn when the peer has taken what was written, or takes nothing. */
void conn_close_after_write(Conn *conn);
/* The request was answered whole, and is freed: next one, or close. */
void conn_answered(Conn *conn);
/* Stops accepting when there are as many connections as there may be, and begins again. To be
 * called whenever their number has changed. */
void conn_watch_cap(HttpServer *server);
/* Listens again after descriptors were out. @data: the server. */
void server_resume(void *data);

/* ---- http_reply.c ---- */

/* Refuses, before any handler, what @conn reads; nothing more is read from it. @detail NULL: it is
 * malformed. */
void reply_front_error(Conn *conn, int status, const char *detail);

/* ---- http_server.c ---- */

/* Takes a connection; the evconnlistener_cb of http_listen.c. @data: the server. */
void server_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *data);
