#pragma once
/* Keys: the one that a brain's server wants to see, and any that is in a file. */
#include "formats/agent_file.h"

#include <glib.h>

/* Reads the key in the file @path, which @row of the agent file names: a text without blanks around
 * it, of a file that is its owner's alone (fs_require_private). Caller frees; NULL with @error. */
char *key_file_read(const char *row, const char *path, GError **error);
/* Reads the key that @file names, from a variable of the environment or from a file. Returns it
 * (caller frees), NULL without @error when
 * @file names none, or NULL with @error when it names one that is not there, is empty, or that
 * others may read. */
char *brain_key_read(const AgentFile *file, GError **error);
