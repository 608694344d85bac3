#pragma once
/* Files, as the left column needs them. Every path that writes passes a crash point, so that tests
 * can end the process there. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stat;

/* Sets @error to "VERB 'PATH': reason" of errno: REEVE_ERROR_NOT_FOUND, _DENIED, _STORE_FULL (no
 * room), _UNAVAILABLE (it may pass: no descriptor or memory left, an error of the disk), else
 * _INTERNAL. */
void fs_set_error(GError **error, const char *verb, const char *path);
/* Reads the regular file @path whole. Refuses more than @max bytes (REEVE_ERROR_LIMIT), directories
 * and devices (REEVE_ERROR_INVALID), absent files (REEVE_ERROR_NOT_FOUND). Returns a NUL-terminated
 * buffer that the caller frees; @length may be NULL. */
char *fs_read(const char *path, size_t max, size_t *length, GError **error);
/* What holds a secret is its owner's alone: refuses with REEVE_ERROR_DENIED, and the chmod that
 * helps, when group or others may do anything with the file @path that @status is of; with
 * REEVE_ERROR_INVALID when it is no regular file. */
bool fs_require_private(const struct stat *status, const char *path, GError **error);
/* The value of a file that holds one (a key, a token, a password), by that rule: a text of at most
 * @max bytes, without a byte order mark and one line end at its end. The caller frees it, and wipes
 * it where it matters. Errors as of fs_read. */
char *fs_read_value(const char *path, size_t max, GError **error);
/* Replaces the file @path: a temporary file beside it ("@path.new"), rename. @sync: fsync file and
 * directory before returning. */
bool fs_write(const char *path, const char *data, size_t length, mode_t mode, bool sync,
              GError **error);
/* Makes what was created, renamed or removed in the directory @path durable. */
bool fs_sync_directory(const char *path, GError **error);
/* Makes @path and its parents with @mode; an existing directory is fine. */
bool fs_mkdirs(const char *path, mode_t mode, GError **error);
/* Takes from group and others what they may do with anything directly in the directory @path; @path
 * itself stays as it is. */
bool fs_close_to_others(const char *path, GError **error);
/* Removes @path and all below it, never following links. Absent is fine. */
bool fs_remove_tree(const char *path, GError **error);

/* Ends the process with _exit(97) at the n-th call when built with crash points and
 * REEVE_CRASH_AT=n is set; else does nothing. @what names the point in the line it prints first.
 * REEVE_CRASH_ROLE (server, node, shim) restricts it to one process. */
void fs_crash_point(const char *what);
/* Names this process for REEVE_CRASH_ROLE; static string. */
void fs_crash_role(const char *role);
