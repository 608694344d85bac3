/* Owns the head of a backup file: one line that vouches for the manifest, and the manifest. See
 * backup.h. */
#include "store/backup.h"

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "store/backup_file.h"

#include <string.h>

#define BACKUP_MAGIC "REEVE-BACKUP 1 "

static bool head_bad(GError **error, const char *what)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "not a Reeve backup: %s", what);
  return false;
}

char *backup_head_text(const BackupManifest *manifest)
{
  g_autoptr(GString) text = g_string_new(NULL);
  jw_open(text, NULL, '{');
  jw_int(text, "format", BACKUP_FORMAT);
  jw_str(text, "created_at", manifest->created_at);
  jw_str(text, "version", manifest->version);
  jw_int(text, "schema", manifest->schema);
  jw_int(text, "term", manifest->term);
  jw_int(text, "next_id", manifest->next_id);
  jw_int(text, "deployments", manifest->deployments);
  jw_int(text, "secrets", manifest->secrets);
  jw_int(text, "database_bytes", manifest->database_bytes);
  jw_str(text, "database_sha256", manifest->database_sha256);
  jw_bool(text, "with_key", manifest->with_key);
  jw_str(text, "key_sha256", manifest->key_sha256);
  jw_close(text, '}');
  g_autofree char *digest =
      g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, (gssize)text->len);
  return g_strdup_printf("%s%s\n%s\n", BACKUP_MAGIC, digest, text->str);
}

static bool head_is_digest(const char *text)
{
  return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool head_read(const json_t *object, BackupManifest *manifest, GError **error)
{
  const char *created = jget_str(object, "created_at", ""),
             *database = jget_str(object, "database_sha256", "");
  *manifest = (BackupManifest){.schema = jget_int(object, "schema", -1),
                               .term = jget_int(object, "term", -1),
                               .next_id = jget_int(object, "next_id", -1),
                               .deployments = jget_int(object, "deployments", 0),
                               .secrets = jget_int(object, "secrets", 0),
                               .database_bytes = jget_int(object, "database_bytes", -1),
                               .with_key = jget_flag(object, "with_key", false)};
  g_strlcpy(manifest->created_at, created, sizeof manifest->created_at);
  g_strlcpy(manifest->version, jget_str(object, "version", "?"), sizeof manifest->version);
  g_strlcpy(manifest->database_sha256, database, sizeof manifest->database_sha256);
  g_strlcpy(manifest->key_sha256, jget_str(object, "key_sha256", ""), sizeof manifest->key_sha256);
  if (jget_int(object, "format", 0) != BACKUP_FORMAT)
    return head_bad(error, "its format is of another version of Reeve");
  if (time_parse_iso(created) < 0 || manifest->schema < 1 || manifest->term < 1 ||
      manifest->next_id < 1 || manifest->database_bytes < 1 || !head_is_digest(database) ||
      (manifest->with_key && !head_is_digest(jget_str(object, "key_sha256", ""))))
    return head_bad(error, "its manifest lacks something");
  return true;
}

bool backup_head_parse(const char *bytes, size_t length, BackupManifest *manifest, size_t *body,
                       GError **error)
{
  size_t magic = strlen(BACKUP_MAGIC);
  length = MIN(length, BACKUP_HEAD_MAX);
  if (length < magic + 65 || memcmp(bytes, BACKUP_MAGIC, magic) != 0 || bytes[magic + 64] != '\n')
    return head_bad(error, "it begins otherwise");
  const char *text = bytes + magic + 65, *end = memchr(text, '\n', length - magic - 65);
  if (!end)
    return head_bad(error, "it is cut short");
  g_autofree char *digest =
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, (gsize)(end - text));
  if (memcmp(digest, bytes + magic, 64) != 0)
    return head_bad(error, "its manifest was changed");
  json_t *object = json_parse(text, (size_t)(end - text), NULL);
  bool ok = json_is_object(object) ? head_read(object, manifest, error)
                                   : head_bad(error, "its manifest is no JSON");
  json_decref(object);
  *body = (size_t)(end + 1 - bytes);
  return ok;
}
