/* Secrets as the core knows them: a name, a sealed text that only the server can open, and a version that grows. */
#include "core/internal.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

void secret_free(Secret *secret)
{
  g_free(secret->name);
  g_free(secret->sealed);
  g_free(secret->actor);
  g_free(secret);
}

static gint secret_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Secret *const *)a)->name, (*(Secret *const *)b)->name);
}

static Secret *secret_find(const Core *core, const char *name)
{
  for (guint i = 0; i < core->secrets->len; i++)
    if (strcmp(((Secret *)core->secrets->pdata[i])->name, name) == 0)
      return core->secrets->pdata[i];
  return NULL;
}

const Secret *core_secret(const Core *core, const char *name)
{
  return secret_find(core, name);
}

const GPtrArray *core_secrets(const Core *core)
{
  return core->secrets;
}

static void secret_accept(Core *core, const Command *command, const Secret *secret, bool created)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "name", secret->name);
  jw_int(body, "version", secret->version);
  jw_close(body, '}');
  core_accept(core, command, created ? 201 : 200, body->str);
}

static bool secret_refused(Core *core, const Command *command, const Secret *known)
{
  const SecretAsk *ask = command->secret;
  if (!text_is_name(ask->name))
    core_refuse(core, command, REEVE_ERROR_INVALID, "set secret '%s': a name is 1 to 64 letters, digits, '.', '_' or '-'", ask->name);
  else if (strlen(ask->sealed) > SECRET_SEALED_MAX)
    core_refuse(core, command, REEVE_ERROR_LIMIT, "set secret '%s': larger than allowed", ask->name);
  else if (!known && core->secrets->len >= SECRETS_MAX)
    core_refuse(core, command, REEVE_ERROR_CONFLICT, "set secret '%s': there are %d already; remove one first", ask->name, SECRETS_MAX);
  else
    return false;
  return true;
}

void command_secret_set(Core *core, const Command *command)
{
  Secret *secret = secret_find(core, command->secret->name);
  if (secret_refused(core, command, secret))
    return;
  bool created = !secret;
  if (created) {
    secret = g_new0(Secret, 1);
    secret->name = g_strdup(command->secret->name);
    secret->created_at_ms = core->now.wall_ms;
    g_ptr_array_add(core->secrets, secret);
    g_ptr_array_sort(core->secrets, secret_compare);
  }
  secret->version = (int64_t)core->next_id++;
  secret->updated_at_ms = core->now.wall_ms;
  text_set(&secret->sealed, command->secret->sealed);
  text_set(&secret->actor, command->actor);
  g_ptr_array_add(core->effects->records, record_of_secret(secret));
  core_audit(core, command, "secret-set", secret->name, created ? "new" : "changed");
  secret_accept(core, command, secret, created);
}

void command_secret_remove(Core *core, const Command *command)
{
  Secret *secret = secret_find(core, command->secret->name);
  if (!secret) {
    core_refuse(core, command, REEVE_ERROR_NOT_FOUND, "remove secret '%s': no such secret", command->secret->name);
    return;
  }
  turn_remove(core, TABLE_SECRETS, secret->name);
  core_audit(core, command, "secret-remove", secret->name, NULL);
  g_ptr_array_remove(core->secrets, secret);
  core_accept(core, command, 200, "{}");
}

bool load_secret(Core *core, const Value *values)
{
  if (!values[SEC_SEALED].text)
    return false;
  Secret *secret = g_new0(Secret, 1);
  secret->name = g_strdup(values[SEC_NAME].text);
  secret->sealed = g_strdup(values[SEC_SEALED].text);
  secret->version = values[SEC_VERSION].number;
  secret->created_at_ms = values[SEC_CREATED_AT].number;
  secret->updated_at_ms = values[SEC_UPDATED_AT].number;
  secret->actor = g_strdup(values[SEC_ACTOR].text);
  g_ptr_array_add(core->secrets, secret);
  g_ptr_array_sort(core->secrets, secret_compare);
  return true;
}
