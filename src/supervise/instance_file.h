#pragma once
/* The file that a node keeps for an instance, so that its next life goes on where it was: JSON
 * {"version","id","epoch","generation","desired","restarts","boot_id","outcome","exit_code",
 * "exit_signal","reason","spec"}. Members are added, none change. */
#include "supervise/instance.h"

/* Of @instance as it is now. Caller frees. */
char *instance_file_write(const NodeInstance *instance);
/* Fills @instance from the text; REEVE_ERROR_INVALID: no such object, or of another instance. */
bool instance_file_parse(NodeInstance *instance, const char *text, GError **error);
