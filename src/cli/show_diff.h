#pragma once
/* The difference of two jobs, for people: added, changed, removed agents, key by key. */
#include "cli/cli.h"

/* Text of the answer of POST /api/plan or GET .../diff: what differs, and whose environment is
 * stale; "" when nothing is. @colors: with SGR. With a member "past" it is of two revisions, and
 * not of what runs. Caller frees. */
char *show_diff_text(const json_t *answer, bool colors);
