#pragma once
/* A backup: one file with what the store held at one moment, a manifest, and checksums over both.
 * Layout:
 *
 *   REEVE-BACKUP 1 <SHA-256 of the manifest>\n
 *   <manifest: one line of JSON>\n
 *   <what the store wrote of itself><the key of the secrets, 32 bytes, when it was asked for>
 *
 * Functions block and work on connections of their own: the server goes on meanwhile. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { BACKUP_FORMAT = 1, BACKUP_HEAD_MAX = 16 * 1024, BACKUP_KEY_BYTES = 32 };

typedef struct BackupManifest {
  char created_at[25]; /* ISO time */
  char version[32];    /* of the Reeve that wrote it */
  int64_t schema;
  int64_t term, next_id;
  int64_t deployments, secrets;
  int64_t database_bytes; /* of the store's part */
  char database_sha256[65];
  bool with_key;
  char key_sha256[65];
} BackupManifest;

/* Reads the first lines of a backup from @length bytes: pure, for foreign bytes. @body: where the
 * database begins. REEVE_ERROR_INVALID says what is wrong. */
bool backup_head_parse(const char *bytes, size_t length, BackupManifest *manifest, size_t *body,
                       GError **error);

typedef struct BackupOptions {
  const char *directory; /* data directory, which is the store's URI, too */
  const char *file;
  bool with_key;
  const char *version;
  int64_t wall_ms;
} BackupOptions;

/* Writes a backup of the store in the data directory to a new file of mode 0600; the store may be
 * in use. REEVE_ERROR_CONFLICT when the file exists, NOT_FOUND when there is no store. */
bool backup_write(const BackupOptions *options, BackupManifest *manifest, GError **error);

typedef struct BackupRestored {
  char *former; /* directory that holds what was there before, NULL = nothing was; owned */
  int64_t term;
  bool key_present; /* the secrets can be opened, or there are none */
} BackupRestored;
/* Frees what a restore told; the caller's memory stays. */
void backup_restored_done(BackupRestored *restored);

/* Puts the backup in place of the store: everything is checked first (checksums, integrity,
 * schema), what was there is kept beside, the term is raised over both, ids go on above both.
 * REEVE_ERROR_CONFLICT while a server holds the directory; on any error nothing was changed. */
bool backup_restore(const BackupOptions *options, BackupManifest *manifest,
                    BackupRestored *restored, GError **error);
