/* Owns the question who a request comes from: uid on the control socket, token over TCP and from
 * agents; see auth.h. A valid token passes even from an address that guessed wrongly: 256 bits are
 * not guessed, and a lock-out would only be a weapon against those behind the same address. */
#include "server/auth.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "net/browser.h"
#include "node/peer.h"
#include "server/route.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_RANDOM_BYTES = 32 };

const char *auth_failure_word(AuthFailure failure)
{
  static const char *const words[] = {
#define X(id, word) [AUTH_FAILURE_##id] = word,
      AUTH_FAILURES(X)
#undef X
  };
  return words[failure];
}

/* ---- tokens ---- */

char *auth_token_new(void)
{
  unsigned char random[TOKEN_RANDOM_BYTES];
  int got = RAND_bytes(random, sizeof random);
  g_assert(got == 1); /* OpenSSL ends here only without /dev/urandom and getrandom */
  g_autofree char *text = g_base64_encode(random, sizeof random);
  g_strdelimit(text, "+", '-');
  g_strdelimit(text, "/", '_');
  text[strcspn(text, "=")] = '\0';
  return g_strconcat("reeve_", text, NULL);
}

void auth_hash(const char *token, char out[AUTH_HASH_BYTES])
{
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, token, -1);
  g_strlcpy(out, hex, AUTH_HASH_BYTES);
}

bool auth_host_is_local(const char *host, int port)
{
  static const char *const names[] = {"localhost", "127.0.0.1", "::1", NULL};
  return browser_host_is(host, names, port);
}

/* ---- requests ---- */

int route_role(int peer_uid, int server_uid)
{
  return peer_uid >= 0 && (peer_uid == server_uid || peer_uid == 0) ? ROLE_ADMIN : -1;
}

static void auth_fail(Server *server, HttpRequest *request, AuthFailure failure, int code,
                      const char *detail)
{
  server->metrics.auth_failures[failure]++;
  if (code == REEVE_ERROR_UNAUTHENTICATED)
    http_reply_header(request, "WWW-Authenticate",
                      failure == AUTH_FAILURE_MISSING
                          ? "Bearer realm=\"reeve\""
                          : "Bearer realm=\"reeve\", error=\"invalid_token\"");
  if (code == REEVE_ERROR_RATE_LIMITED)
    http_reply_header(request, "Retry-After", "1");
  route_problem(server, request, code, detail, NULL, NULL);
}

static void auth_fail_token(Server *server, HttpRequest *request)
{
  const char *address = http_request_peer_address(request);
  if (!limiter_count(server->limiter, address, clock_boot_ms())) {
    auth_fail(server, request, AUTH_FAILURE_LIMITED, REEVE_ERROR_RATE_LIMITED,
              "too many refused tokens from this address; wait a second");
    return;
  }
  log_warn("token refused", "peer=%s path=%s", address, http_request_path(request));
  auth_fail(server, request, AUTH_FAILURE_UNKNOWN, REEVE_ERROR_UNAUTHENTICATED,
            "the token is not known, was revoked or has expired; 'reeve token create' makes one");
}

/* The token that @credential is, or NULL. Of a core that is not READY it says only how large a body
 * may be read. */
static const Token *auth_known(Server *server, const char *credential)
{
  char hash[AUTH_HASH_BYTES];
  size_t length = strlen(credential);
  auth_hash(length && length <= AUTH_TOKEN_MAX ? credential : "", hash);
  return engine_core(server->engine) ? core_token_of_hash(engine_core(server->engine), hash,
                                                          engine_now(server->engine).wall_ms)
                                     : NULL;
}

int auth_role(Server *server, const HttpRequest *request)
{
  int uid = http_request_peer_uid(request), origin = http_request_peer_kind(request);
  if (uid >= 0 && origin != PEER_AGENT)
    return origin == PEER_GONE ? -1 : route_role(uid, (int)geteuid());
  const char *credential = http_request_credential(request);
  const Token *token = credential ? auth_known(server, credential) : NULL;
  return token ? (int)token->role : -1;
}

static bool auth_token(Server *server, HttpRequest *request, Caller *caller)
{
  const char *token = http_request_credential(request);
  /* which tokens there are is not known: a stranger, who is told nothing else */
  if (!token || engine_core_state(server->engine) != CORE_STATE_READY) {
    g_strlcpy(caller->actor, "public", sizeof caller->actor);
    return true;
  }
  const Token *known = auth_known(server, token);
  if (!known) {
    auth_fail_token(server, request);
    return false;
  }
  caller->role = known->role;
  snprintf(caller->actor, sizeof caller->actor, "token:%s", known->name);
  return true;
}

static bool auth_tcp(Server *server, HttpRequest *request, Caller *caller)
{
  if (!server->listen_local ||
      auth_host_is_local(http_request_header(request, "Host"), server->listen_port))
    return auth_token(server, request, caller);
  auth_fail(
      server, request, AUTH_FAILURE_HOST, REEVE_ERROR_DENIED,
      "the Host header names another server than this one; use localhost or 127.0.0.1 with the right port");
  return false;
}

bool auth_browser(Server *server, HttpRequest *request)
{
  static const char *const local[] = {"localhost", NULL};
  BrowserRules rules = {.origins = (const char *const *)server->options->origins,
                        .hosts = server->listen_local ? local : NULL};
  browser_share(request, &rules);
  if (browser_preflight(request, &rules))
    return false;
  const char *why = NULL;
  int status = browser_refuse(request, &rules, &why);
  if (status == 403)
    auth_fail(server, request, AUTH_FAILURE_ORIGIN, REEVE_ERROR_DENIED, why);
  else if (status)
    route_problem_status(server, request, status, "media-type",
                         "the body has another content type than allowed", why, NULL, NULL);
  return status == 0;
}

int auth_peer_kind(int fd, void *data)
{
  const Server *server = data;
  if (server->options->node_socket)
    return (int)peer_origin_of_socket(fd, NULL);
  g_autofree char *directory = g_build_filename(server->options->data_dir, "node", NULL);
  return (int)peer_origin_of_socket(fd, directory);
}

bool auth_caller(Server *server, HttpRequest *request, Caller *caller)
{
  int uid = http_request_peer_uid(request), origin = http_request_peer_kind(request);
  *caller = (Caller){.role = ROLE_PUBLIC};
  if (uid < 0)
    return auth_tcp(server, request, caller);
  int role = route_role(uid, (int)geteuid());
  if (role < 0) {
    auth_fail(server, request, AUTH_FAILURE_USER, REEVE_ERROR_DENIED,
              "only the user of the server and root may use this socket");
    return false;
  }
  if (origin == PEER_AGENT) {
    caller->agent = true;
    return auth_token(server, request, caller);
  }
  if (origin == PEER_GONE) {
    auth_fail(server, request, AUTH_FAILURE_USER, REEVE_ERROR_DENIED,
              "the process that opened this connection has ended");
    return false;
  }
  caller->role = (Role)role;
  snprintf(caller->actor, sizeof caller->actor, "uid:%d", uid);
  return true;
}

void auth_refuse(Server *server, HttpRequest *request, const Caller *caller, Role role)
{
  if (caller->role == ROLE_PUBLIC && caller->agent) {
    auth_fail(
        server, request, AUTH_FAILURE_AGENT, REEVE_ERROR_DENIED,
        "this comes from an agent, and agents have no role on the control socket; give it a token: "
        "'reeve token create NAME --role operator', its value in the agent's environment as REEVE_TOKEN (by a secret)");
    return;
  }
  if (caller->role == ROLE_PUBLIC) {
    auth_fail(
        server, request, AUTH_FAILURE_MISSING, REEVE_ERROR_UNAUTHENTICATED,
        "this wants a token in the header Authorization: Bearer TOKEN, or X-API-Key; 'reeve token create' makes one");
    return;
  }
  const char *colon = strchr(caller->actor, ':'); /* "token:ci" */
  g_autofree char *who =
      colon ? g_strdup_printf("%.*s '%s'", (int)(colon - caller->actor), caller->actor, colon + 1)
            : g_strdup(caller->actor);
  g_autofree char *detail = g_strdup_printf("this needs role '%s'; %s has '%s'", role_word(role),
                                            who, role_word(caller->role));
  auth_fail(server, request, AUTH_FAILURE_ROLE, REEVE_ERROR_DENIED, detail);
}
