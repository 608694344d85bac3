/* The registry of a deployment, where its agents find each other: who is in it, what each told of
 * itself, what is found. An agent is in it by itself while it runs; its URL and health are what we
 * know, never what it says. */
#include "core/build.h"
#include "core/command.h"
#include "core/instance.h"
#include "core/records.h"
#include "core/spec.h"
#include "core/state.h"
#include "core/turn.h"

#include "base/error.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* Has its node told of the life that it is to have now? */
static bool registry_told(const Instance *instance)
{
  return instance->sight.seen_generation == instance->generation;
}

/* What the present life of @instance has told, or NULL. */
static const Registration *registration_of(const Instance *instance)
{
  const Registration *registration = instance->registration;
  return registration && registration->generation == instance->generation ? registration : NULL;
}

static bool registry_hides(const Instance *instance)
{
  const Registration *registration = registration_of(instance);
  return registration && registration->hidden &&
         (!registry_told(instance) || instance->attempt <= registration->attempt);
}

/* Is @instance in the registry? An agent may speak before its node has told that it runs, but not
 * after it has told that it does not. */
static bool registry_has(const Instance *instance)
{
  if (!instance->desired_running || instance->outcome || instance->port <= 0 ||
      registry_hides(instance))
    return false;
  const Registration *registration = registration_of(instance);
  bool spoke = registration && registration->said;
  if (!registry_told(instance))
    return spoke;
  InstanceState state = instance->state == INSTANCE_LOST ? instance->told_state : instance->state;
  return state == INSTANCE_RUNNING || (state == INSTANCE_STARTING && spoke);
}

static bool registry_is_healthy(const Instance *instance)
{
  return registry_told(instance) && instance->state == INSTANCE_RUNNING &&
         instance->health == HEALTH_HEALTHY;
}

static const char *registry_health_word(const Instance *instance)
{
  if (registry_is_healthy(instance))
    return "healthy";
  bool known = registry_told(instance) && instance->state != INSTANCE_LOST &&
               instance->health != HEALTH_UNKNOWN;
  return known ? "unhealthy" : "unknown";
}

/* ---- what is shown ---- */

/* One agent on its way into an answer. */
typedef struct Entry {
  const Instance *instance;
  json_t *said; /* NULL = nothing */
} Entry;

static Entry entry_of(const Instance *instance)
{
  const Registration *registration = registration_of(instance);
  const char *said = registration ? registration->said : NULL;
  return (Entry){.instance = instance, .said = said ? json_parse(said, strlen(said), NULL) : NULL};
}

static const char *entry_name(const Entry *entry)
{
  return jget_str(entry->said, "name", entry->instance->agent);
}

/* Since when it is there: it told of itself, or its process began. */
static int64_t entry_since_ms(const Entry *entry)
{
  return entry->said ? entry->instance->registration->said_at_ms : entry->instance->since_ms;
}

/* When its node was last heard of, which would have told that it ended. */
static int64_t entry_seen_ms(const Entry *entry, const Core *core, Now now)
{
  const NodeObject *node = registry_told(entry->instance) ? entry->instance->node : NULL;
  int64_t heard_ms = node ? now.wall_ms - (now.boot_ms - node->heard_boot_ms) : 0;
  return MAX(heard_ms, entry_since_ms(entry));
}

static void entry_member(GString *out, const Entry *entry, const char *key, const char *fallback)
{
  const json_t *value = json_object_get(entry->said, key);
  char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  jw_raw(out, key, text ? text : fallback);
  free(text);
}

static void entry_render(GString *out, const Entry *entry, const Core *core, Now now)
{
  g_autofree char *id = instance_short_name(entry->instance), *url = instance_url(entry->instance);
  jw_open(out, NULL, '{');
  jw_str(out, "id", id);
  jw_str(out, "name", entry_name(entry));
  jw_str(out, "url", url);
  entry_member(out, entry, "description", "\"\"");
  entry_member(out, entry, "skills", "[]");
  entry_member(out, entry, "tags", "[]");
  entry_member(out, entry, "metadata", "{}");
  jw_time(out, "registered_at", entry_since_ms(entry));
  jw_time(out, "last_seen", entry_seen_ms(entry, core, now));
  jw_str(out, "health_status", registry_health_word(entry->instance));
  jw_int(out, "consecutive_failures", 0); /* the node counts them, and tells what came of it */
  jw_close(out, '}');
}

/* ---- what is looked for ---- */

static bool text_contains(const char *text, const char *part)
{
  g_autofree char *in = g_utf8_casefold(text, -1), *what = g_utf8_casefold(part, -1);
  return strstr(in, what) != NULL;
}

static bool list_contains(const json_t *list, const char *part)
{
  size_t i;
  const json_t *item;
  json_array_foreach(list, i, item) if (text_contains(json_string_value(item), part)) return true;
  return false;
}

/* A skill is an object, as in an agent's card, or just its name. */
static bool skills_contain(const json_t *skills, const char *part)
{
  static const char *const keys[] = {"id", "name", "description"};
  size_t i;
  const json_t *skill;
  json_array_foreach(skills, i, skill)
  {
    if (json_is_string(skill) && text_contains(json_string_value(skill), part))
      return true;
    for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
      if (text_contains(jget_str(skill, keys[k], ""), part))
        return true;
  }
  return false;
}

static bool entry_fits(const Entry *entry, const RegistryQuery *query)
{
  return (!query->healthy_only || registry_is_healthy(entry->instance)) &&
         (!query->name || text_contains(entry_name(entry), query->name)) &&
         (!query->tag || list_contains(json_object_get(entry->said, "tags"), query->tag)) &&
         (!query->skill || skills_contain(json_object_get(entry->said, "skills"), query->skill));
}

void registry_list(GString *out, const Core *core, const Deployment *deployment,
                   const RegistryQuery *query, Now now)
{
  int left = REGISTRY_LIST_MAX;
  jw_open(out, NULL, '[');
  for (guint i = 0; i < deployment->instances->len && left > 0; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (!registry_has(instance))
      continue;
    Entry entry = entry_of(instance);
    if (entry_fits(&entry, query)) {
      entry_render(out, &entry, core, now);
      left--;
    }
    json_decref(entry.said);
  }
  jw_close(out, ']');
}

/* The agent of the registry with our @id, else the first that names itself so; NULL = there is
 * none. */
static Instance *registry_find(const Deployment *deployment, const char *id)
{
  Instance *named = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (!registry_has(instance))
      continue;
    g_autofree char *own = instance_short_name(instance);
    if (strcmp(own, id) == 0)
      return instance;
    Entry entry = named ? (Entry){.instance = NULL} : entry_of(instance);
    if (entry.said && strcmp(jget_str(entry.said, "id", ""), id) == 0)
      named = instance;
    json_decref(entry.said);
  }
  return named;
}

bool registry_entry(GString *out, const Core *core, const Deployment *deployment, const char *id,
                    Now now)
{
  const Instance *instance = registry_find(deployment, id);
  if (!instance)
    return false;
  Entry entry = entry_of(instance);
  entry_render(out, &entry, core, now);
  json_decref(entry.said);
  return true;
}

void registry_health(GString *out, const Deployment *deployment)
{
  int total = 0, healthy = 0;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    total += registry_has(instance);
    healthy += registry_has(instance) && registry_is_healthy(instance);
  }
  jw_open(out, NULL, '{');
  jw_str(out, "status", "healthy");
  jw_int(out, "total_agents", total);
  jw_int(out, "healthy_agents", healthy);
  jw_int(out, "unhealthy_agents", total - healthy);
  jw_close(out, '}');
}

/* ---- what agents tell ---- */

/* The slot that whoever asks runs in: its port says so, else its id. NULL after a refusal. */
static Instance *registry_match(Core *core, const Command *command, const Deployment *deployment)
{
  const RegistrationAsk *ask = command->registration;
  const Instance *named = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (!instance->desired_running || instance->port <= 0)
      continue;
    g_autofree char *id = instance_short_name(instance);
    bool same = strcmp(id, ask->id) == 0;
    if (ask->port ? instance->port == ask->port : same)
      return instance;
    if (same)
      named = instance;
  }
  if (named)
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "register agent '%s': it has port %d (AGENT_PORT), its URL names port %d", ask->id,
                named->port, ask->port);
  else if (ask->port)
    turn_refuse(
        core, command, REEVE_ERROR_INVALID,
        "register agent '%s': no running agent of deployment '%s' has the port of its URL, %d; an agent is reached at its AGENT_PORT, "
        "and here are agents of this deployment only",
        ask->id, deployment->name, ask->port);
  else
    turn_refuse(
        core, command, REEVE_ERROR_INVALID,
        "register agent '%s': deployment '%s' runs no agent of that id with a port, and its URL names no port",
        ask->id, deployment->name);
  return NULL;
}

/* Bytes that agents of @deployment beside @but have told. */
static size_t registry_bytes(const Deployment *deployment, const Instance *but)
{
  size_t bytes = 0;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance != but && instance->registration && instance->registration->said)
      bytes += strlen(instance->registration->said);
  }
  return bytes;
}

/* The registration of the present life of @instance, made when there is none. */
static Registration *registration_ensure(Instance *instance)
{
  if (!registration_of(instance)) {
    registration_free(instance->registration);
    instance->registration = g_new0(Registration, 1);
    instance->registration->generation = instance->generation;
  }
  return instance->registration;
}

static Deployment *registry_deployment(Core *core, const Command *command)
{
  Deployment *deployment = core_find(core, command->deployment);
  if (!deployment)
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "no deployment '%s'", command->deployment);
  return deployment;
}

void command_register(Core *core, const Command *command)
{
  const RegistrationAsk *ask = command->registration;
  const Deployment *deployment = registry_deployment(core, command);
  Instance *instance = deployment ? registry_match(core, command, deployment) : NULL;
  if (!instance)
    return;
  size_t bytes = strlen(ask->said);
  if (bytes > REGISTRY_SAID_MAX ||
      bytes + registry_bytes(deployment, instance) > REGISTRY_TOLD_MAX) {
    turn_refuse(
        core, command, REEVE_ERROR_LIMIT,
        "register agent '%s': more than %d bytes, or with what the others of '%s' told than %d",
        ask->id, REGISTRY_SAID_MAX, deployment->name, REGISTRY_TOLD_MAX);
    return;
  }
  const Registration *before = registration_of(instance);
  /* many say the same every few seconds */
  if (!before || before->hidden || g_strcmp0(before->said, ask->said) != 0) {
    Registration *registration = registration_ensure(instance);
    text_set(&registration->said, ask->said);
    registration->said_at_ms =
        registration->said_at_ms ? registration->said_at_ms : core_now(core).wall_ms;
    registration->hidden = false;
    turn_store(core, record_of_registration(instance));
  }
  g_autoptr(GString) body = g_string_new(NULL);
  Entry entry = entry_of(instance);
  entry_render(body, &entry, core, core_now(core));
  json_decref(entry.said);
  turn_accept(core, command, 200, body->str);
}

void command_deregister(Core *core, const Command *command)
{
  const char *id = command->registration->id;
  const Deployment *deployment = registry_deployment(core, command);
  Instance *instance = deployment ? registry_find(deployment, id) : NULL;
  if (!instance) {
    if (deployment)
      turn_refuse(core, command, REEVE_ERROR_NOT_FOUND,
                  "no agent '%s' in the registry of deployment '%s'", id, deployment->name);
    return;
  }
  Registration *registration = registration_ensure(instance);
  registration->hidden = true;
  registration->attempt = registry_told(instance) ? instance->attempt : 1;
  turn_store(core, record_of_registration(instance));
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "status", "deregistered");
  jw_str(body, "agent_id", id);
  jw_close(body, '}');
  turn_accept(core, command, 200, body->str);
}
