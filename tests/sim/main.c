/* sim --seeds FROM..TO [--verbose] [--coverage] [--unreached FILE] [--digests FILE]
 * [--print-digests]: runs the simulator; exit 1 names the seed and the broken invariant, the seed
 * whose trace has another digest than FILE says, or the cells of the state tables that do not agree
 * with FILE. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

typedef struct SimOptions {
  uint64_t from, to;
  bool verbose, coverage, keep_going, print_digests;
  const char *unreached;
  GHashTable *digests; /* "SEED DIGEST" as they are to be, and "SEED"; NULL = whatever they are */
} SimOptions;

static char *digest_line(uint64_t seed, uint64_t digest)
{
  return g_strdup_printf("%" G_GUINT64_FORMAT " %016" G_GINT64_MODIFIER "x", seed, digest);
}

static GHashTable *digests_read(const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, NULL, &error))
    g_error("%s", error->message);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  GHashTable *digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; lines[i]; i++) {
    g_hash_table_add(digests, g_strdup(lines[i]));
    g_hash_table_add(digests, g_strndup(lines[i], strcspn(lines[i], " ")));
  }
  return digests;
}

/* True when the trace of @seed is not what it was when the file was written. */
static bool digest_differs(const SimOptions *options, uint64_t seed, uint64_t digest)
{
  g_autofree char *line = digest_line(seed, digest),
                  *name = g_strdup_printf("%" G_GUINT64_FORMAT, seed);
  if (options->print_digests)
    printf("%s\n", line);
  if (!options->digests || !g_hash_table_contains(options->digests, name) ||
      g_hash_table_contains(options->digests, line))
    return false;
  printf(
      "seed %s: its trace differs from the one that was recorded; --verbose of both builds shows where\n",
      line);
  return true;
}

static SimOptions options_read(int argc, char **argv)
{
  SimOptions options = {.from = 1, .to = 200};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
      sscanf(argv[++i], "%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT, &options.from, &options.to);
    else if (strcmp(argv[i], "--unreached") == 0 && i + 1 < argc)
      options.unreached = argv[++i];
    else if (strcmp(argv[i], "--digests") == 0 && i + 1 < argc)
      options.digests = digests_read(argv[++i]);
    options.print_digests = options.print_digests || strcmp(argv[i], "--print-digests") == 0;
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
  for (uint64_t seed = options->from; seed <= options->to && (!failed || options->keep_going);
       seed++) {
    uint64_t digest;
    g_autofree char *broken = sim_run(seed, options->verbose, &digest);
    failed += broken != NULL;
    failed += digest_differs(options, seed, digest);
  }
  double seconds = (double)(g_get_monotonic_time() - started) / 1e6;
  if (!failed)
    printf("seeds %" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT " hold; %.1f s, %.0f seeds/s\n",
           options->from, options->to, seconds,
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
  g_clear_pointer(&options.digests, g_hash_table_unref);
  sim_cover_end();
  return failed != 0;
}
