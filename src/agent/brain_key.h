#pragma once
/* The key that a brain's server wants to see. */
#include "formats/agent_file.h"

#include <glib.h>

/* Reads the key that @file names, from a variable of the environment or from a file. Returns it (caller frees), NULL without @error when
 * @file names none, or NULL with REEVE_ERROR_INVALID when it names one that is not there, or that others may read. */
char *brain_key_read(const AgentFile *file, GError **error);
