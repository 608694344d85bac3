#pragma once
/* What a deploy would do, without doing it. */
#include "core/objects.h"

enum { PREVIEW_ID_BYTES = 32 };

/* A name for "this job, onto what is there now": equal only while both are. */
void core_plan_id(const Core *core, const Job *job, char out[PREVIEW_ID_BYTES]);
/* {"name","plan","exists","from","changed","actions":[{"agent","action":"start|replace|scale|stop|keep","from","to"}],"diff":{...}}
 * as JSON; from and to are numbers of replicas. Caller frees. Errors: REEVE_ERROR_INVALID. */
char *core_preview(const Core *core, const Job *job, GError **error);
