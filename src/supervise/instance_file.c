/* The file that a node keeps of an instance: what is wanted, how far it got, how it ended. Synced
 * before anything of it starts. */
#include "supervise/instance_file.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

char *instance_file_write(const NodeInstance *instance)
{
  GString *out = g_string_sized_new(2048);
  jw_open(out, NULL, '{');
  jw_int(out, "version", 1);
  jw_str(out, "id", instance->id);
  jw_int(out, "epoch", instance->epoch);
  jw_int(out, "generation", instance->generation);
  jw_str(out, "desired", instance->desired_running ? "running" : "stopped");
  jw_int(out, "restarts", instance->restarts);
  jw_str(out, "boot_id", instance->supervisor->boot_id);
  /* final lives are stored, so that what failed or completed stays so in the node's next life */
  jw_str(out, "outcome",
         node_instance_is_final(instance) ? life_word(node_instance_shown_life(instance)) : NULL);
  jw_int(out, "exit_code", instance->last_exit.code);
  jw_int(out, "exit_signal", instance->last_exit.signal);
  jw_str(out, "reason", instance->reason);
  if (instance->spec) {
    jw_raw(out, "spec", "");
    instance_spec_write(instance->spec, out);
  }
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* The final life that @outcome names; LIFE_ADOPTING = none. */
static Life file_life(const char *outcome)
{
  for (Life life = LIFE_STOPPED; life < LIFE_N; life++)
    if (g_strcmp0(outcome, life_word(life)) == 0)
      return life;
  return LIFE_ADOPTING;
}

static bool file_read(NodeInstance *instance, const json_t *object, GError **error)
{
  const json_t *spec = json_object_get(object, "spec");
  if (!json_is_object(object) || g_strcmp0(jget_str(object, "id", NULL), instance->id) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "instance file of '%s': not an object, or of another instance", instance->id);
    return false;
  }
  if (spec && !(instance->spec = instance_spec_from_json(spec, error)))
    return false;
  instance->epoch = jget_int(object, "epoch", 0);
  instance->generation = jget_int(object, "generation", 0);
  instance->desired_running =
      g_strcmp0(jget_str(object, "desired", NULL), "running") == 0 && instance->spec;
  instance->restarts = (int)jget_int(object, "restarts", 0);
  instance->last_exit.code = (int)jget_int(object, "exit_code", -1);
  instance->last_exit.signal = (int)jget_int(object, "exit_signal", 0);
  instance->reason = g_strdup(jget_str(object, "reason", NULL));
  /* what a copied file names is not ours to end */
  instance->rebooted =
      instance->supervisor->identity.copied ||
      g_strcmp0(jget_str(object, "boot_id", NULL), instance->supervisor->boot_id) != 0;
  instance->outcome = file_life(jget_str(object, "outcome", NULL));
  return true;
}

bool instance_file_parse(NodeInstance *instance, const char *text, GError **error)
{
  json_t *object = json_parse(text, strlen(text), error);
  if (!object)
    return false;
  bool ok = file_read(instance, object, error);
  json_decref(object);
  return ok;
}
