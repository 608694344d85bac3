/* Shims and the process trees that they hold: started, told of, ended; a shim can die at each
 * message and leave its tree behind, or freeze for a while or for ever, and some agents have a
 * child that leaves their tree. */
#include "sim.h"

#include "supervise/instance.h"

#include <string.h>

enum { SIM_ASK_MS = 30000, SIM_FIND_MS = 1000 };

/* A message to the node, or the end of a process, that is on its way. */
typedef struct News {
  char *id;
  DriverNews news;
  int64_t pid;
} News;

static void news_free(gpointer data)
{
  News *news = data;
  g_free(news->id);
  g_free(news);
}

/* What a frozen shim was sent. It is read when it wakes, also when the node that sent it is gone.
 */
typedef enum MailKind { MAIL_RUN, MAIL_TERM, MAIL_KILL, MAIL_END, MAIL_ASK } MailKind;
typedef struct ShimMail {
  MailKind kind;
  int attempt, node_life;
} ShimMail;

SimShim *sim_shim(Sim *sim, const char *id)
{
  SimShim *shim = g_hash_table_lookup(sim->shims, id);
  if (!shim) {
    shim = g_new0(SimShim, 1);
    shim->id = g_strdup(id);
    shim->exit.code = -1;
    g_queue_init(&shim->inbox);
    g_hash_table_insert(sim->shims, shim->id, shim);
  }
  return shim;
}

void sim_shim_free(void *data)
{
  SimShim *shim = data;
  g_queue_clear_full(&shim->inbox, g_free);
  g_free(shim->id);
  g_free(shim);
}

/* ---- messages ---- */

static void shim_told(Sim *sim, void *data)
{
  News *news = data;
  news->news.instance = news->id;
  sim_node_news(sim, &news->news);
}

/* The node hears of it when it has a connection to the shim; messages keep their order. */
static void shim_tell(Sim *sim, SimShim *shim, DriverNews told)
{
  if (!sim->node_up || shim->told_life != sim->lives[LIVES_WITH_NODE])
    return;
  News *news = g_new0(News, 1);
  *news = (News){.id = g_strdup(shim->id), .news = told};
  shim->told_at = MAX(shim->told_at, sim->boot_ms + (sim->faults ? sim_below(sim, 4) : 0));
  sim_at(sim, shim->told_at - sim->boot_ms, LIVES_WITH_NODE, shim_told, news, news_free);
}

/* False when the shim reads it now. */
static bool shim_mail(const Sim *sim, SimShim *shim, MailKind kind, int attempt)
{
  if (!shim->alive || !shim->frozen)
    return false;
  ShimMail *mail = g_new0(ShimMail, 1);
  *mail = (ShimMail){.kind = kind, .attempt = attempt, .node_life = sim->lives[LIVES_WITH_NODE]};
  g_queue_push_tail(&shim->inbox, mail);
  return true;
}

bool sim_shim_lives(const SimShim *shim)
{
  return shim->proc.alive || shim->proc.escaped;
}

static void shim_met(Sim *sim, SimShim *shim)
{
  shim->told_life = sim->node_up ? sim->lives[LIVES_WITH_NODE] : -1;
  shim->told_at = sim->boot_ms;
}

void sim_shim_dies(Sim *sim, SimShim *shim)
{
  if (!shim->alive)
    return;
  sim_say(sim, "shim of %s dies", shim->id);
  /* it has not said that all of it is gone */
  bool ran = shim->attempt > 0 && !(shim->ended && !shim->unreaped);
  shim->alive = shim->running = shim->frozen = shim->unreaped = false;
  g_queue_clear_full(&shim->inbox, g_free);
  shim_tell(sim, shim, (DriverNews){.type = DRIVER_VANISHED, .tree_lives = ran});
  shim->told_life = -1;
}

void sim_some_shim_dies(Sim *sim)
{
  g_autoptr(GList) ids = sim_sorted_keys(sim->shims);
  for (GList *at = ids; at; at = at->next) {
    SimShim *shim = g_hash_table_lookup(sim->shims, at->data);
    if (!shim->alive || !sim_chance(sim, 20))
      continue;
    sim_shim_dies(sim, shim);
    return;
  }
}

static void shim_crash_point(Sim *sim, SimShim *shim)
{
  if (sim_fault_chance(sim, sim->rates.shim_crash))
    sim_shim_dies(sim, shim);
}

/* ---- processes ---- */

/* The main process is reaped: what is left of its tree goes, and then the node hears of it. */
static void shim_reaps(Sim *sim, SimShim *shim)
{
  shim->unreaped = shim->running = shim->proc.escaped = false;
  shim->ended = true;
  sim_say(sim, "%s ends: %d/%d", shim->id, shim->exit.code, shim->exit.signal);
  shim_crash_point(sim, shim);
  shim_tell(sim, shim,
            (DriverNews){.type = DRIVER_EXITED,
                         .attempt = shim->attempt,
                         .exit = shim->exit,
                         .text = shim->exit.code ? "oops" : NULL});
  shim_crash_point(sim, shim);
}

static void proc_end(Sim *sim, void *data)
{
  const News *news = data;
  SimShim *shim = g_hash_table_lookup(sim->shims, news->id);
  if (!shim || !shim->proc.alive || shim->proc.pid != news->pid)
    return;
  shim->proc.alive = false;
  shim->ended_at = sim->boot_ms;
  if (!shim->alive)
    return;
  shim->exit = news->news.exit;
  if (shim->proc.batch && shim->exit.code == 0)
    sim_mark_healthy(sim, shim);
  if (shim->frozen)
    shim->unreaped = true;
  else
    shim_reaps(sim, shim);
}

static void proc_end_later(Sim *sim, const SimShim *shim, int64_t delay_ms, int code, int signal)
{
  News *news = g_new0(News, 1);
  *news = (News){.id = g_strdup(shim->id),
                 .pid = shim->proc.pid,
                 .news.exit = {.code = code, .signal = signal}};
  sim_at(sim, delay_ms, LIVES_WITH_MACHINE, proc_end, news, news_free);
}

/* An agent that nobody probes is healthy when it stayed up so long. */
static void proc_settled(Sim *sim, void *data)
{
  const News *news = data;
  const SimShim *shim = g_hash_table_lookup(sim->shims, news->id);
  if (shim && shim->proc.alive && shim->proc.pid == news->pid)
    sim_mark_healthy(sim, shim);
}

static void proc_settles(Sim *sim, const SimShim *shim)
{
  News *news = g_new0(News, 1);
  *news = (News){.id = g_strdup(shim->id), .pid = shim->proc.pid};
  sim_at(sim, INSTANCE_SETTLE_MS, LIVES_WITH_MACHINE, proc_settled, news, news_free);
}

/* ---- scripts ---- */

/* "exit N", "hold" (ignores SIGTERM), "tree" (a child leaves it), "absent" and "busy" (no start).
 */
static void proc_follow_script(Sim *sim, SimShim *shim, const InstanceSpec *spec)
{
  const char *word = spec->argv[0];
  shim->proc.healthy_at = sim->boot_ms;
  shim->proc.ignores_term = strcmp(word, "hold") == 0;
  shim->proc.escaped = strcmp(word, "tree") == 0;
  if (strcmp(word, "exit") == 0)
    proc_end_later(sim, shim, 20, (int)g_ascii_strtoll(spec->argv[1], NULL, 10), 0);
}

bool sim_script_fails(const Sim *sim, const char *id, FailureClass *failure)
{
  g_autoptr(InstanceSpec) spec = sim_file_spec(sim, id);
  bool busy = spec && strcmp(spec->argv[0], "busy") == 0;
  *failure = busy ? FAILURE_PASSING : FAILURE_FINAL;
  return busy || (spec && strcmp(spec->argv[0], "absent") == 0);
}

/* What the agent will do: come up, hang, flap, fail, refuse to stop. */
static void proc_draw_fate(Sim *sim, SimShim *shim, const InstanceSpec *spec)
{
  Proc *proc = &shim->proc;
  bool unlucky = sim->faults;
  proc->healthy_at = sim->boot_ms + 5 + sim_below(sim, unlucky && sim_chance(sim, 10) ? 8000 : 300);
  proc->ignores_term = unlucky && sim_chance(sim, 10);
  proc->flapping = unlucky && sim_chance(sim, 5);
  proc->escaped = unlucky && sim_chance(sim, 20);
  if (unlucky && sim_chance(sim, 7))
    proc->healthy_at = INT64_MAX;
  proc->batch = spec->kind == AGENT_BATCH;
  if (spec->health.kind == HEALTH_DISCOVER && !spec->port && !proc->batch)
    proc_settles(sim, shim);
  /* code that cannot run */
  bool bad = unlucky && spec->argv[1] && strcmp(spec->argv[1], "bad") == 0;
  if (bad)
    proc_end_later(sim, shim, 1 + sim_below(sim, 400), 1, 0);
  else if (proc->batch)
    proc_end_later(sim, shim, 10 + sim_below(sim, 500), unlucky && sim_chance(sim, 20) ? 3 : 0, 0);
  else if (unlucky && sim_chance(sim, 8))
    proc_end_later(sim, shim, 1 + sim_below(sim, 3000), sim_chance(sim, 80) ? 1 : 0, 0);
}

static void proc_start(Sim *sim, SimShim *shim, const InstanceSpec *spec)
{
  bool taken = spec->port > 0 && !sim_port_free(sim, spec->port);
  shim->proc = (Proc){.alive = true,
                      .pid = (int64_t)++sim->next_pid,
                      .epoch = shim->epoch,
                      .generation = shim->generation};
  if (taken) { /* the gap between its predecessor's end and its bind was somebody else's */
    sim_say(sim, "%s finds its port %d taken", shim->id, spec->port);
    proc_end_later(sim, shim, 5, 98, 0);
    return;
  }
  shim->proc.port = spec->port;
  if (sim->scripted)
    proc_follow_script(sim, shim, spec);
  else
    proc_draw_fate(sim, shim, spec);
}

void sim_shim_start(Sim *sim, const char *id, int64_t generation)
{
  SimShim *shim = sim_shim(sim, id);
  if (shim->alive)
    sim_break(sim, "a second shim of '%s'", id);
  if (sim_shim_lives(shim))
    sim_break(sim, "a new shim of '%s' while its old tree lives", id);
  int64_t epoch = sim_file_number(sim, id, "epoch");
  if (shim->generation != generation || shim->epoch != epoch)
    shim->starts = shim->known_attempt = shim->decided_before = 0;
  shim->epoch = epoch;
  shim->generation = generation;
  shim->alive = true;
  shim->spawned_at = sim->boot_ms;
  shim->attempt = 0;
  shim->running = shim->ended = false;
  shim->exit = (ExitStatus){.code = -1};
  shim->proc = (Proc){0};
  shim_met(sim, shim);
  shim_tell(sim, shim, (DriverNews){.type = DRIVER_PREPARED});
}

void sim_shim_run(Sim *sim, const char *id, int attempt)
{
  SimShim *shim = sim_shim(sim, id);
  if (shim_mail(sim, shim, MAIL_RUN, attempt))
    return;
  g_autoptr(InstanceSpec) spec = sim_file_spec(sim, id);
  if (shim->running || sim_shim_lives(shim)) {
    sim_break(sim, "two process trees of '%s' at once", id);
    return;
  }
  if (!spec) {
    sim_break(sim, "'%s' starts and the node keeps no file of it", id);
    return;
  }
  shim->attempt = shim->known_attempt = attempt;
  shim->running = true;
  shim->ended = false;
  sim_say(sim,
          "%s (%s of %s) starts, epoch %" G_GINT64_FORMAT " generation %" G_GINT64_FORMAT
          " attempt %d, restart %s",
          id, spec->agent, spec->deployment, shim->epoch, shim->generation, attempt,
          restart_policy_word(spec->restart.policy));
  sim_check_start(sim, shim, spec);
  proc_start(sim, shim, spec);
  shim_crash_point(sim, shim);
  shim_tell(sim, shim,
            (DriverNews){.type = DRIVER_STARTED, .attempt = attempt, .pid = shim->proc.pid});
  shim_crash_point(sim, shim);
}

void sim_shim_signal(Sim *sim, const char *id, bool kill)
{
  SimShim *shim = sim_shim(sim, id);
  if (!shim->alive || shim_mail(sim, shim, kill ? MAIL_KILL : MAIL_TERM, 0) || !shim->running)
    return;
  if (kill)
    proc_end_later(sim, shim, 1 + (sim->faults ? sim_below(sim, 5) : 0), -1, 9);
  else if (!shim->proc.ignores_term)
    proc_end_later(sim, shim, 1 + sim_below(sim, 200), sim_chance(sim, 80) ? 0 : 143, 0);
}

void sim_shim_end(Sim *sim, const char *id)
{
  SimShim *shim = sim_shim(sim, id);
  if (shim_mail(sim, shim, MAIL_END, 0))
    return;
  if (!shim->running)
    shim->alive = false;
  if (!shim->alive)
    shim->told_life = -1;
}

void sim_tree_end(Sim *sim, const char *id)
{
  SimShim *shim = sim_shim(sim, id);
  if (shim->alive)
    sim_say(sim, "the shim of %s is ended", id);
  if (shim->proc.alive)
    shim->ended_at = sim->boot_ms;
  shim->alive = shim->frozen = shim->unreaped = shim->proc.alive = shim->proc.escaped =
      shim->running = false;
  shim->told_life = -1;
  g_queue_clear_full(&shim->inbox, g_free);
}

bool sim_answers(Sim *sim, const char *id)
{
  const SimShim *shim = sim_shim(sim, id);
  bool up =
      shim->alive && shim->running && shim->proc.alive && shim->proc.healthy_at <= sim->boot_ms;
  if (!up || (sim->faults && shim->proc.flapping && sim_chance(sim, 50)))
    return false;
  sim_mark_healthy(sim, shim);
  return true;
}

/* ---- asked, frozen, woken ---- */

static void shim_answers(Sim *sim, SimShim *shim)
{
  DriverNews event = {.type = shim->alive ? DRIVER_FOUND : DRIVER_ABSENT,
                      .instance = shim->id,
                      .generation = shim->generation};
  event.attempt = shim->alive ? shim->attempt : shim->known_attempt;
  event.tree_lives = !shim->alive && shim->proc.alive;
  event.pid = shim->alive && shim->running ? shim->proc.pid : 0;
  event.exit = shim->exit;
  if (shim->alive)
    shim_met(sim, shim);
  sim_node_news(sim, &event);
}

/* The node asks now and then, and has had no answer. */
static void shim_is_silent(Sim *sim, void *data)
{
  SimShim *shim = sim_shim(sim, data);
  if (!shim->alive || !shim->frozen)
    return;
  shim->silent = true;
  sim_node_news(
      sim, &(DriverNews){.type = DRIVER_UNREACHABLE, .instance = shim->id, .up_ms = SIM_ASK_MS});
}

void sim_shim_ask(Sim *sim, const char *id)
{
  SimShim *shim = sim_shim(sim, id);
  shim->decided_before = shim->alive && shim->attempt == 0;
  if (shim_mail(sim, shim, MAIL_ASK, 0))
    sim_at(sim, SIM_FIND_MS, LIVES_WITH_NODE, shim_is_silent, g_strdup(id), g_free);
  else
    shim_answers(sim, shim);
}

static void shim_reads(Sim *sim, SimShim *shim, const ShimMail *mail)
{
  switch (mail->kind) {
  case MAIL_RUN:
    shim->decided_before = shim->decided_before || mail->node_life != sim->lives[LIVES_WITH_NODE];
    if (!shim->running)
      sim_shim_run(sim, shim->id, mail->attempt);
    break;
  case MAIL_TERM:
  case MAIL_KILL:
    sim_shim_signal(sim, shim->id, mail->kind == MAIL_KILL);
    break;
  case MAIL_END:
    sim_shim_end(sim, shim->id);
    break;
  case MAIL_ASK:
    if (sim->node_up && mail->node_life == sim->lives[LIVES_WITH_NODE])
      shim_answers(sim, shim);
    break;
  }
}

static void shim_wakes(Sim *sim, void *data)
{
  SimShim *shim = sim_shim(sim, data);
  if (!shim->alive || !shim->frozen)
    return;
  sim_say(sim, "the shim of %s wakes", shim->id);
  shim->frozen = false;
  if (shim->silent && sim->node_up)
    sim_node_news(sim, &(DriverNews){.type = DRIVER_REACHABLE, .instance = shim->id});
  shim->silent = false;
  if (shim->unreaped) {
    shim->ended_at = sim->boot_ms; /* nobody can know that it ended before */
    shim_reaps(sim, shim);
  }
  for (ShimMail *mail = g_queue_pop_head(&shim->inbox); mail;
       mail = g_queue_pop_head(&shim->inbox)) {
    if (shim->alive)
      shim_reads(sim, shim, mail);
    g_free(mail);
  }
}

void sim_shim_freeze(Sim *sim, SimShim *shim, bool wakes)
{
  shim->wakes = wakes;
  sim_say(sim, "the shim of %s freezes%s", shim->id, shim->wakes ? "" : " for ever");
  shim->frozen = true;
  sim_at(sim, SIM_ASK_MS, LIVES_WITH_NODE, shim_is_silent, g_strdup(shim->id), g_free);
}

/* Those that shall, at the end of faults. */
void sim_shims_wake(Sim *sim)
{
  g_autoptr(GList) ids = sim_sorted_keys(sim->shims);
  for (GList *at = ids; at; at = at->next) {
    const SimShim *shim = g_hash_table_lookup(sim->shims, at->data);
    if (shim->frozen && shim->wakes)
      shim_wakes(sim, at->data);
  }
}

/* A debugger, a freezer, a disk that is away: mostly for a while. */
void sim_some_shim_freezes(Sim *sim)
{
  enum { FROZEN_MS = 60000 };
  g_autoptr(GList) ids = sim_sorted_keys(sim->shims);
  for (GList *at = ids; at; at = at->next) {
    SimShim *shim = g_hash_table_lookup(sim->shims, at->data);
    if (!shim->alive || shim->frozen || !sim_chance(sim, 20))
      continue;
    sim_shim_freeze(sim, shim, sim_chance(sim, 70));
    if (shim->wakes)
      sim_at(sim, 1 + sim_below(sim, FROZEN_MS), LIVES_WITH_MACHINE, shim_wakes, g_strdup(shim->id),
             g_free);
    return;
  }
}
