/* What goes wrong by itself: crashes, broken links, reboots, clocks, a full disk, programs of
 * others; and how often, which each seed draws anew. */
#include "sim.h"

#include <string.h>

void sim_draw_rates(Sim *sim)
{
  static const int crash[] = {0, 0, 1, 3, 10, 30};
  static const int frame[] = {0, 0, 5, 20, 60};
  SimRates *rates = &sim->rates;
  rates->server_crash = crash[sim_below(sim, G_N_ELEMENTS(crash))];
  rates->node_crash = crash[sim_below(sim, G_N_ELEMENTS(crash))];
  rates->shim_crash = crash[sim_below(sim, G_N_ELEMENTS(crash))];
  rates->late = frame[sim_below(sim, G_N_ELEMENTS(frame))];
  rates->repeated = frame[sim_below(sim, G_N_ELEMENTS(frame))];
  rates->lost = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 4;
  rates->store_failed = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 4;
  rates->busy = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 5;
  rates->unsynced = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 5;
  rates->unknown = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 3;
  rates->shim_failed = frame[sim_below(sim, G_N_ELEMENTS(frame))] / 2;
  rates->start_failed = frame[sim_below(sim, G_N_ELEMENTS(frame))];
  rates->unreadable = frame[sim_below(sim, G_N_ELEMENTS(frame))];
  rates->restores = sim_chance(sim, 50) ? 6 : 0;
}

/* Does its file tell how it ended? Then that is so for ever. */
static bool fault_ended(const Sim *sim, const SimShim *shim)
{
  const char *file = g_hash_table_lookup(sim->files, shim->id);
  return file && strstr(file, "\"outcome\":\"");
}

/* Its state directory is made anew: a copy of nothing. */
static void fault_lose_disk(Sim *sim)
{
  sim_say(sim, "the node's disk is lost");
  g_hash_table_remove_all(sim->files);
  g_hash_table_remove_all(sim->shims);
  sim->identity = (NodeIdentity){0};
  g_snprintf(sim->identity.incarnation, sizeof sim->identity.incarnation, "incarnation-%d",
             sim->boots);
}

static void fault_reboot(Sim *sim)
{
  sim_say(sim, "the machine reboots");
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, sim->shims);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    SimShim *shim = value;
    shim->alive = shim->running = shim->proc.alive = shim->proc.escaped = false;
    shim->frozen = shim->unreaped = false;
    if (!fault_ended(sim, shim)) /* the policy counts starts after ends that were seen */
      shim->starts = 0;
  }
  sim->lives[LIVES_WITH_MACHINE]++;
  g_snprintf(sim->boot_id, sizeof sim->boot_id, "boot-%d", ++sim->boots);
  sim_node_crash(sim);
  if (sim_chance(sim, 15))
    fault_lose_disk(sim);
  if (sim_chance(sim, 30)) /* the server is elsewhere, and away for longer than a lease */
    sim->server_away_ms = sim_below(sim, 200000);
  sim_server_crash(sim);
}

static void fault_clock(Sim *sim)
{
  sim->wall_offset += (sim_below(sim, 2) ? 1 : -1) * sim_below(sim, 3600000);
  /* set back, a time may come again for a schedule that is made anew */
  g_hash_table_remove_all(sim->fired);
  sim_say(sim, "the clock is set");
}

static void fault_suspend(Sim *sim)
{
  sim->boot_ms += sim_below(sim, 90000);
  sim_say(sim, "the machine was suspended");
}

static void fault_room(Sim *sim, void *data)
{
  (void)data;
  sim->store_full = false;
  sim_say(sim, "the server's disk has room");
}

void sim_disk_fails(Sim *sim, int64_t ms)
{
  sim->store_full = true;
  sim_at(sim, ms, LIVES_ALWAYS, fault_room, NULL, NULL);
}

static void fault_full(Sim *sim)
{
  sim->store_full = true;
  sim_say(sim, "the server's disk is full");
  sim_at(sim, 1 + sim_below(sim, 8000), LIVES_ALWAYS, fault_room, NULL, NULL);
}

/* Another program takes a port, or leaves it. */
static void fault_foreign(Sim *sim)
{
  int port = (sim_below(sim, 2) ? 9000 : 8100) + sim_below(sim, 8);
  if (g_hash_table_remove(sim->foreign, GINT_TO_POINTER(port)) || !sim_port_free(sim, port))
    return;
  sim_say(sim, "somebody else takes port %d", port);
  g_hash_table_add(sim->foreign, GINT_TO_POINTER(port));
}

static void fault_command(Sim *sim)
{
  sim->command_missing = !sim->command_missing && sim_chance(sim, 50);
  sim_say(sim, "the program 'tool' is %s", sim->command_missing ? "removed" : "back");
}

static void fault_backup(Sim *sim)
{
  if (sim->rates.restores == 0 || sim_is_other(sim))
    return;
  if (!sim->backup || sim_chance(sim, 30)) {
    sim_backup(sim);
    return;
  }
  sim_server_crash(sim);
  sim_restore(sim);
}

static void fault_own(Sim *sim, void *data)
{
  (void)data;
  if (!sim_is_other(sim))
    return;
  sim_server_crash(sim);
  sim_own_store(sim);
}

/* A data directory that is not mounted, or a wrong path, and a service manager that starts the
 * server nevertheless. */
static void fault_other(Sim *sim)
{
  if (sim_is_other(sim))
    return;
  sim_server_crash(sim);
  sim_other_store(sim);
  sim_at(sim, 1 + sim_below(sim, 40000), LIVES_ALWAYS, fault_own, NULL, NULL);
}

typedef struct Fault {
  int percent;
  void (*happens)(Sim *sim);
} Fault;

/* What is left of a hundred is a user's request. */
static const Fault faults[] = {
    {6, sim_server_crash}, {8, sim_node_crash}, {8, sim_link_break}, {8, sim_some_shim_dies},
    {4, fault_reboot},     {5, fault_clock},    {5, fault_full},     {3, fault_suspend},
    {5, fault_foreign},    {3, fault_command},  {6, fault_backup},   {4, sim_some_shim_freezes},
    {2, fault_other},
};

void sim_fault(Sim *sim)
{
  int kind = sim_below(sim, 100);
  for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
    if (kind < faults[i].percent) {
      faults[i].happens(sim);
      return;
    }
    kind -= faults[i].percent;
  }
  sim_user(sim);
}
