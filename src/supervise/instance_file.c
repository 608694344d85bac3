/* The file that a node keeps of an instance: what is wanted, how far it got, how it ended. Synced
 * before its shim starts. */
#include "base/error.h"
#include "base/json.h"
#include "supervise/instance.h"

#include <string.h>

/* Final lives are stored, so that a failed or completed instance stays so after a restart of the
 * node. */
static const char *file_outcome(const Held *held)
{
  Life life = held_face(held);
  return life == LIFE_COMPLETED || life == LIFE_FAILED || life == LIFE_STOPPED ? life_word(life)
                                                                               : NULL;
}

char *instance_file_write(const Held *held)
{
  GString *out = g_string_sized_new(2048);
  jw_open(out, NULL, '{');
  jw_int(out, "version", 1);
  jw_str(out, "id", held->id);
  jw_int(out, "epoch", held->epoch);
  jw_int(out, "generation", held->generation);
  jw_str(out, "desired", held->desired_running ? "running" : "stopped");
  jw_int(out, "restarts", held->restarts);
  jw_str(out, "boot_id", held->supervisor->boot_id);
  jw_str(out, "outcome", file_outcome(held));
  jw_int(out, "exit_code", held->last_exit.code);
  jw_int(out, "exit_signal", held->last_exit.signal);
  jw_str(out, "reason", held->reason);
  if (held->spec) {
    jw_raw(out, "spec", "");
    instance_spec_write(held->spec, out);
  }
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

static Life file_life(const char *outcome)
{
  for (Life life = LIFE_STOPPED; life < LIFE_N; life++)
    if (g_strcmp0(outcome, life_word(life)) == 0)
      return life;
  return LIFE_ADOPTING;
}

static bool file_read(Held *held, const json_t *object, GError **error)
{
  const json_t *spec = json_object_get(object, "spec");
  if (!json_is_object(object) || g_strcmp0(jget_str(object, "id", NULL), held->id) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "instance file of '%s': not an object, or of another instance", held->id);
    return false;
  }
  if (spec && !(held->spec = instance_spec_from_json(spec, error)))
    return false;
  held->epoch = jget_int(object, "epoch", 0);
  held->generation = jget_int(object, "generation", 0);
  held->desired_running =
      g_strcmp0(jget_str(object, "desired", NULL), "running") == 0 && held->spec;
  held->restarts = (int)jget_int(object, "restarts", 0);
  held->last_exit.code = (int)jget_int(object, "exit_code", -1);
  held->last_exit.signal = (int)jget_int(object, "exit_signal", 0);
  held->reason = g_strdup(jget_str(object, "reason", NULL));
  held->rebooted = g_strcmp0(jget_str(object, "boot_id", NULL), held->supervisor->boot_id) != 0;
  held->outcome = file_life(jget_str(object, "outcome", NULL));
  return true;
}

bool instance_file_parse(Held *held, const char *text, GError **error)
{
  json_t *object = json_parse(text, strlen(text), error);
  if (!object)
    return false;
  bool ok = file_read(held, object, error);
  json_decref(object);
  return ok;
}
