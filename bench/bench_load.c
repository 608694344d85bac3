/* Times reading and validating one job file, and libfyaml's bare parse of the same text,
 * alternately. Usage: bench_load FILE ROUNDS; a line of "ours_ms parse_ms" for each round. */
#include "formats/job_reader.h"

#include "base/fs.h"

#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double ms_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static char *bench_file(const char *path, size_t max, size_t *length, void *data, GError **error)
{
  (void)data;
  return fs_read(path, max, length, error);
}

static const char *bench_variable(const char *name, void *data)
{
  (void)data;
  return g_getenv(name);
}

int main(int argc, char **argv)
{
  size_t length;
  g_autofree char *text = argc == 3 ? fs_read(argv[1], 64 * 1024 * 1024, &length, NULL) : NULL;
  if (!text)
    return 2;
  JobReadOptions options = {.file_name = argv[1],
                            .directory = "/tmp",
                            .read_file = bench_file,
                            .variable = bench_variable};
  for (int round = 0; round < atoi(argv[2]); round++) {
    double start = ms_now();
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Job) job = job_read(text, length, &options, problems);
    double middle = ms_now();
    struct fy_document *document = fy_document_build_from_string(NULL, text, length);
    double end = ms_now();
    fy_document_destroy(document);
    if (!job) {
      g_autofree char *why = problems_text(problems);
      fprintf(stderr, "%s", why);
      return 1;
    }
    printf("%.2f %.2f\n", middle - start, end - middle);
  }
  return 0;
}
