/* The world of one run: virtual time, chance, the queue of events, the trace; and the run itself:
 * faults, then quiet, then the checks. */
#include "sim.h"

#include "base/id.h"

#include <stdio.h>
#include <string.h>

typedef struct SimEvent {
  int64_t at;
  uint64_t seq;
  SimFn fn;
  void *data;
  GDestroyNotify done;
  SimLife lives;
  int life;
} SimEvent;

/* ---- chance and time ---- */

uint64_t sim_random(Sim *sim)
{
  uint64_t z = (sim->random += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

int sim_below(Sim *sim, int n)
{
  return (int)(sim_random(sim) % (uint64_t)n);
}

bool sim_chance(Sim *sim, int percent)
{
  return sim_below(sim, 100) < percent;
}

bool sim_fault_chance(Sim *sim, int thousandth)
{
  return sim->faults && thousandth > 0 && sim_below(sim, 1000) < thousandth;
}

Now sim_now(const Sim *sim)
{
  return (Now){.boot_ms = sim->boot_ms, .wall_ms = sim->boot_ms + sim->wall_offset};
}

/* ---- trace ---- */

void sim_say(Sim *sim, const char *format, ...)
{
  GString **line = &sim->trace[sim->traced++ % SIM_TRACE];
  if (!*line)
    *line = g_string_new(NULL);
  va_list args;
  va_start(args, format);
  g_string_printf(*line, "%8" G_GINT64_FORMAT " ", sim->boot_ms);
  g_string_append_vprintf(*line, format, args);
  va_end(args);
  sim_digest_text(&sim->digest, (*line)->str);
  if (sim->verbose)
    printf("%s\n", (*line)->str);
}

void sim_break(Sim *sim, const char *format, ...)
{
  if (sim->broken)
    return;
  va_list args;
  va_start(args, format);
  sim->broken = g_strdup_vprintf(format, args);
  va_end(args);
}

/* ---- events ---- */

static gint sim_compare(gconstpointer a, gconstpointer b, gpointer data)
{
  (void)data;
  const SimEvent *x = a, *y = b;
  return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->seq < y->seq ? -1 : 1;
}

void sim_at(Sim *sim, int64_t delay_ms, SimLife lives, SimFn fn, void *data, GDestroyNotify done)
{
  SimEvent *event = g_new0(SimEvent, 1);
  *event = (SimEvent){.at = sim->boot_ms + delay_ms,
                      .seq = sim->seq++,
                      .fn = fn,
                      .data = data,
                      .done = done,
                      .lives = lives,
                      .life = sim->lives[lives]};
  g_sequence_insert_sorted(sim->events, event, sim_compare, NULL);
}

static void sim_event_free(SimEvent *event)
{
  if (event->done)
    event->done(event->data);
  g_free(event);
}

static gint sim_compare_text(gconstpointer a, gconstpointer b)
{
  return strcmp(a, b);
}

GList *sim_sorted_keys(GHashTable *table)
{
  return g_list_sort(g_hash_table_get_keys(table), sim_compare_text);
}

static void sim_node_tick(Sim *sim)
{
  sim->boot_ms = MAX(sim->boot_ms, sim->node_wake);
  sim->node_wake = INT64_MAX;
  NodeEvent tick = {.type = NODE_EVENT_TICK};
  sim_node_event(sim, &tick);
}

/* The earliest of the next event, the server's and the node's wake-up. */
void sim_step(Sim *sim)
{
  if (++sim->steps % SIM_STEPS_MAX == 0)
    sim_break(sim, "something goes round and round: %" G_GUINT64_FORMAT " steps", sim->steps);
  GSequenceIter *first = g_sequence_get_begin_iter(sim->events);
  SimEvent *event = g_sequence_get(first);
  int64_t server = sim_server_due(sim), node = sim->node_up ? sim->node_wake : INT64_MAX;
  if (server <= event->at && server <= node) {
    sim_server_call(sim);
    return;
  }
  if (node <= event->at) {
    sim_node_tick(sim);
    return;
  }
  sim->boot_ms = MAX(sim->boot_ms, event->at);
  g_sequence_remove(first);
  if (event->life == sim->lives[event->lives])
    event->fn(sim, event->data);
  sim_event_free(event);
}

/* ---- one run ---- */

static void sim_pulse(Sim *sim, void *data)
{
  (void)data;
  sim->pulses++;
  if (sim->faults)
    sim_fault(sim);
  if (sim_chance(sim, 50) || !sim->faults)
    sim_link_connect(sim);
  sim_at(sim, sim->faults ? 1 + sim_below(sim, 2000) : 500, LIVES_ALWAYS, sim_pulse, NULL, NULL);
}

void sim_init(Sim *sim)
{
  sim->events = g_sequence_new(NULL);
  sim_digest_init(&sim->digest);
  sim_store_init(sim);
  sim->promised = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  sim->shims = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sim_shim_free);
  sim->reserved = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  sim->foreign = g_hash_table_new(NULL, NULL);
  sim->was_healthy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->former = g_hash_table_new(g_str_hash, g_str_equal);
  sim->ready_before = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->posts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  sim->heard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->fired = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->driver = driver_open(&sim_driver, &(DriverWorld){.tell = sim_node_hears, .data = sim}, NULL);
  g_strlcpy(sim->boot_id, "boot-0", sizeof sim->boot_id);
  g_strlcpy(sim->identity.incarnation, "incarnation-0", sizeof sim->identity.incarnation);
  sim_draw_rates(sim);
}

void sim_done(Sim *sim)
{
  for (GSequenceIter *at = g_sequence_get_begin_iter(sim->events); !g_sequence_iter_is_end(at);
       at = g_sequence_iter_next(at))
    sim_event_free(g_sequence_get(at));
  g_sequence_free(sim->events);
  for (guint i = 0; i < SIM_TRACE; i++)
    if (sim->trace[i])
      g_string_free(sim->trace[i], TRUE);
  engine_free(sim->engine);
  dispatch_free(sim->node);
  sim->driver->ops->close(sim->driver);
  sim_store_done(sim);
  frame_join_clear(&sim->join);
  g_hash_table_unref(sim->promised);
  g_hash_table_unref(sim->files);
  g_hash_table_unref(sim->shims);
  g_hash_table_unref(sim->reserved);
  g_hash_table_unref(sim->foreign);
  g_hash_table_unref(sim->was_healthy);
  g_hash_table_unref(sim->former);
  g_hash_table_unref(sim->ready_before);
  g_hash_table_unref(sim->taken);
  g_hash_table_unref(sim->posts);
  g_hash_table_unref(sim->heard);
  g_hash_table_unref(sim->fired);
  sim_digest_done(&sim->digest);
}

/* What lasts goes on for ever: no more faults, and what went wrong with the machine is mended. */
static void sim_end_faults(Sim *sim)
{
  sim->faults = false;
  if (sim_is_other(sim)) {
    sim_server_crash(sim);
    sim_own_store(sim);
  }
  sim->store_full = sim->command_missing = false;
  g_hash_table_remove_all(sim->foreign);
  sim_say(sim, "faults end");
  sim_shims_wake(sim);
}

static void sim_wait_settled(Sim *sim)
{
  int64_t end = sim->boot_ms + SIM_QUIET_MS, since = sim->boot_ms;
  while (!sim->broken && sim->boot_ms < end && sim->boot_ms < since + SIM_SETTLED_MS) {
    sim_step(sim);
    if (!sim_settled(sim))
      since = sim->boot_ms;
  }
}

static void sim_report(const Sim *sim, uint64_t seed)
{
  printf("seed %" G_GUINT64_FORMAT ": %s\n", seed, sim->broken);
  for (guint i = sim->traced > SIM_TRACE ? sim->traced - SIM_TRACE : 0;
       i < sim->traced && !sim->verbose; i++)
    printf("  %s\n", sim->trace[i % SIM_TRACE]->str);
}

char *sim_run(uint64_t seed, bool verbose, uint64_t *digest)
{
  Sim sim = {.random = seed * 7919,
             .boot_ms = 1000,
             .wall_offset = 1700000000000,
             .verbose = verbose,
             .faults = true,
             .fold_every = seed % 10 ? 16 : 1,
             .page_bytes = seed % 3 ? 0 : 1500,
             .first_id = seed % 5 ? 1 : ID_SHORT_END - 4096 * (1 + seed / 5 % 2),
             .server_wake = INT64_MAX,
             .server_probe = INT64_MAX,
             .node_wake = INT64_MAX};
  sim_init(&sim);
  sim_server_start(&sim, NULL);
  sim_node_start(&sim, NULL);
  sim_at(&sim, 10, LIVES_ALWAYS, sim_pulse, NULL, NULL);
  while (!sim.broken && sim.pulses < SIM_PULSES)
    sim_step(&sim);
  sim_end_faults(&sim);
  sim_wait_settled(&sim);
  if (!sim.broken)
    sim_check_quiet(&sim);
  if (sim.broken)
    sim_report(&sim, seed);
  *digest = sim.digest.hash;
  sim_done(&sim);
  return sim.broken;
}
