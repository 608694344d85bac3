#pragma once
/* Outbound HTTP on libcurl: asynchronous on a loop (probes, agents asking agents, webhooks) and,
 * for the CLI, blocking. */
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

/* Which addresses a call may not reach, whatever its host name resolves to. A guarded call is made
 * without the proxy of the environment. */
typedef enum HttpGuard {
  HTTP_GUARD_NONE,
  /* no link-local (169.254.0.0/16, fe80::/10), multicast, broadcast or unspecified address, and no
     metadata service */
  HTTP_GUARD_LOCAL,
  HTTP_GUARD_LOOPBACK /* nor a loopback one */
} HttpGuard;

typedef struct HttpCallSpec {
  const char *method; /* NULL = GET */
  const char *url;
  const char *unix_socket;  /* path, or NULL */
  const char *content_type; /* of body */
  const char *body;
  size_t body_length;
  const char *const *headers; /* "Name: value", NULL-terminated, or NULL */
  int64_t timeout_ms;         /* whole call; 0 = none (streams) */
  int64_t connect_ms;         /* 0 = 5,000 */
  size_t reply_bytes_max;     /* 0 = 1 MiB; more is an error; not for streams */
  bool stream;                /* deliver by on_data as it comes instead of collecting */
  /* done with the head of the answer: its body is not waited for, and the connection is closed */
  bool head_only;
  HttpGuard guard;
  /* "http://HOST:PORT" to go through, which sees to the addresses itself: @guard is off; NULL =
   * none of its own */
  const char *proxy;
  /* of http_fetch_stream: asked about once a second whether nobody wants more of it; NULL =
   * somebody does */
  bool (*left)(void);
} HttpCallSpec;

typedef struct HttpResult {
  int status;        /* 0 = no answer: see error */
  const char *error; /* "connection refused", "timed out after 5000 ms", or NULL */
  const char *body;  /* NUL-terminated */
  size_t length;
  const char *content_type;
} HttpResult;

typedef void (*HttpDone)(const HttpResult *result, void *data); /* exactly once, unless cancelled */
typedef bool (*HttpData)(const char *bytes, size_t length, void *data); /* false = stop the call */

/* No connection yet; @loop must outlive it. Caller frees. */
HttpClient *http_client_new(Loop *loop);
void http_client_free(HttpClient *client); /* cancels what is open */
/* Connections to one host at once, 64 unless told; calls beyond wait for one. */
void http_client_set_connections(HttpClient *client, int per_host);
/* Starts a call; redirects are not followed, only http and https are spoken. @on_data may be NULL
 * unless spec.stream. All of @spec is copied. */
HttpCall *http_client_call(HttpClient *client, const HttpCallSpec *spec, HttpData on_data,
                           HttpDone done, void *data);
/* Does @guard forbid @address? Addresses of IPv4 within IPv6 (mapped, NAT64, 6to4) count as what
 * they stand for; other families are allowed. */
bool http_guard_forbids(HttpGuard guard, const struct sockaddr *address);
/* Ends it; done is not called. */
void http_call_cancel(HttpCall *call);
/* Holds a stream back: nothing more is read from its peer, whom TCP then stops; false lets it go
 * on. At most one block (16 KiB) still comes after it was held. A call that is held notices neither
 * its end nor that its peer left. */
void http_call_hold(HttpCall *call, bool held);
/* Within on_data and done: the status of the answer, and its header @name or NULL (borrowed until
 * the next call of either). */
int http_call_status(const HttpCall *call);
const char *http_call_header(const HttpCall *call, const char *name);

/* Blocking, for the CLI: returns the status (0 with @error set when there was no answer) and the
 * body in @body (caller frees). */
int http_fetch(const HttpCallSpec *spec, GString *body, GError **error);
/* Blocking stream: @on_data for each piece until the end, false from it, true from spec.left, or an
 * error. */
int http_fetch_stream(const HttpCallSpec *spec, HttpData on_data, void *data, GError **error);
