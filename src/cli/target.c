/* Owns the names of agents and instances on the command line. */
#include "cli/target.h"

#include "base/error.h"
#include "base/json.h"
#include "model/job.h"

#include <string.h>

static bool target_replica(Target *target, const char *text, GError **error)
{
  gint64 replica = 0;
  if (!g_ascii_string_to_signed(text, 10, 0, INT32_MAX, &replica, NULL)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "invalid replica number '%s'; wanted: NAME/AGENT/REPLICA, as in desk/web/1", text);
    return false;
  }
  target->replica = (int)replica;
  return true;
}

bool target_parse(Target *target, const char *word, const char *agent, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(word, "/", 2);
  *target = (Target){.replica = -1};
  if (parts[0] && parts[1] && agent) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "two agents, '%s' and '%s'; wanted NAME AGENT or NAME/AGENT", parts[1], agent);
    return false;
  }
  const char *rest = agent ? agent : parts[0] ? parts[1] : NULL;
  g_auto(GStrv) more = rest ? g_strsplit(rest, "/", 2) : NULL;
  if (!parts[0] || !*parts[0] || (rest && (!more[0] || !*more[0]))) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "'%s' names nothing; wanted: NAME, NAME/AGENT or NAME/AGENT/REPLICA", word);
    return false;
  }
  target->deployment = g_strdup(parts[0]);
  target->agent = more ? g_strdup(more[0]) : NULL;
  return !more || !more[1] || target_replica(target, more[1], error);
}

bool target_of(const Cli *cli, Target *target, GError **error)
{
  *target = (Target){.replica = -1};
  return !cli_word(cli, 0) || target_parse(target, cli_word(cli, 0), cli_word(cli, 1), error);
}

void target_done(Target *target)
{
  g_clear_pointer(&target->deployment, g_free);
  g_clear_pointer(&target->agent, g_free);
}

char *target_agent(const Target *target)
{
  if (!target->agent || target->replica < 0)
    return g_strdup(target->agent);
  return slot_key(target->agent, target->replica);
}

char *target_text(const Target *target)
{
  g_autofree char *agent = target_agent(target);
  return agent ? g_strconcat(target->deployment, "/", agent, NULL) : g_strdup(target->deployment);
}

bool target_has(const Target *target, const json_t *instance)
{
  return (!target->agent || g_str_equal(target->agent, jget_str(instance, "agent", ""))) &&
         (target->replica < 0 || target->replica == jget_int(instance, "replica", 0));
}

bool target_filter(const Target *target, json_t *deployment, GError **error)
{
  json_t *all = json_object_get(deployment, "instances"), *instance, *kept = json_array();
  g_autoptr(GString) known = g_string_new(NULL);
  const char *last = "";
  size_t i;
  json_array_foreach(all, i, instance)
  {
    const char *agent = jget_str(instance, "agent", "?");
    if (target_has(target, instance))
      json_array_append(kept, instance);
    if (!g_str_equal(agent, last))
      g_string_append_printf(known, "%s%s", known->len ? ", " : "", agent);
    last = agent;
  }
  bool found = json_array_size(kept) > 0 || !target->agent;
  g_autofree char *name = target_agent(target);
  if (!found)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "%s has no agent '%s'; it has: %s",
                target->deployment, name, known->len ? known->str : "none");
  json_object_set_new(deployment, "instances", kept);
  return found;
}

/* @text with @value in place of each @mark. Caller frees. */
static char *target_fill(const char *text, const char *mark, const char *value)
{
  g_auto(GStrv) parts = g_strsplit(text, mark, -1);
  return g_strjoinv(value, parts);
}

bool target_allowed(const Cli *cli, GError **error)
{
  const char *word = cli_word(cli, 0);
  if (!cli->verb->instead || !word || !strchr(word, '/'))
    return true;
  g_auto(Target) target = {0};
  if (!target_parse(&target, word, NULL, error))
    return false;
  g_autofree char *half = target_fill(cli->verb->instead, "TARGET", word),
                  *way = target_fill(half, "NAME", target.deployment);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
              "%s takes a deployment; '%s' names an agent. %s", cli->verb->name, word, way);
  return false;
}

char *target_name(const json_t *instance)
{
  const char *name = jget_str(instance, "name", NULL), *agent = jget_str(instance, "agent", "?");
  int replica = (int)jget_int(instance, "replica", 0);
  if (name)
    return g_strdup(name);
  /* a server of before, or a record of a log */
  return replica ? slot_key(agent, replica) : g_strdup(agent);
}
