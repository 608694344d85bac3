#pragma once
/* The HTTP/1.1 server: llhttp behind a strict reading of heads (http_head.h), on libevent. Limits
 * of every listener: headers 16 KiB in 100 lines, body 1 MiB unless the config says otherwise, 10 s
 * for a whole request (also when it drips) and a second more for each 100 kB of body that has come,
 * 1,000 connections unless told. Refused before any handler: 400 for more than one Content-Length,
 * Host or Transfer-Encoding, for two of these that contradict each other, for bare CR or LF, folded
 * headers and control characters; 411 for a body method without length; 413; 431; 501 for every
 * transfer coding but "chunked"; 505; 405 for CONNECT. Trailers are read and dropped. An offer to
 * upgrade is passed over. No reply stays open over 30 s except streams. Errors of the front are
 * problem documents too (RFC 9457).
 */
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

/* Called once per request, on the loop. The request lives until it was answered; answering may
 * happen later. */
typedef void (*HttpHandler)(HttpRequest *request, void *data);

typedef struct HttpServerConfig {
  HttpHandler handler;
  void *data;
  size_t body_bytes_max; /* 0 = 1 MiB */
  /* What the body of @request may have, asked when its head is there and nothing of the body; 0 =
   * body_bytes_max. NULL = no exceptions. */
  size_t (*body_limit)(HttpRequest *request, void *data);
  int64_t request_ms_max; /* 0 = 10,000 */
  /* 0 = 30,000: a request not answered by then gets 503; streams are exempt */
  int64_t reply_ms_max;
  int connections_max; /* 0 = 1,000 */
  /* Asked once of each connection on a unix socket, when it is accepted; see
   * http_request_peer_kind. NULL = 0 for all. */
  int (*peer_kind)(int fd, void *data);
  bool eof_is_gone; /* a peer that ends its side while it waits has left; else it may still read */
  /* Answers, like a handler, @request that the front refuses after its head was read (411, 413,
   * 408, ...), in the shape of its path; @word and @detail are the caller's for the call. NULL = a
   * problem document. */
  void (*refuse)(HttpRequest *request, int status, const char *word, const char *detail,
                 void *data);
} HttpServerConfig;

/* A server that listens nowhere yet; @config is copied, @loop outlives it. */
HttpServer *http_server_new(Loop *loop, const HttpServerConfig *config);
/* Closes all connections at once; who waits with a request is told (http_request_on_gone). NULL is
 * allowed. */
void http_server_free(HttpServer *server);
/* Listens on the unix socket @path (mode 0600; a stale file is replaced, a live listener is
 * REEVE_ERROR_CONFLICT). */
bool http_server_listen_unix(HttpServer *server, const char *path, GError **error);
/* Listens on @host:@port; port 0 picks one. Returns the port, or -1 with @error. */
int http_server_listen_tcp(HttpServer *server, const char *host, int port, GError **error);
/* Stops accepting; requests in flight go on. */
void http_server_close_listeners(HttpServer *server);
/* Requests that are being handled or streamed. */
int http_server_open(const HttpServer *server);
/* Bytes of answers that peers have not taken yet, of all connections. */
size_t http_server_backlog(const HttpServer *server);

const char *http_request_method(const HttpRequest *request); /* "GET"; any token */
/* As it was sent, without the query. Its escapes are well-formed and none stands for NUL. Match it
 * segment by segment and decode each one after: an escaped slash is no separator. */
const char *http_request_path(const HttpRequest *request);
/* @text of a path or query with its escapes decoded; NULL when one is broken or stands for NUL.
 * Caller frees. */
char *http_path_decode(const char *text);
/* Decoded query parameter @name, or NULL; borrowed. */
const char *http_request_query(HttpRequest *request, const char *name);
/* What is wrong with the query of a path that takes the parameters @known (NULL-terminated; NULL =
 * none), each once: an unknown one, one that is given twice, broken escapes. NULL = nothing; caller
 * frees. */
char *http_request_query_wrong(HttpRequest *request, const char *const *known);
/* The first header @name (in any case) of @request, or NULL; borrowed. */
const char *http_request_header(const HttpRequest *request, const char *name);
/* The key or token that @request brings: X-API-Key, or Authorization: Bearer. What stands before us
 * may use the other header for itself, so that the first one counts. "" for Authorization of
 * another scheme alone, NULL for neither; borrowed. */
const char *http_request_credential(const HttpRequest *request);
/* The body and, unless @length is NULL, how long it is; NUL-terminated too; borrowed. */
const char *http_request_body(const HttpRequest *request, size_t *length);
/* Uid of the peer on a unix socket, -1 on TCP. */
int http_request_peer_uid(const HttpRequest *request);
/* What @peer_kind of the server's configuration said of the peer on a unix socket; 0 without one,
 * and on TCP. */
int http_request_peer_kind(const HttpRequest *request);
/* Address of the peer on TCP ("127.0.0.1", "::1"), "" on a unix socket. Borrowed. */
const char *http_request_peer_address(const HttpRequest *request);
/* The caller's pointer, for finding a request from elsewhere. */
void http_request_set_data(HttpRequest *request, void *data);
void *http_request_data(const HttpRequest *request);
/* @fn runs when the peer left before the answer was complete; the request is gone after it. NULL
 * clears. */
void http_request_on_gone(HttpRequest *request, LoopFn fn, void *data);

/* Hands @request, of which nothing was answered yet, to the handler of its server once more. */
void http_request_again(HttpRequest *request);

/* Adds a header to the answer that comes; a line end in @value becomes a blank. */
void http_reply_header(HttpRequest *request, const char *name, const char *value);
/* Answers and ends. @body is copied. HEAD, 204 and 304 get no body. */
void http_reply(HttpRequest *request, int status, const char *content_type, const char *body,
                size_t length);
/* Answers with a problem document {"type","title","status","detail"} for a ReeveError @code;
 * @detail may be NULL. */
void http_reply_problem(HttpRequest *request, int code, const char *detail);
/* Streams: start, any number of chunks, end. http_stream_backlog is how many bytes the peer has not
 * taken yet. */
void http_stream_start(HttpRequest *request, int status, const char *content_type);
void http_stream_chunk(HttpRequest *request, const char *data, size_t length);
/* The same, handed to the kernel before it returns where nothing waits before it: for pieces that
 * somebody waits for, and of which there is no second one in the same turn of the loop. Not to be
 * mixed with http_stream_on_drained on an empty backlog. */
void http_stream_chunk_now(HttpRequest *request, const char *data, size_t length);
size_t http_stream_backlog(const HttpRequest *request);
/* The same and what the kernel holds: bytes that the peer's machine has not acknowledged. It
 * shrinks whenever the peer reads. */
size_t http_stream_unread(const HttpRequest *request);
/* Calls @fn once when the backlog has fallen to zero. */
void http_stream_on_drained(HttpRequest *request, LoopFn fn, void *data);
void http_stream_end(HttpRequest *request);
