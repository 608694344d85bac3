/* sim --seeds FROM..TO [--verbose] [--coverage] [--unreached FILE]: runs the simulator; exit 1 names the seed and the broken invariant, or
 * the cells of the state tables that do not agree with FILE. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

typedef struct SimOptions {
  uint64_t from, to;
  bool verbose, coverage, keep_going;
  const char *unreached;
} SimOptions;

static SimOptions options_read(int argc, char **argv)
{
  SimOptions options = {.from = 1, .to = 200};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
      sscanf(argv[++i], "%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT, &options.from, &options.to);
    else if (strcmp(argv[i], "--unreached") == 0 && i + 1 < argc)
      options.unreached = argv[++i];
    options.verbose = options.verbose || strcmp(argv[i], "--verbose") == 0;
    options.coverage = options.coverage || strcmp(argv[i], "--coverage") == 0;
    options.keep_going = options.keep_going || strcmp(argv[i], "--keep-going") == 0;
  }
  return options;
}

static int run_seeds(const SimOptions *options)
{
  int failed = 0;
  gint64 started = g_get_monotonic_time();
  for (uint64_t seed = options->from; seed <= options->to && (!failed || options->keep_going); seed++) {
    g_autofree char *broken = sim_run(seed, options->verbose);
    failed += broken != NULL;
  }
  double seconds = (double)(g_get_monotonic_time() - started) / 1e6;
  if (!failed)
    printf("seeds %" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT " hold; %.1f s, %.0f seeds/s\n", options->from, options->to, seconds,
           (double)(options->to - options->from + 1) / seconds);
  else
    printf("%d seeds failed\n", failed);
  return failed;
}

int main(int argc, char **argv)
{
  SimOptions options = options_read(argc, argv);
  sim_cover_begin();
  int failed = run_seeds(&options);
  if (options.coverage)
    sim_cover_print();
  if (options.unreached && !failed)
    failed = sim_cover_compare(options.unreached, options.to - options.from + 1);
  sim_cover_end();
  return failed != 0;
}
