/* Ids of objects; see id.h. */
#include "base/id.h"

#include <string.h>

static const char id_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_format(char out[ID_BYTES], const char *prefix, uint64_t number)
{
  char digits[13];
  int n = 0;
  do {
    digits[n++] = id_digits[number & 31];
    number >>= 5;
  } while (number && n < 13);
  while (n < 6)
    digits[n++] = '0';
  memcpy(out, prefix, 3);
  out[3] = '_';
  for (int i = 0; i < n; i++)
    out[4 + i] = digits[n - 1 - i];
  out[4 + n] = '\0';
}

bool id_is(const char *id, const char *prefix)
{
  if (!id || strncmp(id, prefix, 3) != 0 || id[3] != '_')
    return false;
  size_t n = strspn(id + 4, id_digits);
  return n >= 6 && n <= 13 && id[4 + n] == '\0';
}

uint64_t id_number(const char *id)
{
  size_t n = id && strnlen(id, 4) == 4 && id[3] == '_' ? strspn(id + 4, id_digits) : 0;
  if (n < 6 || n > 12 || id[4 + n] != '\0')
    return UINT64_MAX;
  uint64_t number = 0;
  for (size_t i = 0; i < n; i++)
    number = number << 5 | (uint64_t)(strchr(id_digits, id[4 + i]) - id_digits);
  return number;
}
