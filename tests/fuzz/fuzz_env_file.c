/* Any bytes as an env file: names are never empty and hold no equals sign, and what is wrong is on
 * a line that there is. */
#include "formats/env_file.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(const char *name, void *data)
{
  (void)data;
  return name[0] == 'N' ? NULL : "a \"value\" # with ${NAME}";
}

static void wrong(int line, const char *what, void *data)
{
  g_assert(line >= 1 && line <= *(const int *)data && what[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  int lines = 1;
  for (const char *p = text; *p; p++)
    lines += *p == '\n' || *p == '\r';
  StrMap map;
  strmap_init(&map);
  env_file_read(
      text, &(EnvFileReader){.variable = size % 2 ? lookup : NULL, .wrong = wrong, .data = &lines},
      &map);
  for (guint i = 0; i < strmap_size(&map); i++)
    g_assert(strmap_at(&map, i)->key[0] && !strchr(strmap_at(&map, i)->key, '='));
  strmap_done(&map);
  return 0;
}
