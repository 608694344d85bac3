#pragma once
/* Who a request comes from, and what it may do. On the control socket the peer's uid is the
 * authority, unless it is an agent of ours: that shows a bearer token, as everybody does over TCP.
 */
#include "model/states.h"
#include "net/http_server.h"
#include "net/limiter.h"

#include <stdbool.h>
#include <stdint.h>

enum { AUTH_TOKEN_MAX = 128, AUTH_HASH_BYTES = 65, AUTH_ACTOR_BYTES = 80 };

/* Why a request was refused, for /metrics. */
#define AUTH_FAILURES(X) \
  X(MISSING, "missing")  \
  X(UNKNOWN, "unknown")  \
  X(ROLE, "role")        \
  X(HOST, "host") X(ORIGIN, "origin") X(USER, "user") X(LIMITED, "limited") X(AGENT, "agent")
typedef enum AuthFailure {
#define X(id, word) AUTH_FAILURE_##id,
  AUTH_FAILURES(X)
#undef X
      AUTH_FAILURE_N
} AuthFailure;
const char *auth_failure_word(AuthFailure failure); /* static */

/* A new token: "reeve_" and 256 random bits as text. Caller frees. */
char *auth_token_new(void);
/* SHA-256 of @token as 64 hex digits into @out. */
void auth_hash(const char *token, char out[AUTH_HASH_BYTES]);
/* True when the Host header @host means a server that listens on loopback at @port: against DNS
 * rebinding. */
bool auth_host_is_local(const char *host, int port);

/* The role that the peer with @uid (-1 = not a local socket) has in a server of user @server_uid;
 * -1 = none. */
int route_role(int peer_uid, int server_uid);
struct Server;
/* Says of a connection to a local socket of ours, just accepted, whether it comes from an agent
 * (PeerOrigin of node/peer.h). @data: Server.
 */
int auth_peer_kind(int fd, void *data);
typedef struct Caller {
  Role role;
  bool agent; /* a process of ours on the control socket: its uid gives it nothing */
  char actor[AUTH_ACTOR_BYTES]; /* "uid:1000", "token:NAME" */
} Caller;
/* Asks whether @request comes from a page in a browser that may not send it (net/browser.h), and
 * answers preflights. False after an answer: 204, 403 or 415. */
bool auth_browser(struct Server *server, HttpRequest *request);
/* Finds out who sent @request. False after an answer: 401, 403 or 429. A request without a token is
 * ROLE_PUBLIC. */
bool auth_caller(struct Server *server, HttpRequest *request, Caller *caller);
/* The role that @request would have, or -1; nothing is answered or counted. */
int auth_role(struct Server *server, const HttpRequest *request);
/* Answers that @caller lacks @role: 401 for one without a token, else 403. */
void auth_refuse(struct Server *server, HttpRequest *request, const Caller *caller, Role role);
