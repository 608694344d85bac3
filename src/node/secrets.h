#pragma once
/* The values that a spec names and nobody writes down. */
#include "model/frame.h"

/* "K=V" for each reference of @spec: from the file that it names, or from @frame, the server's
 * SECRETS, whose values are overwritten. Caller frees with secrets_wipe; NULL with @error, which
 * says why not, for people. */
char **secrets_values(const InstanceSpec *spec, const Frame *frame, GError **error);
/* Overwrites and frees them; NULL is fine. */
void secrets_wipe(char **pairs);
