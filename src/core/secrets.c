/* Secrets as the core knows them: a name, a sealed text that only the server can open, and a
 * version that grows. */
#include "core/secrets.h"

#include "core/build.h"
#include "core/command.h"
#include "core/instance.h"
#include "core/records.h"
#include "core/spec.h"
#include "core/state.h"
#include "core/turn.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { SECRETS_MISSING_TEXT_MAX = 4000 };

gint secret_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Secret *const *)a)->name, (*(Secret *const *)b)->name);
}

static Secret *secret_find(const Core *core, const char *name)
{
  for (guint i = 0; i < core_list(core, CORE_SECRETS)->len; i++)
    if (strcmp(((Secret *)core_list(core, CORE_SECRETS)->pdata[i])->name, name) == 0)
      return core_list(core, CORE_SECRETS)->pdata[i];
  return NULL;
}

const Secret *core_secret(const Core *core, const char *name)
{
  return secret_find(core, name);
}

const GPtrArray *core_secrets(const Core *core)
{
  return core_list(core, CORE_SECRETS);
}

static void secret_accept(Core *core, const Command *command, const Secret *secret, bool created)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "name", secret->name);
  jw_int(body, "version", secret->version);
  jw_close(body, '}');
  turn_accept(core, command, created ? 201 : 200, body->str);
}

static bool secret_refused(Core *core, const Command *command, const Secret *known)
{
  const SecretAsk *ask = command->secret;
  if (!text_is_name(ask->name))
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "set secret '%s': a name is 1 to 64 letters, digits, '.', '_' or '-'", ask->name);
  else if (strlen(ask->sealed) > SECRET_SEALED_MAX)
    turn_refuse(core, command, REEVE_ERROR_LIMIT, "set secret '%s': larger than allowed",
                ask->name);
  else if (!known && core_list(core, CORE_SECRETS)->len >= SECRETS_MAX)
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "set secret '%s': there are %d already; remove one first", ask->name, SECRETS_MAX);
  else
    return false;
  return true;
}

/* ---- who uses them ---- */

typedef bool (*SecretUseFn)(const char *secret, const char *key, void *data); /* false = enough */

/* Calls @fn for each secret in the environment of @agent; what stands in the job's environment
 * counts unless the agent overrides it. */
static void secrets_of_agent(const Job *job, const AgentSpec *agent, SecretUseFn fn, void *data)
{
  const StrMap *maps[] = {&job->environment, &agent->environment};
  for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
    for (guint k = 0; k < strmap_size(maps[i]); k++) {
      const StrPair *pair = strmap_at(maps[i], k);
      bool hidden = i == 0 && strmap_has(maps[1], pair->key);
      if (pair->from == VALUE_SECRET && !hidden && !fn(pair->value, pair->key, data))
        return;
    }
}

typedef struct SecretMissing {
  const Core *core;
  const AgentSpec *agent;
  GString *text;
} SecretMissing;

static bool secret_note_missing(const char *secret, const char *key, void *data)
{
  SecretMissing *missing = data;
  if (secret_find(missing->core, secret))
    return true;
  g_string_append_printf(
      missing->text,
      "%sagent '%s', variable '%s': no secret '%s'; set it with 'reeve secret set %s'",
      missing->text->len ? "; " : "", missing->agent->id, key, secret, secret);
  return missing->text->len < SECRETS_MISSING_TEXT_MAX;
}

char *secrets_missing(const Core *core, const Job *job)
{
  SecretMissing missing = {.core = core, .text = g_string_new(NULL)};
  for (guint i = 0; i < job->agents->len && missing.text->len < SECRETS_MISSING_TEXT_MAX; i++) {
    missing.agent = job_agent(job, i);
    secrets_of_agent(job, missing.agent, secret_note_missing, &missing);
  }
  for (guint i = 0; i < job->notify->len && missing.text->len < SECRETS_MISSING_TEXT_MAX; i++) {
    const char *secret = ((const NotifySpec *)job->notify->pdata[i])->secret;
    if (secret && !secret_find(core, secret))
      g_string_append_printf(missing.text,
                             "%swebhook %u: no secret '%s'; set it with 'reeve secret set %s'",
                             missing.text->len ? "; " : "", i + 1, secret, secret);
  }
  return g_string_free(missing.text, missing.text->len == 0);
}

typedef struct SecretUse {
  const Core *core;
  const Instance *instance;
  const char *name; /* looked for */
  bool found, stale;
} SecretUse;

static bool secret_look(const char *name, const char *key, void *data)
{
  SecretUse *use = data;
  (void)key;
  const Secret *secret = secret_find(use->core, name);
  use->found = use->found || g_strcmp0(use->name, name) == 0;
  use->stale = use->stale || !secret || secret->version > use->instance->secrets_version;
  return true;
}

/* What @instance, if it is to run, has to do with secrets. A job that names none is not parsed for
 * it. */
static SecretUse secret_use(const Core *core, const Instance *instance, const char *name)
{
  SecretUse use = {.core = core, .instance = instance, .name = name};
  const Revision *revision =
      instance->desired_running ? revision_find(instance->deployment, instance->revision) : NULL;
  const Job *job =
      revision && strstr(revision->job_json, "{\"secret\":") ? revision_job(revision) : NULL;
  const AgentSpec *agent = job ? job_agent_named(job, instance->agent) : NULL;
  if (agent)
    secrets_of_agent(job, agent, secret_look, &use);
  return use;
}

static void secret_mark(Core *core, Instance *instance, bool stale)
{
  if (stale == instance->stale)
    return;
  instance->stale = stale;
  touch_instance(core, instance, TOUCH_SEEN);
}

void secrets_loaded(Core *core)
{
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *deployment = core_deployments(core)->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++) {
      Instance *instance = deployment->instances->pdata[k];
      instance->stale = secret_use(core, instance, NULL).stale;
    }
  }
}

static void secret_changed(Core *core, const char *name)
{
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *deployment = core_deployments(core)->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++) {
      Instance *instance = deployment->instances->pdata[k];
      SecretUse use = secret_use(core, instance, name);
      if (use.found)
        secret_mark(core, instance, use.stale);
    }
  }
}

void command_secrets_given(Core *core, const Command *command)
{
  Instance *instance = core_find_instance(core, command->instance);
  if (!instance)
    return;
  if (instance->secrets_version != command->version) {
    instance->secrets_version = command->version;
    touch_instance(core, instance, TOUCH_STORED);
  }
  secret_mark(core, instance, secret_use(core, instance, NULL).stale);
}

char **core_instance_references(const Instance *instance, GError **error)
{
  if (!instance_can_start(instance)) {
    const Revision *revision = revision_find(instance->deployment, instance->revision);
    g_autofree char *problem = revision ? revision_unreadable(instance->deployment, revision)
                                        : g_strdup("it was never started");
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, problem);
    return NULL;
  }
  g_autoptr(InstanceSpec) spec = instance_make_spec(instance);
  return g_steal_pointer(&spec->references);
}

/* Are webhooks of @deployment signed with @name? */
static bool secret_signs(const Deployment *deployment, const char *name)
{
  const Revision *revision = revision_find(deployment, deployment->revision);
  const Job *job =
      revision && strstr(revision->job_json, "\"notify\":[{") ? revision_job(revision) : NULL;
  for (guint i = 0; job && i < job->notify->len; i++)
    if (g_strcmp0(((const NotifySpec *)job->notify->pdata[i])->secret, name) == 0)
      return true;
  return false;
}

/* May a job of @deployment that cannot be read name @name? Its text is searched: to keep a secret
 * for too long harms nobody. */
static bool secret_may_be_named(const Deployment *deployment, const char *name)
{
  g_autofree char *quoted = g_strdup_printf("\"%s\"", name);
  bool may = false;
  for (guint i = 0; deployment->unreadable && i < deployment->revisions->len; i++) {
    const Revision *revision = deployment->revisions->pdata[i];
    may = may || (revision->problem && strstr(revision->job_json, quoted));
  }
  return may;
}

/* Deployments that run with @name, comma-joined; NULL = none. */
static char *secret_users(const Core *core, const char *name)
{
  GString *users = g_string_new(NULL);
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *deployment = core_deployments(core)->pdata[i];
    bool uses = secret_signs(deployment, name) || secret_may_be_named(deployment, name);
    for (guint k = 0; k < deployment->instances->len && !uses; k++)
      uses = secret_use(core, deployment->instances->pdata[k], name).found;
    if (uses)
      g_string_append_printf(users, "%s'%s'", users->len ? ", " : "", deployment->name);
  }
  return g_string_free(users, users->len == 0);
}

/* ---- commands ---- */

void command_secret_set(Core *core, const Command *command)
{
  Secret *secret = secret_find(core, command->secret->name);
  if (secret_refused(core, command, secret))
    return;
  bool created = !secret;
  if (created) {
    secret = g_new0(Secret, 1);
    secret->name = g_strdup(command->secret->name);
    secret->created_at_ms = core_now(core).wall_ms;
    g_ptr_array_add(core_list(core, CORE_SECRETS), secret);
    g_ptr_array_sort(core_list(core, CORE_SECRETS), secret_compare);
  }
  secret->version = (int64_t)core_next_number(core);
  secret->updated_at_ms = core_now(core).wall_ms;
  text_set(&secret->sealed, command->secret->sealed);
  text_set(&secret->actor, command->actor);
  turn_store(core, record_of_secret(secret));
  turn_audit(core, command, "secret-set", secret->name, created ? "new" : "changed");
  secret_changed(core, secret->name);
  secret_accept(core, command, secret, created);
}

void command_secret_remove(Core *core, const Command *command)
{
  const char *name = command->secret->name;
  Secret *secret = secret_find(core, name);
  if (!secret) {
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "remove secret '%s': no such secret", name);
    return;
  }
  g_autofree char *users = secret_users(core, name);
  if (users) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "remove secret '%s': %s runs with it; stop it, or deploy it without, first", name,
                users);
    return;
  }
  turn_remove(core, TABLE_SECRETS, secret->name);
  turn_audit(core, command, "secret-remove", secret->name, NULL);
  g_ptr_array_remove(core_list(core, CORE_SECRETS), secret);
  turn_accept(core, command, 200, "{}");
}
