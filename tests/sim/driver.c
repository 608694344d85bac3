/* The driver of the modelled shims: what the node says to a shim arrives a moment later, and may
 * arrive although the node has died meanwhile. */
#include "sim.h"

#include <string.h>

typedef struct SimDriver {
  Driver driver; /* first */
  Sim *sim;
} SimDriver;

/* One word on its way to a shim. */
typedef struct Word {
  char *id;
  int attempt;
} Word;

static void word_free(gpointer data)
{
  Word *word = data;
  g_free(word->id);
  g_free(word);
}

static void driver_say(Driver *driver, const char *id, int attempt, int64_t delay_ms, SimLife lives,
                       SimFn fn)
{
  Word *word = g_new0(Word, 1);
  *word = (Word){.id = g_strdup(id), .attempt = attempt};
  sim_at(((SimDriver *)driver)->sim, delay_ms, lives, fn, word, word_free);
}

/* What was handed to the kernel may still arrive after the node died. */
static SimLife driver_lives(Driver *driver)
{
  return sim_below(((SimDriver *)driver)->sim, 2) ? LIVES_WITH_MACHINE : LIVES_WITH_NODE;
}

/* What went wrong may pass, or not. */
static FailureClass driver_failure(Sim *sim)
{
  return sim_chance(sim, 50) ? FAILURE_PASSING : FAILURE_FINAL;
}

/* ---- slots ---- */

static void word_find(Sim *sim, void *data)
{
  const Word *word = data;
  sim_shim_ask(sim, word->id);
}

static void driver_find(Driver *driver, const char *id)
{
  driver_say(driver, id, 0, sim_below(((SimDriver *)driver)->sim, 20), LIVES_WITH_NODE, word_find);
}

static void driver_sweep(Driver *driver)
{
  (void)driver;
}

static char *driver_check(const Driver *driver, const InstanceSpec *spec, const char *no_user)
{
  const Sim *sim = ((const SimDriver *)driver)->sim;
  (void)no_user;
  bool missing = sim->command_missing && strcmp(spec->argv[0], "tool") == 0;
  return missing ? g_strdup("command 'tool': not found") : NULL;
}

static void driver_prepare(Driver *driver, const DriverJob *job)
{
  Sim *sim = ((SimDriver *)driver)->sim;
  DriverNews news = {.type = DRIVER_PREPARE_FAILED, .instance = job->id};
  if (sim_shim(sim, job->id)->frozen) { /* it was told to leave, and has its lock */
    news.text = "another shim holds it";
    news.failure = FAILURE_PASSING;
  } else if (sim_fault_chance(sim, sim->rates.shim_failed)) {
    news.text = "no memory";
    news.failure = driver_failure(sim);
  } else {
    sim_shim_start(sim, job->id, job->generation);
    news.type = DRIVER_CREATED;
  }
  sim_node_news(sim, &news);
}

static void word_start(Sim *sim, void *data)
{
  const Word *word = data;
  sim_release_instance(sim, word->id);
  const SimShim *shim = sim_shim(sim, word->id);
  if (!shim->alive)
    return; /* the news of its death is on its way */
  FailureClass failure = FAILURE_FINAL;
  bool fails = !shim->frozen && (sim->scripted ? sim_script_fails(sim, word->id, &failure)
                                               : sim_fault_chance(sim, sim->rates.start_failed));
  if (fails && !sim->scripted)
    failure = driver_failure(sim);
  if (fails)
    sim_node_news(sim, &(DriverNews){.type = DRIVER_START_FAILED,
                                     .instance = word->id,
                                     .attempt = word->attempt,
                                     .text = "no such file",
                                     .failure = failure});
  else
    sim_shim_run(sim, word->id, word->attempt);
}

static void driver_start(Driver *driver, const char *id, int attempt)
{
  driver_say(driver, id, attempt, 1, driver_lives(driver), word_start);
}

static void word_signal(Sim *sim, void *data)
{
  sim_shim_signal(sim, ((const Word *)data)->id, false);
}

static void driver_signal(Driver *driver, const char *id, int signal)
{
  (void)signal; /* whatever it is, it asks for the end */
  driver_say(driver, id, 0, 1, driver_lives(driver), word_signal);
}

static void word_kill(Sim *sim, void *data)
{
  sim_shim_signal(sim, ((const Word *)data)->id, true);
}

static void driver_kill(Driver *driver, const char *id)
{
  driver_say(driver, id, 0, 1, driver_lives(driver), word_kill);
}

static void word_stayed(Sim *sim, void *data)
{
  const Word *word = data;
  SimShim *shim = sim_shim(sim, word->id);
  if (shim->frozen && !shim->running && !g_queue_is_empty(&shim->inbox))
    sim_tree_end(sim, word->id);
}

/* It is looked at whether it leaves, and killed otherwise. */
static void word_release(Sim *sim, void *data)
{
  enum { STAYED_MS = 1000 };
  const Word *word = data;
  sim_release_instance(sim, word->id);
  sim_shim_end(sim, word->id);
  if (sim_shim(sim, word->id)->frozen)
    driver_say(sim->driver, word->id, 0, STAYED_MS, LIVES_WITH_NODE, word_stayed);
}

static void driver_release(Driver *driver, const char *id)
{
  driver_say(driver, id, 0, 0, LIVES_WITH_MACHINE, word_release);
}

static void word_cleared(Sim *sim, void *data)
{
  const Word *word = data;
  SimShim *shim = sim_shim(sim, word->id);
  shim->clearing = 0;
  shim->ended_at = sim->boot_ms; /* nobody can know that it ended before */
  sim_node_news(sim, &(DriverNews){.type = DRIVER_CLEARED,
                                   .instance = word->id,
                                   .generation = shim->generation,
                                   .attempt = shim->known_attempt});
}

/* Processes that were killed take a moment to be gone, and the driver looks until they are. */
static void word_clear(Sim *sim, void *data)
{
  const Word *word = data;
  SimShim *shim = sim_shim(sim, word->id);
  int clearing = 1 + sim->lives[LIVES_WITH_NODE];
  if (shim->clearing == clearing)
    return;
  shim->clearing = clearing;
  sim_tree_end(sim, word->id);
  driver_say(sim->driver, word->id, 0, 1 + (sim->faults ? sim_below(sim, 300) : 0), LIVES_WITH_NODE,
             word_cleared);
}

static void driver_clear(Driver *driver, const char *id)
{
  driver_say(driver, id, 0, 1, LIVES_WITH_NODE, word_clear);
}

static void word_forget(Sim *sim, void *data)
{
  SimShim *shim = sim_shim(sim, ((const Word *)data)->id);
  /* a restored backup may know it, and start it for the first time */
  shim->starts = shim->known_attempt = 0;
}

static void driver_forget(Driver *driver, const char *id)
{
  driver_say(driver, id, 0, 0, LIVES_WITH_NODE, word_forget);
}

/* ---- life ---- */

/* @world: its data is the Sim. */
static Driver *driver_begin(const DriverWorld *world, GError **error)
{
  (void)error;
  SimDriver *driver = g_new0(SimDriver, 1);
  driver->driver.ops = &sim_driver;
  driver->sim = world->data;
  driver->sim->world = *world;
  return &driver->driver;
}

static void driver_close(Driver *driver)
{
  g_free(driver);
}

const DriverOps sim_driver = {.name = "sim",
                              .can = DRIVER_OUTLIVES_NODE,
                              .open = driver_begin,
                              .close = driver_close,
                              .limits = driver_no_limits,
                              .find = driver_find,
                              .sweep = driver_sweep,
                              .check = driver_check,
                              .prepare = driver_prepare,
                              .start = driver_start,
                              .signal = driver_signal,
                              .kill = driver_kill,
                              .release = driver_release,
                              .clear = driver_clear,
                              .forget = driver_forget,
                              .exec = driver_no_exec,
                              .exec_signal = driver_no_exec_signal,
                              .exec_free = driver_no_exec_free,
                              .log_open = driver_no_log,
                              .log_read = driver_no_log_read,
                              .log_free = driver_no_log_free};
