/* The spec of one instance as JSON, both ways. Keys are the field names: deployment, agent,
 * replica, stage, kind, argv, environment, working_dir, references, of_caller, user, port,
 * agent_text, peers (text), health{}, restart{}, stop{}, resources{}. */
#include "model/instance_spec.h"

#include "base/error.h"
#include "base/json.h"
#include "model/spec_json.h"

InstanceSpec *instance_spec_new(void)
{
  InstanceSpec *spec = g_new0(InstanceSpec, 1);
  AgentSpec *defaults = agent_spec_new("");
  spec->health = defaults->health;
  spec->restart = defaults->restart;
  spec->stop = defaults->stop;
  agent_spec_free(defaults);
  spec->peers = g_strdup("[]");
  spec->stage = -1;
  return spec;
}

InstanceSpec *instance_spec_copy(const InstanceSpec *spec)
{
  InstanceSpec *copy = g_memdup2(spec, sizeof *spec);
  copy->deployment = g_strdup(spec->deployment);
  copy->agent = g_strdup(spec->agent);
  copy->argv = g_strdupv(spec->argv);
  copy->environment = g_strdupv(spec->environment);
  copy->references = g_strdupv(spec->references);
  copy->of_caller = g_strdupv(spec->of_caller);
  copy->working_dir = g_strdup(spec->working_dir);
  copy->user = g_strdup(spec->user);
  copy->agent_text = g_strdup(spec->agent_text);
  copy->peers = g_strdup(spec->peers);
  copy->health.path = g_strdup(spec->health.path);
  copy->health.argv = g_strdupv(spec->health.argv);
  return copy;
}

void instance_spec_free(InstanceSpec *spec)
{
  if (!spec)
    return;
  g_free(spec->deployment);
  g_free(spec->agent);
  g_strfreev(spec->argv);
  g_strfreev(spec->environment);
  g_strfreev(spec->references);
  g_strfreev(spec->of_caller);
  g_free(spec->working_dir);
  g_free(spec->user);
  g_free(spec->agent_text);
  g_free(spec->peers);
  g_free(spec->health.path);
  g_strfreev(spec->health.argv);
  g_free(spec);
}

void instance_peers_digest(const char *peers, char digest[PEERS_DIGEST_BYTES])
{
  g_autofree char *whole = g_compute_checksum_for_string(G_CHECKSUM_SHA256, peers, -1);
  g_strlcpy(digest, whole, PEERS_DIGEST_BYTES);
}

void instance_spec_write(const InstanceSpec *spec, GString *out)
{
  jw_open(out, NULL, '{');
  jw_str(out, "deployment", spec->deployment);
  jw_str(out, "agent", spec->agent);
  jw_int(out, "replica", spec->replica);
  jw_int(out, "stage", spec->stage);
  jw_int(out, "kind", spec->kind);
  spec_write_strv(out, "argv", spec->argv);
  spec_write_strv(out, "environment", spec->environment);
  if (spec->references && spec->references[0])
    spec_write_strv(out, "references", spec->references);
  if (spec->of_caller && spec->of_caller[0])
    spec_write_strv(out, "of_caller", spec->of_caller);
  if (spec->working_dir)
    jw_str(out, "working_dir", spec->working_dir);
  if (spec->user)
    jw_str(out, "user", spec->user);
  jw_int(out, "port", spec->port);
  if (spec->agent_text)
    jw_str(out, "agent_text", spec->agent_text);
  jw_str(out, "peers", spec->peers);
  spec_write_health(out, &spec->health);
  spec_write_restart(out, &spec->restart);
  spec_write_stop(out, &spec->stop);
  spec_write_resources(out, &spec->resources);
  jw_close(out, '}');
}

static bool instance_spec_read(const json_t *object, InstanceSpec *spec, GError **error)
{
  int64_t replica = 0, stage = -1, kind = AGENT_SERVICE, port = 0;
  if (!spec_read_text(object, "deployment", &spec->deployment, error) ||
      !spec_read_text(object, "agent", &spec->agent, error) ||
      !spec_read_int(object, "replica", 0, JOB_REPLICAS_MAX, &replica, error) ||
      !spec_read_int(object, "stage", -1, INT32_MAX, &stage, error) ||
      !spec_read_int(object, "kind", AGENT_SERVICE, AGENT_BATCH, &kind, error) ||
      !spec_read_strv(object, "argv", &spec->argv, error) ||
      !spec_read_strv(object, "environment", &spec->environment, error) ||
      !spec_read_strv(object, "references", &spec->references, error) ||
      !spec_read_strv(object, "of_caller", &spec->of_caller, error) ||
      !spec_read_text(object, "working_dir", &spec->working_dir, error) ||
      !spec_read_text(object, "user", &spec->user, error) ||
      !spec_read_int(object, "port", 0, 65535, &port, error) ||
      !spec_read_text(object, "agent_text", &spec->agent_text, error) ||
      !spec_read_text(object, "peers", &spec->peers, error) ||
      !spec_read_health(object, &spec->health, error) ||
      !spec_read_restart(object, &spec->restart, error) ||
      !spec_read_stop(object, &spec->stop, error) ||
      !spec_read_resources(object, &spec->resources, error))
    return false;
  spec->replica = (int)replica;
  spec->stage = (int)stage;
  spec->kind = (AgentKind)kind;
  spec->port = (int)port;
  return true;
}

InstanceSpec *instance_spec_from_json(const struct json_t *object, GError **error)
{
  g_autoptr(InstanceSpec) spec = instance_spec_new();
  if (!(json_is_object(object) ? instance_spec_read(object, spec, error)
                               : spec_bad(error, "spec", "an object")))
    return NULL;
  if (!spec->argv || !spec->argv[0]) {
    spec_bad(error, "argv", "at least one word");
    return NULL;
  }
  if (!spec->environment)
    spec->environment = g_new0(char *, 1);
  return g_steal_pointer(&spec);
}

InstanceSpec *instance_spec_parse(const char *json, size_t length, GError **error)
{
  json_t *object = json_parse(json, length, error);
  if (!object)
    return NULL;
  InstanceSpec *spec = instance_spec_from_json(object, error);
  json_decref(object);
  return spec;
}
