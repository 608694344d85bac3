/* Owns the keys of the agent: one for people and programs, one that the agents of a deployment share. They are kept as digests, compared in
 * constant time, and never written anywhere. */
#include "agent/door.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/text.h"

#include <string.h>

enum { KEY_BYTES_MIN = 8, KEY_BYTES_MAX = 4096, KEY_DIGEST_BYTES = 32 };

typedef struct KeyDigest {
  bool set;
  uint8_t bytes[KEY_DIGEST_BYTES];
} KeyDigest;

struct DoorKeys {
  bool wanted;
  KeyDigest api, peer;
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

static char *key_from_file(const char *path, GError **error)
{
  g_autofree char *text = fs_read(path, KEY_BYTES_MAX, NULL, error);
  if (text)
    return g_strdup(text_behind_bom(g_strchomp(text)));
  g_prefix_error(error, "read the key of the agent: ");
  return NULL;
}

/* The key as the agent file or the environment gives it; NULL without @error when neither does. */
static char *key_find(const AgentFile *file, GError **error)
{
  const char *value = g_getenv(file->server_key_env ? file->server_key_env : "AGENT_API_KEY");
  if (file->server_key_file)
    return key_from_file(file->server_key_file, error);
  if (!value && file->server_key_env)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "[server] api_key_env names '%s', which is not set", file->server_key_env);
  return g_strdup(value);
}

DoorKeys *door_keys_new(const AgentFile *file, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autofree char *key = key_find(file, &problem);
  const char *asked = g_getenv("AGENT_AUTH_REQUIRED"), *peer = g_getenv("AGENT_PEER_KEY");
  bool wanted =
      (asked && (g_ascii_strcasecmp(asked, "true") == 0 || g_str_equal(asked, "1"))) || file->server_key_env || file->server_key_file;
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
  }
  if (wanted && (!key || strlen(key) < KEY_BYTES_MIN)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "a key is required and %s; set AGENT_API_KEY to one of at least %d characters",
                key ? "the given one is too short" : "none is given", KEY_BYTES_MIN);
    return NULL;
  }
  DoorKeys *keys = g_new0(DoorKeys, 1);
  keys->wanted = wanted;
  if (key)
    keys->api = key_digest(key);
  if (peer && peer[0])
    keys->peer = key_digest(peer);
  return keys;
}

void door_keys_free(DoorKeys *keys)
{
  g_free(keys);
}

bool door_keys_wanted(const DoorKeys *keys)
{
  return keys && keys->wanted;
}

bool door_keys_allow(const DoorKeys *keys, const HttpRequest *request)
{
  if (!door_keys_wanted(keys))
    return true;
  const char *given = http_request_header(request, "x-api-key"), *bearer = http_request_header(request, "authorization");
  if (!given && bearer && g_ascii_strncasecmp(bearer, "bearer ", 7) == 0)
    given = bearer + 7 + strspn(bearer + 7, " ");
  if (!given)
    return false;
  KeyDigest digest = key_digest(given);
  bool api = key_equal(&digest, &keys->api), peer = key_equal(&digest, &keys->peer);
  return api || peer;
}
