/* Owns the keys of the agent: one for people and programs, one that the agents of a deployment
 * share. They are kept as digests, compared in constant time, and never written anywhere. */
#include "agent/brain_key.h"
#include "agent/door.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/address.h"
#include "net/limiter.h"

#include <string.h>

enum { KEY_BYTES_MIN = 16, KEY_DIGEST_BYTES = 32 };

typedef struct KeyDigest {
  bool set;
  uint8_t bytes[KEY_DIGEST_BYTES];
} KeyDigest;

struct DoorKeys {
  bool wanted; /* of everybody */
  bool open;   /* of nobody, wherever he comes from */
  KeyDigest api, peer;
  Limiter *limiter;
};

static KeyDigest key_digest(const char *key)
{
  KeyDigest digest = {.set = true};
  gsize length = sizeof digest.bytes;
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, (const guchar *)key, (gssize)strlen(key));
  g_checksum_get_digest(checksum, digest.bytes, &length);
  return digest;
}

/* Looks at every byte whatever the first ones were. */
static bool key_equal(const KeyDigest *a, const KeyDigest *b)
{
  volatile uint8_t differs = (uint8_t)(!a->set | !b->set);
  for (size_t i = 0; i < sizeof a->bytes; i++)
    differs = (uint8_t)(differs | (a->bytes[i] ^ b->bytes[i]));
  return differs == 0;
}

/* The key as the agent file or the environment gives it; NULL without @error when neither does. */
static char *key_find(const AgentFile *file, GError **error)
{
  const char *value = g_getenv(file->server_key_env ? file->server_key_env : "AGENT_API_KEY");
  if (file->server_key_file)
    return key_file_read("server.api_key_file", file->server_key_file, error);
  if (!value && file->server_key_env)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "[server] api_key_env names '%s', which is not set", file->server_key_env);
  return g_strdup(value);
}

static bool key_is_asked(const AgentFile *file)
{
  const char *asked = g_getenv("AGENT_AUTH_REQUIRED");
  return (asked && (g_ascii_strcasecmp(asked, "true") == 0 || g_str_equal(asked, "1"))) ||
         file->server_auth == AGENT_AUTH_KEY || file->server_key_env || file->server_key_file;
}

DoorKeys *door_keys_new(const AgentFile *file, bool beyond, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autofree char *key = key_find(file, &problem);
  const char *peer = g_getenv("AGENT_PEER_KEY");
  bool asked = key_is_asked(file), open = file->server_auth == AGENT_AUTH_NONE && !asked,
       wanted = asked || (beyond && !open);
  bool fits = key && strlen(key) >= KEY_BYTES_MIN, has_peer = peer && peer[0];
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
  }
  if (wanted && !fits && (key || !has_peer)) {
    const char *why =
        asked ? "a key is required" : "the agent listens beyond loopback, where a key is required";
    const char *else_open =
        asked ? "" : ", or write auth = \"none\" into [server] of the agent file";
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "%s and %s; set AGENT_API_KEY to one of at least %d characters%s", why,
                key ? "the given one is too short" : "none is given", KEY_BYTES_MIN, else_open);
    return NULL;
  }
  DoorKeys *keys = g_new0(DoorKeys, 1);
  *keys = (DoorKeys){.wanted = wanted, .open = open, .limiter = limiter_new()};
  if (fits)
    keys->api = key_digest(key);
  if (has_peer)
    keys->peer = key_digest(peer);
  return keys;
}

void door_keys_free(DoorKeys *keys)
{
  if (!keys)
    return;
  limiter_free(keys->limiter);
  g_free(keys);
}

bool door_keys_wanted(const DoorKeys *keys)
{
  return keys && keys->wanted;
}

/* What a proxy on this machine passes on came from anywhere. */
static bool request_is_from_here(const HttpRequest *request)
{
  return address_is_loopback(http_request_peer_address(request)) &&
         !http_request_header(request, "forwarded") &&
         !http_request_header(request, "x-forwarded-for");
}

bool door_keys_needed(const DoorKeys *keys, const HttpRequest *request)
{
  return keys && (keys->wanted || (!keys->open && !request_is_from_here(request)));
}

DoorKeyState door_keys_check(DoorKeys *keys, const HttpRequest *request)
{
  if (!door_keys_needed(keys, request))
    return DOOR_KEY_GOOD;
  const char *given = http_request_credential(request);
  if (!given || !given[0])
    return DOOR_KEY_MISSING;
  KeyDigest digest = key_digest(given);
  bool api = key_equal(&digest, &keys->api), peer = key_equal(&digest, &keys->peer);
  if (api || peer)
    return DOOR_KEY_GOOD;
  return limiter_count(keys->limiter, http_request_peer_address(request), clock_boot_ms())
             ? DOOR_KEY_WRONG
             : DOOR_KEY_LIMITED;
}
