/* Owns the lines that tell how a rollout goes. */
#include "cli/progress.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/target.h"

#include <string.h>

enum { OUTPUT_SHOWN_MAX = 2000 };

/* What was last printed, or passed over, of an instance. */
typedef struct Seen {
  char *word;
  int pid;
  bool ready;       /* this process has been healthy */
  int64_t began_ms; /* when it was seen to start, on the boot clock */
} Seen;

static void seen_free(gpointer data)
{
  g_free(((Seen *)data)->word);
  g_free(data);
}

void progress_init(Progress *progress, const Cli *cli, const char *deployment, const char *rollout)
{
  *progress = (Progress){.cli = cli,
                         .deployment = g_strdup(deployment),
                         .rollout = g_strdup(rollout),
                         .stage = -1,
                         .start_ms = clock_boot_ms()};
  progress->shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, seen_free);
}

void progress_done(Progress *progress)
{
  g_clear_pointer(&progress->deployment, g_free);
  g_clear_pointer(&progress->rollout, g_free);
  g_clear_pointer(&progress->shown, g_hash_table_unref);
  g_clear_pointer(&progress->outcome, g_free);
  g_clear_pointer(&progress->cause, g_free);
  g_clear_pointer(&progress->kind, g_free);
}

/* Does it lead from one revision to another? */
static bool progress_is_change(const Progress *progress)
{
  return progress->from > 0 && progress->to > 0 && progress->kind &&
         (g_str_equal(progress->kind, "update") || g_str_equal(progress->kind, "rollback") ||
          g_str_equal(progress->kind, "deploy"));
}

/* Once: what failed, and what is done about it. Only what the last lines do not say better: the
 * output follows at the end. */
static void progress_back(Progress *progress, const json_t *rollout)
{
  const char *verdict = jget_str(rollout, "verdict", "succeeded");
  bool turns = !g_str_equal(verdict, "succeeded") && progress->kind &&
               !g_str_equal(progress->kind, "restart") && !g_str_equal(progress->kind, "recover") &&
               !g_str_equal(progress->kind, "down");
  if (progress->back || !turns)
    return;
  progress->back = true;
  g_autofree char *cause = api_named(progress->cli, jget_str(rollout, "cause", NULL));
  char *output = strstr(cause, "; last output: ");
  if (output)
    *output = '\0';
  cause[strcspn(cause, "\n")] = '\0';
  g_autofree char *said = text_escape(cause, OUTPUT_SHOWN_MAX);
  g_autofree char *next = progress->from > 0 && !g_str_equal(verdict, "failed")
                              ? g_strdup_printf("going back to revision %d", progress->from)
                              : g_strdup("stopping what was started");
  if (g_str_equal(verdict, "cancelled"))
    cli_note(progress->cli, "%s: %s; %s", progress->deployment, said, next);
  else if (progress_is_change(progress))
    cli_note(progress->cli, "%s: the %s to revision %d failed: %s; %s", progress->deployment,
             progress->kind, progress->to, said, next);
  else
    cli_note(progress->cli, "%s failed: %s; %s", progress->deployment, said, next);
}

static void progress_rollout(Progress *progress, const json_t *rollout)
{
  const char *id = jget_str(rollout, "id", NULL), *outcome = jget_str(rollout, "outcome", NULL);
  if (!id || (progress->rollout && !g_str_equal(progress->rollout, id)))
    return;
  g_free(progress->kind);
  progress->kind = g_strdup(jget_str(rollout, "kind", NULL));
  progress->from = (int)jget_int(rollout, "from", 0);
  progress->to = (int)jget_int(rollout, "to", 0);
  int stage = (int)jget_int(rollout, "stage", -1), stages = (int)jget_int(rollout, "stages", 0);
  bool applying = g_strcmp0(jget_str(rollout, "phase", NULL), "apply") == 0;
  if (applying && stage >= 0 && stage != progress->stage) {
    progress->stage = stage;
    cli_note(progress->cli, "stage %d of %d", stage + 1, stages);
  }
  if (!outcome || g_str_equal(outcome, "open")) {
    progress_back(progress, rollout);
    return;
  }
  g_free(progress->outcome);
  g_free(progress->cause);
  progress->outcome = g_strdup(outcome);
  progress->cause = api_named(progress->cli, jget_str(rollout, "cause", NULL));
}

/* Prints @lead and the lines of @text, an agent's words among them: the first behind @lead, the
 * others marked. */
static void progress_text(const Cli *cli, const char *lead, const char *text)
{
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  GString *out = g_string_new(lead);
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = text_escape(lines[i], OUTPUT_SHOWN_MAX);
    if (i == 0 || *line)
      g_string_append_printf(out, "%s%s", i ? "\n    | " : "", line);
  }
  cli_note(cli, "%s", out->str);
  g_string_free(out, TRUE);
}

/* Waiting is what starting agents do: neither the steps on the way nor a port that does not answer
 * yet are news. */
static const char *progress_word(const Seen *seen, const char *state, const char *health)
{
  if (!g_str_equal(state, "running"))
    return state;
  if (g_str_equal(health, "unknown"))
    return "started";
  return g_str_equal(health, "healthy") || seen->ready ? health : "waiting";
}

/* Remembers how @instance is now. True when that is worth a line. */
static bool progress_is_news(Progress *progress, const json_t *instance, bool fresh,
                             const char **word, int64_t *began_ms)
{
  const char *id = jget_str(instance, "id", "");
  int pid = (int)jget_int(instance, "pid", 0);
  Seen *seen = g_hash_table_lookup(progress->shown, id);
  bool starts = g_strcmp0(jget_str(instance, "state", NULL), "starting") == 0;
  if (!seen) {
    seen = g_new0(Seen, 1);
    seen->began_ms = progress->start_ms;
    g_hash_table_insert(progress->shown, g_strdup(id), seen);
  }
  bool other = pid != seen->pid, was_starting = g_strcmp0(seen->word, "starting") == 0;
  if (seen->word && !was_starting && (starts || (other && pid)))
    seen->began_ms = clock_boot_ms();
  seen->ready = seen->ready && !other;
  seen->pid = pid;
  *word = progress_word(seen, jget_str(instance, "state", "?"),
                        jget_str(instance, "health", "unknown"));
  bool same = g_strcmp0(seen->word, *word) == 0 && !(other && g_str_equal(*word, "healthy"));
  /* it is not asked any more, because it is about to be replaced */
  bool ending = g_str_equal(*word, "started") && seen->ready;
  /* what its port answers comes next */
  bool quiet = g_str_equal(*word, "starting") ||
               (g_str_equal(*word, "pending") && !jget_str(instance, "reason", NULL)) ||
               (g_str_equal(*word, "started") && jget_str(instance, "url", NULL));
  seen->ready = seen->ready || g_str_equal(*word, "healthy");
  g_free(seen->word);
  seen->word = g_strdup(*word);
  *word = seen->word;
  *began_ms = seen->began_ms;
  return fresh && !same && !quiet && !ending;
}

/* @fresh: it may have come to this state in our rollout. */
static void progress_instance(Progress *progress, const json_t *instance, bool fresh)
{
  const char *word;
  int64_t began_ms = 0;
  if (!jget_str(instance, "id", NULL) ||
      !progress_is_news(progress, instance, fresh, &word, &began_ms))
    return;
  const char *url = jget_str(instance, "url", NULL), *reason = jget_str(instance, "reason", NULL);
  bool running = g_strcmp0(jget_str(instance, "state", NULL), "running") == 0;
  int pid = (int)jget_int(instance, "pid", 0);
  g_autofree char *name = target_name(instance);
  g_autoptr(GString) line = g_string_new(NULL);
  const char *sgr = progress->cli->color_err ? cli_state_color(word) : NULL;
  g_string_append_printf(line, "  %s", name);
  g_string_append_printf(line, sgr ? " \033[%sm%s\033[0m" : " %s%s", sgr ? sgr : "", word);
  if (url && running)
    g_string_append_printf(line, " at %s", url);
  if (pid > 0 && running)
    g_string_append_printf(line, " pid %d", pid);
  if (running && g_str_equal(word, "healthy"))
    g_string_append_printf(line, " after %.2f s", (double)(clock_boot_ms() - began_ms) / 1000);
  if (reason && *reason)
    g_string_append(line, ": ");
  progress_text(progress->cli, line->str, reason ? reason : "");
  if (g_str_equal(word, "failed") && jget_str(instance, "output", NULL))
    progress_text(progress->cli, "    | ", jget_str(instance, "output", ""));
}

static void progress_deployment(Progress *progress, const json_t *deployment)
{
  if (g_strcmp0(jget_str(deployment, "name", NULL), progress->deployment) != 0)
    return;
  const json_t *rollout = json_object_get(deployment, "rollout"), *instance;
  if (json_is_object(rollout))
    progress_rollout(progress, rollout);
  const char *outcome = jget_str(deployment, "outcome", NULL);
  bool ours =
      json_is_object(rollout) && g_strcmp0(jget_str(rollout, "id", NULL), progress->rollout) == 0;
  if (!progress->outcome && !ours && progress->rollout && outcome && *outcome &&
      !g_str_equal(outcome, "open")) {
    progress->outcome = g_strdup(outcome); /* it ended before we looked */
    progress->cause = api_named(progress->cli, jget_str(deployment, "reason", NULL));
  }
  size_t i;
  const char *began = ours || !progress->rollout ? jget_str(rollout, "started_at", "") : NULL;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance) progress_instance(
      progress, instance, began && strcmp(jget_str(instance, "since", ""), began) >= 0);
}

void progress_event(Progress *progress, const char *type, const json_t *data)
{
  if (g_str_equal(type, "reset")) {
    size_t i;
    const json_t *deployment;
    json_array_foreach(json_object_get(data, "deployments"), i, deployment)
        progress_deployment(progress, deployment);
    return;
  }
  const char *owner = jget_str(data, "deployment", jget_str(data, "name", NULL));
  if (g_strcmp0(owner, progress->deployment) != 0)
    return;
  if (g_str_equal(type, "rollout"))
    progress_rollout(progress, data);
  else if (g_str_equal(type, "instance"))
    progress_instance(progress, data, true);
  else if (g_str_equal(type, "deployment"))
    progress_deployment(progress, data);
}

/* "desk: the update to revision 3 failed, revision 2 runs again". Caller frees. */
static char *progress_verdict(const Progress *progress)
{
  const char *name = progress->deployment, *outcome = progress->outcome;
  bool change = progress_is_change(progress);
  if (change && g_str_equal(outcome, "rolled-back"))
    return g_strdup_printf("%s: the %s to revision %d failed, revision %d runs again", name,
                           progress->kind, progress->to, progress->from);
  if (change && g_str_equal(outcome, "failed"))
    return g_strdup_printf("%s: the %s to revision %d failed", name, progress->kind, progress->to);
  if (g_str_equal(outcome, "cancelled") && progress->cause &&
      g_str_has_prefix(progress->cause, "cancelled"))
    return g_strdup(name); /* the cause says it */
  return g_strdup_printf("%s: %s", name, outcome);
}

void progress_end(const Progress *progress)
{
  if (g_strcmp0(progress->outcome, "succeeded") == 0)
    return;
  const Cli *cli = progress->cli;
  bool told = progress->cause && *progress->cause;
  g_autofree char *verdict = progress_verdict(progress);
  g_autofree char *lead =
      g_strdup_printf(cli->color_err ? "\033[31m%s\033[0m%s" : "%s%s", verdict, told ? ": " : "");
  Cli loud = *cli;
  loud.quiet = false; /* how it ended is no hint */
  progress_text(&loud, lead, told ? progress->cause : "");
  if (g_strcmp0(progress->outcome, "cancelled") != 0)
    cli_note(cli, "see: reeve why %s, reeve logs %s", progress->deployment, progress->deployment);
}
