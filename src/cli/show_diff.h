#pragma once
/* The difference of two jobs, for people: added, changed, removed agents, key by key. */
#include "cli/cli.h"

/* Text of the member "diff" of POST /api/plan or GET .../diff; "" when there is none. @colors: with SGR. Caller frees. */
char *show_diff_text(const json_t *diff, bool colors);
