#pragma once
/* Sealed secrets, and which agents run with an old one. */
#include "core/objects.h"

/* Of two places in a list of Secret*: by name. */
gint secret_compare(gconstpointer a, gconstpointer b);
/* Everything was loaded: which instances run with an environment that is no longer what it should
 * be. */
void secrets_loaded(Core *core);
/* Names what @job wants and nobody has set; NULL when nothing is missing. Caller frees. */
char *secrets_missing(const Core *core, const Job *job);
