/* Ids of objects; see id.h. */
#include "base/id.h"

#include <glib.h>
#include <string.h>

static const char id_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { ID_SHORT = 6, ID_LONG = 12 }; /* digits; of the long form, without the 'z' before them */

void id_format(char out[ID_BYTES], const char *prefix, uint64_t number)
{
  int n = number < ID_SHORT_END ? ID_SHORT : ID_LONG;
  char *digits = out + 4;
#ifdef REEVE_BUG_ID_ORDER
  n = MIN(n, ID_SHORT + 1);
#endif
  memcpy(out, prefix, 3);
  out[3] = '_';
  if (n == ID_LONG)
    *digits++ = 'z';
  for (int i = n; i > 0; i--, number >>= 5)
    digits[i - 1] = id_digits[number & 31];
  digits[n] = '\0';
}

bool id_is(const char *id, const char *prefix)
{
  if (!id || strncmp(id, prefix, 3) != 0 || id[3] != '_')
    return false;
  size_t n = strspn(id + 4, id_digits);
  return n >= ID_SHORT && n <= ID_LONG + 1 && id[4 + n] == '\0';
}

uint64_t id_number(const char *id)
{
  size_t n = id && strnlen(id, 4) == 4 && id[3] == '_' ? strspn(id + 4, id_digits) : 0;
  bool is_long = n == ID_LONG + 1 && id[4] == 'z';
  if (n < ID_SHORT || (n > ID_LONG && !is_long) || id[4 + n] != '\0')
    return UINT64_MAX;
  uint64_t number = 0;
  for (size_t i = is_long; i < n; i++)
    number = number << 5 | (uint64_t)(strchr(id_digits, id[4 + i]) - id_digits);
  return number;
}
