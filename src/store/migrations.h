#pragma once
/* Numbered steps from one schema version to the next; forward only. Step n brings version n to n
 * + 1. A released step never changes. */
#include <sqlite3.h>

/* SQL that brings @from_version (1 or more) to the next one. */
const char *migration_sql(int from_version);
/* Gives a database that has no id one. */
#define STORE_NAME_SQL "INSERT OR IGNORE INTO meta VALUES ('store', lower(hex(randomblob(16))));"
