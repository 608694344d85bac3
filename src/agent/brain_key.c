/* Owns the reading of keys. They stay out of the agent file, of logs and of arguments. */
#include "agent/brain_key.h"

#include "base/error.h"
#include "base/fs.h"

#include <string.h>

enum { KEY_BYTES_MAX = 8192 };

/* A key goes into a header line: what could end that line is no key. */
static bool key_is_plain(const char *key)
{
  for (const char *p = key; *p; p++)
    if ((unsigned char)*p <= 0x20 || *p == 0x7f)
      return false;
  return key[0] != '\0';
}

static char *key_from_variable(const char *row, const char *name, GError **error)
{
  const char *value = g_getenv(name);
  if (value && value[0])
    return g_strdup(value);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
              "llm.%s: the environment has no variable '%s'; give it to the agent%s", row, name,
              g_str_equal(row, "api_key_secret") ? " as a secret of its job" : "");
  return NULL;
}

char *key_file_read(const char *row, const char *path, GError **error)
{
  char *key = fs_read_value(path, KEY_BYTES_MAX, error);
  if (!key)
    g_prefix_error(error, "%s: ", row);
  return key ? g_strstrip(key) : NULL;
}

char *brain_key_read(const AgentFile *file, GError **error)
{
  char *key = NULL;
  if (file->api_key_env)
    key = key_from_variable("api_key_env", file->api_key_env, error);
  else if (file->api_key_secret)
    key = key_from_variable("api_key_secret", file->api_key_secret, error);
  else if (file->api_key_file)
    key = key_file_read("llm.api_key_file", file->api_key_file, error);
  if (!key || key_is_plain(key))
    return key;
  g_free(key);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
              "llm: the API key is empty, or has spaces or control characters in it");
  return NULL;
}
