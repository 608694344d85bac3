/* Owns the question who a request comes from: uid on the control socket, token over TCP; see auth.h. A valid token passes even from an
 * address that guessed wrongly: 256 bits are not guessed, and a lock-out would only be a weapon against those behind the same address. */
#include "server/auth.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "server/internal.h"
#include "server/routes.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LIMITER_BURST = 10, LIMITER_REFILL_MS = 1000, LIMITER_ADDRESSES_MAX = 4096, TOKEN_RANDOM_BYTES = 32 };

const char *auth_failure_word(AuthFailure failure)
{
  static const char *const words[] = {
#define X(id, word) [AUTH_FAILURE_##id] = word,
      AUTH_FAILURES(X)
#undef X
  };
  return words[failure];
}

/* ---- limiter ---- */

/* The bucket of an address is full again at @full_at_ms; each refusal moves that on. */
struct AuthLimiter {
  GHashTable *full_at; /* address -> int64_t* */
};

AuthLimiter *auth_limiter_new(void)
{
  AuthLimiter *limiter = g_new0(AuthLimiter, 1);
  limiter->full_at = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return limiter;
}

void auth_limiter_free(AuthLimiter *limiter)
{
  if (!limiter)
    return;
  g_hash_table_unref(limiter->full_at);
  g_free(limiter);
}

static gboolean limiter_is_full(gpointer key, gpointer value, gpointer boot_ms)
{
  return *(int64_t *)value <= *(int64_t *)boot_ms;
}

bool auth_limiter_count(AuthLimiter *limiter, const char *address, int64_t boot_ms)
{
  int64_t *full_at = g_hash_table_lookup(limiter->full_at, address);
  if (!full_at) {
    if (g_hash_table_size(limiter->full_at) >= LIMITER_ADDRESSES_MAX)
      g_hash_table_foreach_remove(limiter->full_at, limiter_is_full, &boot_ms);
    if (g_hash_table_size(limiter->full_at) >= LIMITER_ADDRESSES_MAX)
      return false; /* thousands at once: none of them is told more than that */
    full_at = g_new0(int64_t, 1);
    g_hash_table_insert(limiter->full_at, g_strdup(address), full_at);
  }
  int64_t next = MAX(*full_at, boot_ms) + LIMITER_REFILL_MS;
  if (next - boot_ms > LIMITER_BURST * LIMITER_REFILL_MS)
    return false;
  *full_at = next;
  return true;
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

/* The token in the headers of @request (Authorization: Bearer, or X-API-Key), or NULL. Borrowed. */
static const char *auth_credential(const HttpRequest *request)
{
  const char *bearer = http_request_header(request, "Authorization");
  if (!bearer)
    return http_request_header(request, "X-API-Key");
  if (strncasecmp(bearer, "Bearer ", 7) != 0)
    return ""; /* another scheme: no token of ours */
  return bearer + 7 + strspn(bearer + 7, " ");
}

bool auth_host_is_local(const char *host, int port)
{
  static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
  if (!host)
    return false; /* HTTP/1.0 without Host: no browser */
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    size_t length = strlen(names[i]);
    if (strncasecmp(host, names[i], length) != 0)
      continue;
    gint64 given = port;
    if (host[length] == '\0' || (host[length] == ':' && g_ascii_string_to_signed(host + length + 1, 10, port, port, &given, NULL)))
      return true;
  }
  return false;
}

/* ---- requests ---- */

static void auth_fail(Server *server, HttpRequest *request, AuthFailure failure, int code, const char *detail)
{
  server->metrics.auth_failures[failure]++;
  if (code == REEVE_ERROR_UNAUTHENTICATED)
    http_reply_header(request, "WWW-Authenticate",
                      failure == AUTH_FAILURE_MISSING ? "Bearer realm=\"reeve\"" : "Bearer realm=\"reeve\", error=\"invalid_token\"");
  if (code == REEVE_ERROR_RATE_LIMITED)
    http_reply_header(request, "Retry-After", "1");
  route_problem(server, request, code, detail, NULL, NULL);
}

static void auth_fail_token(Server *server, HttpRequest *request)
{
  const char *address = http_request_peer_address(request);
  if (!auth_limiter_count(server->limiter, address, clock_boot_ms())) {
    auth_fail(server, request, AUTH_FAILURE_LIMITED, REEVE_ERROR_RATE_LIMITED, "too many refused tokens from this address; wait a second");
    return;
  }
  log_warn("token refused", "peer=%s path=%s", address, http_request_path(request));
  auth_fail(server, request, AUTH_FAILURE_UNKNOWN, REEVE_ERROR_UNAUTHENTICATED,
            "the token is not known, was revoked or has expired; 'reeve token create' makes one");
}

static bool auth_tcp(Server *server, HttpRequest *request, Caller *caller)
{
  const char *token = auth_credential(request);
  char hash[AUTH_HASH_BYTES];
  if (server->listen_local && !auth_host_is_local(http_request_header(request, "Host"), server->listen_port)) {
    auth_fail(server, request, AUTH_FAILURE_HOST, REEVE_ERROR_DENIED,
              "the Host header names another server than this one; use localhost or 127.0.0.1 with the right port");
    return false;
  }
  if (!token) {
    *caller = (Caller){.role = ROLE_PUBLIC, .actor = "public"};
    return true;
  }
  size_t length = strlen(token);
  auth_hash(length && length <= AUTH_TOKEN_MAX ? token : "", hash);
  const Token *known = server->core ? core_token_of_hash(server->core, hash, turn_now(server).wall_ms) : NULL;
  if (!known) {
    auth_fail_token(server, request);
    return false;
  }
  caller->role = known->role;
  snprintf(caller->actor, sizeof caller->actor, "token:%s", known->name);
  return true;
}

bool auth_caller(Server *server, HttpRequest *request, Caller *caller)
{
  int uid = http_request_peer_uid(request);
  if (uid < 0)
    return auth_tcp(server, request, caller);
  int role = route_role(uid, (int)geteuid());
  if (role < 0) {
    auth_fail(server, request, AUTH_FAILURE_USER, REEVE_ERROR_DENIED, "only the user of the server and root may use this socket");
    return false;
  }
  caller->role = (Role)role;
  snprintf(caller->actor, sizeof caller->actor, "uid:%d", uid);
  return true;
}

void auth_refuse(Server *server, HttpRequest *request, const Caller *caller, Role role)
{
  if (caller->role == ROLE_PUBLIC) {
    auth_fail(server, request, AUTH_FAILURE_MISSING, REEVE_ERROR_UNAUTHENTICATED,
              "this wants a token in the header Authorization: Bearer TOKEN, or X-API-Key; 'reeve token create' makes one");
    return;
  }
  const char *colon = strchr(caller->actor, ':'); /* "token:ci" */
  g_autofree char *who =
      colon ? g_strdup_printf("%.*s '%s'", (int)(colon - caller->actor), caller->actor, colon + 1) : g_strdup(caller->actor);
  g_autofree char *detail = g_strdup_printf("this needs role '%s'; %s has '%s'", role_word(role), who, role_word(caller->role));
  auth_fail(server, request, AUTH_FAILURE_ROLE, REEVE_ERROR_DENIED, detail);
}
