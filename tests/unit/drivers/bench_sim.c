/* The driver of the simulator, in a world where nothing goes wrong by itself and agents do what
 * their spec says. */
#include "bench.h"

#include "base/json.h"
#include "sim.h"

enum { BENCH_WAIT_MS = 120000, BENCH_PULSE_MS = 5 };

static Sim sim;
static DriverTell bench_tell;
static int64_t bench_until_ms;

static void bench_pulse(Sim *world, void *data)
{
  (void)data;
  sim_at(world, BENCH_PULSE_MS, LIVES_ALWAYS, bench_pulse, NULL, NULL);
}

static void bench_begin(DriverTell tell)
{
  sim = (Sim){.random = 7919,
              .boot_ms = 1000,
              .wall_offset = 1700000000000,
              .server_wake = INT64_MAX,
              .node_wake = INT64_MAX,
              .scripted = true};
  sim_init(&sim);
  sim.driver->ops->close(sim.driver);
  sim.driver = NULL;
  sim.node_up = true;
  bench_tell = tell;
  bench_until_ms = sim.boot_ms + BENCH_WAIT_MS;
  bench_pulse(&sim, NULL);
}

static Driver *bench_open(void)
{
  DriverWorld world = {.tell = bench_tell, .data = &sim};
  sim.lives[LIVES_WITH_NODE]++; /* nobody hears the shims of the former life before they are found
                                 */
  sim.node_starts++;
  sim.driver = driver_open(&sim_driver, &world, NULL);
  return sim.driver;
}

/* The contract has closed its driver; the world is left with one to close. */
static void bench_end(void)
{
  g_assert_cmpstr(sim.broken, ==, NULL);
  bench_open();
  sim_done(&sim);
}

static InstanceSpec *bench_equip(const char *id, BenchProgram program)
{
  static const char *const words[] = {
      [BENCH_SLEEPS] = "sleep", [BENCH_EXITS_3] = "exit 3", [BENCH_HOLDS] = "hold",
      [BENCH_TREE] = "tree",    [BENCH_ABSENT] = "absent",  [BENCH_BUSY] = "busy",
      [BENCH_SAYS] = "sleep"};
  InstanceSpec *spec = instance_spec_new();
  spec->deployment = g_strdup("test");
  spec->agent = g_strdup("a");
  spec->argv = g_strsplit(words[program], " ", -1);
  spec->environment = g_new0(char *, 1);
  spec->working_dir = g_strdup("/");
  spec->restart = (RestartSpec){.policy = RESTART_ALWAYS, .max = -1};
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_int(out, "epoch", 1);
  jw_raw(out, "spec", "");
  instance_spec_write(spec, out);
  jw_close(out, '}');
  g_hash_table_replace(sim.files, g_strdup(id), g_string_free(out, FALSE));
  return spec;
}

static bool bench_step(void)
{
  sim_step(&sim);
  return sim.boot_ms < bench_until_ms && !sim.broken;
}

static int bench_living(const char *id)
{
  return sim_shim(&sim, id)->proc.alive + sim_shim(&sim, id)->proc.escaped;
}

static bool bench_handle(const char *id)
{
  return sim_shim(&sim, id)->alive;
}

static void bench_freeze(const char *id)
{
  sim_shim_freeze(&sim, sim_shim(&sim, id), true);
}

static void bench_wake(const char *id)
{
  (void)id;
  sim_shims_wake(&sim);
}

static void bench_kill_handle(const char *id)
{
  sim_shim_dies(&sim, sim_shim(&sim, id));
}

const Bench sim_bench = {.name = "sim",
                         .begin = bench_begin,
                         .end = bench_end,
                         .open = bench_open,
                         .equip = bench_equip,
                         .step = bench_step,
                         .living = bench_living,
                         .handle = bench_handle,
                         .freeze = bench_freeze,
                         .wake = bench_wake,
                         .kill_handle = bench_kill_handle};
