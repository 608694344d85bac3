#pragma once
/* Sealing of secrets: AES-256-GCM under a key in a file of the data directory (secrets.key, mode
 * 0600). The sealed text names its format and is bound to the name of the secret, so that no sealed
 * text can stand in for another. Functions block shortly on that one small file.
 */
#include <glib.h>
#include <stdbool.h>

enum { SEAL_KEY_BYTES = 32, SEAL_VALUE_MAX = 64 * 1024 };

/* The sealed form of @value under the name @name: text. The key is made when @directory has none.
 * Caller frees. NULL with @error: the key file is readable by others, cut short, or cannot be made.
 */
char *seal_close(const char *directory, const char *name, const char *value, GError **error);
/* The value again; wipe and free it with seal_wipe. NULL with @error: no key, another key, a
 * changed text. */
char *seal_open(const char *directory, const char *name, const char *sealed, GError **error);
/* A key of its own for @purpose, the same each time: 64 hex digits, HMAC-SHA256 under the key of
 * the secrets. The key is made when
 * @directory has none. Wipe and free with seal_wipe. NULL with @error as seal_close. */
char *seal_derive(const char *directory, const char *purpose, GError **error);
/* Overwrites and frees @value; NULL is fine. */
void seal_wipe(char *value);
/* Path of the key file. Caller frees. */
char *seal_key_path(const char *directory);
