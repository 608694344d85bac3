/* Prints argv[1] MiB in lines of 100 bytes to stdout, through a 64 KiB buffer, then ends. Static.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
  long bytes = (argc > 1 ? atol(argv[1]) : 1) * 1024 * 1024;
  char block[65000];
  for (size_t i = 0; i < sizeof block; i++)
    block[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
  while (bytes > 0) {
    size_t n = bytes < (long)sizeof block ? (size_t)bytes : sizeof block;
    ssize_t written = write(STDOUT_FILENO, block, n);
    if (written <= 0)
      return 1;
    bytes -= written;
  }
  return 0;
}
