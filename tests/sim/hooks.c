/* Webhooks: a receiver that refuses, or hears and is not understood; and what must be true of what
 * it is told. */
#include "sim.h"

#include <string.h>

enum { HOOK_REFUSED = 300, HOOK_UNHEARD = 100, HOOK_AGAIN_MS = 1000 }; /* in parts of a thousand */

static void hook_arrive(Sim *sim, void *data);

static void hook_plan_in(Sim *sim, const char *id, int64_t wait_ms)
{
  int64_t *due = g_new(int64_t, 1);
  *due = sim->boot_ms + wait_ms;
  g_hash_table_replace(sim->posts, g_strdup(id), due);
  sim_at(sim, wait_ms, LIVES_WITH_SERVER, hook_arrive, g_strdup(id), g_free);
}

static void hook_arrive(Sim *sim, void *data)
{
  const char *id = data;
  const Notice *notice = core_notice(sim_core(sim), id);
  if (!notice)
    return;
  if (engine_store_state(sim->engine) != STORE_STATE_OK) {
    hook_plan_in(sim, id, HOOK_AGAIN_MS);
    return;
  }
  if (!g_hash_table_contains(sim->rows[TABLE_NOTICES], id))
    sim_break(sim, "webhook %s was posted before it was stored", id);
  bool refused = sim_fault_chance(sim, HOOK_REFUSED);
  if (!refused)
    g_hash_table_add(sim->heard, g_strdup(id));
  bool delivered = !refused && !sim_fault_chance(sim, HOOK_UNHEARD);
  sim_say(sim, "webhook %s (%s of %s): %s", id, notice->event, notice->deployment,
          delivered ? "delivered"
          : refused ? "refused"
                    : "unheard");
  sim_apply(sim, &(Command){.type = COMMAND_NOTICE_TRIED,
                            .actor = "reeve",
                            .notice = id,
                            .delivered = delivered});
}

/* However the clock was set meanwhile, the server waits no longer than the longest pause. */
static void hook_plan(Sim *sim, const Notice *notice)
{
  int64_t wait_ms = CLAMP(notice->next_at_ms - sim_now(sim).wall_ms, 0, NOTICE_LONGEST_MS);
  hook_plan_in(sim, notice->id, wait_ms + 1 + sim_below(sim, 50));
}

void sim_hook_event(Sim *sim, const Event *event)
{
  const Notice *notice =
      strcmp(event->type, "webhook") == 0 ? core_notice(sim_core(sim), event->object) : NULL;
  if (notice)
    hook_plan(sim, notice);
}

void sim_hooks_loaded(Sim *sim)
{
  for (guint i = 0; i < core_notices(sim_core(sim))->len; i++)
    hook_plan(sim, core_notices(sim_core(sim))->pdata[i]);
}

/* A message goes when it was heard, when it was tried often enough, or when its lane is full. */
void sim_check_hook_gone(Sim *sim, const char *id)
{
  const Record *row = g_hash_table_lookup(sim->rows[TABLE_NOTICES], id);
  if (!row || g_hash_table_contains(sim->heard, id) ||
      row->values[NTC_TRIES].number >= NOTICE_TRIES - 1)
    return;
  GHashTableIter iter;
  gpointer other;
  int lane = 0;
  g_hash_table_iter_init(&iter, sim->rows[TABLE_NOTICES]);
  while (g_hash_table_iter_next(&iter, NULL, &other))
    lane += strcmp(((const Record *)other)->values[NTC_DEPLOYMENT].text,
                   row->values[NTC_DEPLOYMENT].text) == 0 &&
            strcmp(((const Record *)other)->values[NTC_URL].text, row->values[NTC_URL].text) == 0;
  if (lane < NOTICE_LANE_MAX)
    sim_break(sim, "webhook %s was lost: nobody has heard it", id);
}

static bool hook_wanted(const Deployment *deployment)
{
  const Revision *revision = deployment_revision(deployment, deployment->revision);
  return revision && revision_job(revision)->notify->len > 0;
}

/* In the quiet everything is known, so what was told last is what is; and what waits has a time. */
void sim_check_hooks(Sim *sim, const Deployment *deployment)
{
  bool degraded = deployment->status == DEPLOYMENT_DEGRADED,
       well = deployment->status == DEPLOYMENT_RUNNING && deployment->unknown == 0;
  if (hook_wanted(deployment) && degraded && g_strcmp0(deployment->told, "degraded") != 0)
    sim_break(sim, "'%s' is degraded, and no webhook was told", deployment->name);
  if (well && deployment->told)
    sim_break(sim, "'%s' is well, and webhooks were told last that it is %s", deployment->name,
              deployment->told);
  for (guint i = 0; i < core_notices(sim_core(sim))->len; i++) {
    const Notice *notice = core_notices(sim_core(sim))->pdata[i];
    const int64_t *due = g_hash_table_lookup(sim->posts, notice->id);
    if (!due || *due < sim->boot_ms)
      sim_break(sim, "webhook %s is never tried again", notice->id);
  }
}
