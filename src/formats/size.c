/* Owns the reading of sizes. */
#include "formats/size.h"

#include <glib.h>
#include <string.h>

bool size_parse(const char *text, int64_t *bytes)
{
  static const char letters[] = "KMGT";
  char *unit;
  double number = g_ascii_strtod(text, &unit);
  const char *letter = unit[0] ? strchr(letters, g_ascii_toupper(unit[0])) : NULL;
  if (letter)
    unit++;
  if (unit[0] == 'i')
    unit++;
  if (unit[0] == 'B' || unit[0] == 'b')
    unit++;
  for (long i = letter ? letter - letters + 1 : 0; i > 0; i--)
    number *= 1024;
  if (unit[0] || !g_ascii_isdigit(text[0]) || !(number >= 1 && number <= 1e15))
    return false;
  *bytes = (int64_t)number;
  return true;
}
