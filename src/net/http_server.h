#pragma once
/* Our own front of the HTTP server: ten functions, behind which evhttp stands today. Limits of every listener: headers 16 KiB, body 1 MiB,
 * 10 s for a whole request (also when it drips), 1,000 connections; more than one Content-Length or Host, or both Content-Length and
 * Transfer-Encoding 400, a body method without length 411, too large 413. No reply stays open over 30 s except streams. Errors of the front
 * are problem documents too (RFC 9457). */
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

/* Called once per request, on the loop. The request lives until it was answered; answering may happen later. */
typedef void (*HttpHandler)(HttpRequest *request, void *data);

/* How a refusal of the front itself is written for @path ("" = the request did not come so far): JSON, which the server frees, or NULL for
 * a problem document. */
typedef char *(*HttpFrontError)(const char *path, int status, const char *detail, void *data);

typedef struct HttpServerConfig {
  HttpHandler handler;
  HttpFrontError front_error; /* NULL = problem documents */
  void *data;
  size_t body_bytes_max;  /* 0 = 1 MiB */
  int64_t request_ms_max; /* 0 = 10,000 */
  int64_t reply_ms_max;   /* 0 = 30,000: a request not answered by then gets 503; streams are exempt */
  int connections_max;    /* 0 = 1,000 */
  bool eof_is_gone;       /* a peer that ends its side while it waits has left; else it may still read */
} HttpServerConfig;

HttpServer *http_server_new(Loop *loop, const HttpServerConfig *config);
void http_server_free(HttpServer *server);
/* Listens on the unix socket @path (mode 0600; a stale file is replaced, a live listener is REEVE_ERROR_CONFLICT). */
bool http_server_listen_unix(HttpServer *server, const char *path, GError **error);
/* Listens on @host:@port; port 0 picks one. Returns the port, or -1 with @error. */
int http_server_listen_tcp(HttpServer *server, const char *host, int port, GError **error);
/* Stops accepting; requests in flight go on. http_server_open counts those. */
void http_server_close_listeners(HttpServer *server);
int http_server_open(const HttpServer *server);
/* Bytes of answers that peers have not taken yet, of all connections. */
size_t http_server_backlog(const HttpServer *server);

const char *http_request_method(const HttpRequest *request); /* "GET"; any token */
const char *http_request_path(const HttpRequest *request);   /* decoded, no query */
/* Decoded query parameter @name, or NULL; borrowed. */
const char *http_request_query(HttpRequest *request, const char *name);
const char *http_request_header(const HttpRequest *request, const char *name);
const char *http_request_body(const HttpRequest *request, size_t *length); /* NUL-terminated too */
/* Uid of the peer on a unix socket, -1 on TCP. */
int http_request_peer_uid(const HttpRequest *request);
/* Address of the peer on TCP ("127.0.0.1", "::1"), "" on a unix socket. Borrowed. */
const char *http_request_peer_address(const HttpRequest *request);
/* The caller's pointer, for finding a request from elsewhere. */
void http_request_set_data(HttpRequest *request, void *data);
void *http_request_data(const HttpRequest *request);
/* @fn runs when the peer left before the answer was complete; the request is gone after it. NULL clears. */
void http_request_on_gone(HttpRequest *request, LoopFn fn, void *data);

/* Response header to add before answering. */
void http_reply_header(HttpRequest *request, const char *name, const char *value);
/* Answers and ends. @body is copied. HEAD, 204 and 304 get no body. */
void http_reply(HttpRequest *request, int status, const char *content_type, const char *body, size_t length);
/* Answers with a problem document {"type","title","status","detail"} for a ReeveError @code; @detail may be NULL. */
void http_reply_problem(HttpRequest *request, int code, const char *detail);
/* Streams: start, any number of chunks, end. http_stream_backlog is how many bytes the peer has not taken yet. */
void http_stream_start(HttpRequest *request, int status, const char *content_type);
void http_stream_chunk(HttpRequest *request, const char *data, size_t length);
/* The same, handed to the kernel before it returns where nothing waits before it: for pieces that somebody waits for, and of which there is
 * no second one in the same turn of the loop. Not to be mixed with http_stream_on_drained on an empty backlog. */
void http_stream_chunk_now(HttpRequest *request, const char *data, size_t length);
size_t http_stream_backlog(const HttpRequest *request);
/* The same and what the kernel holds: bytes that the peer's machine has not acknowledged. It shrinks whenever the peer reads. */
size_t http_stream_unread(const HttpRequest *request);
/* Calls @fn once when the backlog has fallen to zero. */
void http_stream_on_drained(HttpRequest *request, LoopFn fn, void *data);
void http_stream_end(HttpRequest *request);
