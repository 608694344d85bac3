#pragma once
/* Numbered steps from one schema version to the next; forward only. Step n brings version n to n + 1. A released step never changes. */
#include <sqlite3.h>

/* SQL of each step, or NULL where version n + 1 is made whole from table_specs (n = 0). */
const char *migration_sql(int from_version);
