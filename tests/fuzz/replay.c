/* Runs every file of a corpus directory through the fuzz target it is linked with: what the fuzzer
 * once found stays found. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
  g_autoptr(GDir) dir = argc == 2 ? g_dir_open(argv[1], 0, NULL) : NULL;
  int count = 0;
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name;
       name = g_dir_read_name(dir), count++) {
    g_autofree char *path = g_build_filename(argv[1], name, NULL);
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents(path, &text, &length, NULL))
      return 1;
    LLVMFuzzerTestOneInput((const uint8_t *)text, length);
  }
  printf("%d inputs replayed\n", count);
  return count ? 0 : 1;
}
