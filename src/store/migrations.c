/* The steps; see migrations.h. Version 1 is the first: an empty database gets it whole from the table specs. */
#include "store/migrations.h"

#include <stddef.h>

const char *migration_sql(int from_version)
{
  (void)from_version;
  return NULL;
}
