/* Any bytes as an agent file with variables: what is filled in moves no line, and the whole is
 * found again. */
#include "formats/expand.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(const char *name, void *data)
{
  return name[0] == 'N' ? NULL : "a \"value\"\n\\ with $NAME";
}

static int lines(const char *text)
{
  int n = 0;
  for (; *text; text++)
    n += *text == '\n';
  return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text = g_strndup("", size);
  memcpy(text, data, size);
  size = strlen(text); /* the readers refuse NUL before this */
  g_autofree char *out = expand_text(text, size, "fuzz", lookup, NULL, problems);
  g_assert((out != NULL) == (problems->errors == 0));
  g_assert(!out || lines(out) == lines(text));
  SourcePos pos = expand_locate(text, "fuzz", size % 2 ? "deployment" : NULL, "port");
  g_assert(pos.line >= 1 && pos.column >= 1 && pos.line <= lines(text) + 1);
  return 0;
}
