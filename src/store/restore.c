/* Owns the way back from a backup file: read and check it, hand the store's part to the store, keep
 * and replace what lies beside. See backup.h. */
#include "base/error.h"
#include "base/fs.h"
#include "model/identity.h"
#include "store/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESTORE_KEY "secrets.key"

typedef struct Restore {
  const BackupOptions *options;
  BackupManifest *manifest;
  char *fresh_key; /* unpacked beside its place */
  bool ours;       /* the store is held: what lies there is ours */
  BackupRestored *restored;
} Restore;

void backup_restored_done(BackupRestored *restored)
{
  g_clear_pointer(&restored->former, g_free);
}

static char *restore_path(const Restore *restore, const char *name)
{
  return g_build_filename(restore->options->directory, name, NULL);
}

static bool restore_unpack_key(const Restore *restore, int in, GError **error)
{
  unsigned char key[BACKUP_KEY_BYTES];
  if (!restore->manifest->with_key)
    return true;
  bool ok = read(in, key, sizeof key) == (ssize_t)sizeof key;
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, key, sizeof key);
  if (!ok || strcmp(digest, restore->manifest->key_sha256) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "damaged backup: the key of the secrets does not fit its checksum");
    return false;
  }
  ok = fs_write(restore->fresh_key, (const char *)key, sizeof key, 0600, true, error);
  explicit_bzero(key, sizeof key);
  return ok;
}

/* The body of the backup, checked: the store's part to @file, the key beside its place. */
static bool restore_unpack_body(const Restore *restore, int in, const char *file, GError **error)
{
  char digest[65], more;
  int out = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (out < 0)
    return backup_errno("make", file, error);
  bool ok = backup_copy(in, out, restore->manifest->database_bytes, digest, NULL, error) &&
            (fsync(out) == 0 || backup_errno("write", file, error));
  close(out);
  if (ok && strcmp(digest, restore->manifest->database_sha256) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "damaged backup: the database does not fit its checksum");
    return false;
  }
  if (!ok || !restore_unpack_key(restore, in, error))
    return false;
  if (read(in, &more, 1) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
              "not a Reeve backup: trailing data after the end");
  return false;
}

/* See StoreRestore. */
static bool restore_unpack(const char *path, void *data, GError **error)
{
  Restore *restore = data;
  const char *file = restore->options->file;
  restore->ours = true;
  g_autofree char *head = g_malloc(BACKUP_HEAD_MAX);
  size_t body = 0;
  int in = open(file, O_RDONLY | O_CLOEXEC);
  ssize_t n = in >= 0 ? read(in, head, BACKUP_HEAD_MAX) : -1;
  bool ok = n >= 0;
  if (!ok)
    g_set_error(error, REEVE_ERROR, errno == ENOENT ? REEVE_ERROR_NOT_FOUND : REEVE_ERROR_INVALID,
                "read backup: %s", g_strerror(errno));
  ok = ok && backup_head_parse(head, (size_t)n, restore->manifest, &body, error);
  if (ok && restore->manifest->schema > STORE_SCHEMA_VERSION) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "it was written by a newer Reeve (%s); upgrade this one",
                restore->manifest->version);
    ok = false;
  }
  ok = ok && (lseek(in, (off_t)body, SEEK_SET) >= 0 || backup_errno("read", file, error)) &&
       restore_unpack_body(restore, in, path, error);
  if (in >= 0)
    close(in);
  if (!ok)
    g_prefix_error(error, "restore '%s': ", file);
  return ok;
}

/* A new directory for what is there now: two restores of one second have two. */
static bool restore_make_former(const Restore *restore, GError **error)
{
  for (int n = 1;; n++) {
    g_autofree char *number = n > 1 ? g_strdup_printf(".%d", n) : g_strdup("");
    g_autofree char *name = g_strdup_printf("before-restore-%" G_GINT64_FORMAT "%s",
                                            restore->options->wall_ms / 1000, number);
    g_autofree char *path = restore_path(restore, name);
    if (mkdir(path, 0700) == 0) {
      restore->restored->former = g_steal_pointer(&path);
      return true;
    }
    if (errno != EEXIST)
      return backup_errno("make directory", path, error);
  }
}

/* See StoreRestore. */
static bool restore_keep(bool any, char **former, void *data, GError **error)
{
  const Restore *restore = data;
  g_autofree char *key = restore_path(restore, RESTORE_KEY);
  if (!any && access(key, F_OK) != 0)
    return true;
  if (!restore_make_former(restore, error) ||
      !backup_keep(restore->options->directory, RESTORE_KEY, restore->restored->former, error))
    return false;
  *former = g_strdup(restore->restored->former);
  return true;
}

/* The embedded node belongs to the store @id that was restored, whatever store and term it knew
 * before: that is what the caller asks for. */
static bool restore_tell_node(const Restore *restore, const char *id, GError **error)
{
  g_autofree char *node = restore_path(restore, "node"),
                  *path = g_build_filename(node, NODE_IDENTITY_FILE, NULL);
  NodeIdentity identity = {0};
  size_t length = 0;
  if (access(node, F_OK) != 0)
    return true;
  g_autofree char *text = fs_read(path, NODE_IDENTITY_MAX, &length, NULL);
  if (text) /* one that cannot be read is made anew */
    node_identity_parse(text, length, &identity, NULL);
  g_strlcpy(identity.store, id, sizeof identity.store);
  identity.term = 0;
  g_autofree char *kept = node_identity_write(&identity);
  return fs_write(path, kept, strlen(kept), 0600, true, error);
}

/* See StoreRestore. */
static bool restore_place(const char *id, void *data, GError **error)
{
  const Restore *restore = data;
  g_autofree char *key = restore_path(restore, RESTORE_KEY);
  if (!restore_tell_node(restore, id, error))
    return false;
  if (restore->manifest->with_key && rename(restore->fresh_key, key) != 0)
    return backup_errno("put in place", key, error);
  restore->restored->key_present = !restore->manifest->secrets || access(key, F_OK) == 0;
  return true;
}

bool backup_restore(const BackupOptions *options, BackupManifest *manifest,
                    BackupRestored *restored, GError **error)
{
  *restored = (BackupRestored){0};
  Restore restore = {.options = options, .manifest = manifest, .restored = restored};
  StoreRestore steps = {
      .unpack = restore_unpack, .keep = restore_keep, .place = restore_place, .data = &restore};
  restore.fresh_key = restore_path(&restore, "restore.key");
  bool ok = store_restore(options->directory, &steps, &restored->term, error);
  if (!ok) {
    if (restore.ours)
      unlink(restore.fresh_key);
    backup_restored_done(restored);
  }
  g_free(restore.fresh_key);
  return ok;
}
