#pragma once
/* Files, as the left column needs them. Every path that writes passes a crash point, so that tests can end the process there. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sets @error to "VERB 'PATH': reason" of errno: REEVE_ERROR_NOT_FOUND, _DENIED, _STORE_FULL (no room), _UNAVAILABLE (it may pass: no
 * descriptor or memory left, an error of the disk), else _INTERNAL. */
void fs_set_error(GError **error, const char *verb, const char *path);
/* Reads the regular file @path whole. Refuses more than @max bytes (REEVE_ERROR_LIMIT), directories and devices (REEVE_ERROR_INVALID),
 * absent files (REEVE_ERROR_NOT_FOUND). Returns a NUL-terminated buffer that the caller frees; @length may be NULL. */
char *fs_read(const char *path, size_t max, size_t *length, GError **error);
/* Replaces the file @name in @dir_fd (AT_FDCWD allowed): temporary file beside it, rename. @sync: fsync file and directory before
 * returning. */
bool fs_write_at(int dir_fd, const char *name, const char *data, size_t length, mode_t mode, bool sync, GError **error);
/* Makes what was created, renamed or removed in the directory @path durable. */
bool fs_sync_directory(const char *path, GError **error);
/* Makes @path and its parents with @mode; an existing directory is fine. */
bool fs_mkdirs(const char *path, mode_t mode, GError **error);
/* Takes from group and others what they may do with anything directly in the directory @path; @path itself stays as it is. */
bool fs_close_to_others(const char *path, GError **error);
/* Removes @path and all below it, never following links. Absent is fine. */
bool fs_remove_tree(const char *path, GError **error);

/* Ends the process with _exit(97) at the n-th call when built with crash points and REEVE_CRASH_AT=n is set; else does nothing. @what names
 * the point in the line it prints first. REEVE_CRASH_ROLE (server, node, shim) restricts it to one process. */
void fs_crash_point(const char *what);
/* Names this process for REEVE_CRASH_ROLE; static string. */
void fs_crash_role(const char *role);
