#pragma once
/* What is said of a limit, the same words whoever finds it: "'agents': 50001 agents; at most
 * 50000". */
#include "base/problems.h"
#include "model/limits.h"

#include <stdint.h>

/* Is @found within @limit? Else a problem at @pos says so; @subject (printf format): what has so
 * many. */
bool limit_holds(Limit limit, int64_t found, Problems *problems, SourcePos pos, const char *subject,
                 ...) G_GNUC_PRINTF(5, 6);
/* The same for readers that end at the first error: false with REEVE_ERROR_INVALID. */
bool limit_require(Limit limit, int64_t found, const char *subject, GError **error);
/* The table of all limits as Markdown. Caller frees. */
char *limits_markdown(void);
