#pragma once
/* What the files of the backup share: the head as text, copying with a checksum, one look into a
 * database. */
#include "store/backup.h"

#include <sqlite3.h>

/* The id of the store @db into @id: "" when it has none. */
void backup_store_id(sqlite3 *db, char id[65]);
/* The two first lines of a backup. Caller frees. */
char *backup_head_text(const BackupManifest *manifest);
/* Copies @bytes bytes (-1 = all) from @from to @to (-1 = nowhere); their SHA-256 goes to @digest,
 * their number to @copied (may be NULL). */
bool backup_copy(int from, int to, int64_t bytes, char digest[65], int64_t *copied, GError **error);
/* Opens the database @path and reads what a manifest says of it; checks its integrity when
 * @thorough. Caller closes @db. */
bool backup_look(const char *path, bool thorough, BackupManifest *manifest, sqlite3 **db,
                 GError **error);
bool backup_errno(const char *what, const char *path, GError **error);
