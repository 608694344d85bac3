/* Owns the lines that tell how a rollout goes. */
#include "cli/progress.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>

enum { OUTPUT_SHOWN_MAX = 2000 };

void progress_init(Progress *progress, const Cli *cli, const char *deployment, const char *rollout)
{
  *progress =
      (Progress){.cli = cli, .deployment = g_strdup(deployment), .rollout = g_strdup(rollout), .stage = -1, .start_ms = clock_boot_ms()};
  progress->shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void progress_done(Progress *progress)
{
  g_clear_pointer(&progress->deployment, g_free);
  g_clear_pointer(&progress->rollout, g_free);
  g_clear_pointer(&progress->shown, g_hash_table_unref);
  g_clear_pointer(&progress->outcome, g_free);
  g_clear_pointer(&progress->cause, g_free);
}

static void progress_rollout(Progress *progress, const json_t *rollout)
{
  const char *id = jget_str(rollout, "id", NULL), *outcome = jget_str(rollout, "outcome", NULL);
  if (!id || (progress->rollout && !g_str_equal(progress->rollout, id)))
    return;
  int stage = (int)jget_int(rollout, "stage", -1), stages = (int)jget_int(rollout, "stages", 0);
  bool applying = g_strcmp0(jget_str(rollout, "phase", NULL), "apply") == 0;
  if (applying && stage >= 0 && stage != progress->stage) {
    progress->stage = stage;
    cli_note(progress->cli, "stage %d of %d", stage + 1, stages);
  }
  if (!outcome || g_str_equal(outcome, "open"))
    return;
  g_free(progress->outcome);
  g_free(progress->cause);
  progress->outcome = g_strdup(outcome);
  progress->cause = g_strdup(jget_str(rollout, "cause", NULL));
}

/* The last lines of an agent that is in trouble, each marked. */
static void progress_output(const Progress *progress, const char *output)
{
  g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = text_escape(lines[i], OUTPUT_SHOWN_MAX);
    if (*line)
      cli_note(progress->cli, "    | %s", line);
  }
}

static void progress_instance(Progress *progress, const json_t *instance)
{
  const char *id = jget_str(instance, "id", NULL), *state = jget_str(instance, "state", "?"),
             *health = jget_str(instance, "health", "unknown");
  if (!id)
    return;
  bool running = g_str_equal(state, "running");
  const char *word = running && g_str_equal(health, "unknown") ? "started" : running ? health : state;
  const char *before = g_hash_table_lookup(progress->shown, id);
  if (g_strcmp0(before, word) == 0)
    return;
  g_hash_table_replace(progress->shown, g_strdup(id), g_strdup(word));
  const char *url = jget_str(instance, "url", NULL), *reason = jget_str(instance, "reason", NULL);
  int pid = (int)jget_int(instance, "pid", 0), replica = (int)jget_int(instance, "replica", 0);
  g_autoptr(GString) line = g_string_new(NULL);
  const char *sgr = progress->cli->color_err ? cli_state_color(word) : NULL;
  g_string_append_printf(line, "  %s", jget_str(instance, "agent", "?"));
  if (replica > 0)
    g_string_append_printf(line, "/%d", replica);
  if (sgr)
    g_string_append_printf(line, " \033[%sm%s\033[0m", sgr, word);
  else
    g_string_append_printf(line, " %s", word);
  if (url && running)
    g_string_append_printf(line, " at %s", url);
  if (pid > 0 && running)
    g_string_append_printf(line, " pid %d", pid);
  if (running && g_str_equal(word, "healthy"))
    g_string_append_printf(line, " after %.2f s", (double)(clock_boot_ms() - progress->start_ms) / 1000);
  if (reason && *reason)
    g_string_append_printf(line, ": %s", reason);
  cli_note(progress->cli, "%s", line->str);
  if (g_str_equal(word, "failed") && jget_str(instance, "output", NULL))
    progress_output(progress, jget_str(instance, "output", ""));
}

static void progress_deployment(Progress *progress, const json_t *deployment)
{
  if (g_strcmp0(jget_str(deployment, "name", NULL), progress->deployment) != 0)
    return;
  const json_t *rollout = json_object_get(deployment, "rollout"), *instance;
  if (json_is_object(rollout))
    progress_rollout(progress, rollout);
  const char *outcome = jget_str(deployment, "outcome", NULL);
  bool ours = json_is_object(rollout) && g_strcmp0(jget_str(rollout, "id", NULL), progress->rollout) == 0;
  if (!progress->outcome && !ours && progress->rollout && outcome && *outcome && !g_str_equal(outcome, "open")) {
    progress->outcome = g_strdup(outcome); /* it ended before we looked */
    progress->cause = g_strdup(jget_str(deployment, "reason", NULL));
  }
  size_t i;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance) progress_instance(progress, instance);
}

void progress_event(Progress *progress, const char *type, const json_t *data)
{
  if (g_str_equal(type, "reset")) {
    size_t i;
    const json_t *deployment;
    json_array_foreach(json_object_get(data, "deployments"), i, deployment) progress_deployment(progress, deployment);
    return;
  }
  const char *owner = jget_str(data, "deployment", jget_str(data, "name", NULL));
  if (g_strcmp0(owner, progress->deployment) != 0)
    return;
  if (g_str_equal(type, "rollout"))
    progress_rollout(progress, data);
  else if (g_str_equal(type, "instance"))
    progress_instance(progress, data);
  else if (g_str_equal(type, "deployment"))
    progress_deployment(progress, data);
}

void progress_end(const Progress *progress)
{
  if (g_strcmp0(progress->outcome, "succeeded") == 0)
    return;
  const char *sgr = progress->cli->color_err ? "31" : NULL;
  fprintf(stderr, sgr ? "\033[31m%s: %s\033[0m%s%s\n" : "%s: %s%s%s\n", progress->deployment, progress->outcome,
          progress->cause && *progress->cause ? ": " : "", progress->cause ? progress->cause : "");
}
