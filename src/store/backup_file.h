#pragma once
/* What the files of the backup share: the head as text, copying with a checksum, keeping what will
 * be replaced. */
#include "store/backup.h"
#include "store/store.h"

/* The two first lines of a backup. Caller frees. */
char *backup_head_text(const BackupManifest *manifest);
/* Copies @bytes bytes (-1 = all) from @from to @to (-1 = nowhere); their SHA-256 goes to @digest,
 * their number to @copied (may be NULL). */
bool backup_copy(int from, int to, int64_t bytes, char digest[65], int64_t *copied, GError **error);
/* Gives the file @name of @directory a second name in the directory @former, or copies it where
 * files have one name only. Absent is fine. */
bool backup_keep(const char *directory, const char *name, const char *former, GError **error);
/* Sets @error to "WHAT 'PATH': reason" of errno: STORE_FULL without room, else INTERNAL. Returns
 * false. */
bool backup_errno(const char *what, const char *path, GError **error);
