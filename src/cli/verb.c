/* Finds a verb among others. */
#include "cli/cli.h"

const Verb *verb_find(const Verbs *verbs, const char *name)
{
  for (guint i = 0; i < verbs->n; i++)
    if (g_str_equal(verbs->rows[i].name, name))
      return &verbs->rows[i];
  return NULL;
}
