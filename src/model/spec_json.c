/* JSON of health, restart, stop, resources and small containers; see spec_json.h. */
#include "model/spec_json.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

bool spec_bad(GError **error, const char *key, const char *wanted)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "member '%s': wanted %s", key, wanted);
  return false;
}

void spec_write_strv(GString *out, const char *key, char *const *strings)
{
  jw_open(out, key, '[');
  for (size_t i = 0; strings && strings[i]; i++)
    jw_str(out, NULL, strings[i]);
  jw_close(out, ']');
}

void spec_write_map(GString *out, const char *key, const StrMap *map)
{
  jw_open(out, key, '{');
  for (guint i = 0; i < strmap_size(map); i++) {
    const StrPair *pair = strmap_at(map, i);
    if (out->str[out->len - 1] != '{')
      g_string_append_c(out, ',');
    jw_quote(out, pair->key, strlen(pair->key));
    g_string_append_c(out, ':');
    if (pair->from != VALUE_TEXT)
      g_string_append(out, pair->from == VALUE_SECRET ? "{\"secret\":" : "{\"file\":");
    jw_quote(out, pair->value, strlen(pair->value));
    if (pair->from != VALUE_TEXT)
      g_string_append_c(out, '}');
  }
  jw_close(out, '}');
}

void spec_write_health(GString *out, const HealthSpec *health)
{
  jw_open(out, "health", '{');
  jw_int(out, "kind", health->kind);
  if (health->path)
    jw_str(out, "path", health->path);
  if (health->argv)
    spec_write_strv(out, "argv", health->argv);
  jw_int(out, "interval_ms", health->interval_ms);
  jw_int(out, "timeout_ms", health->timeout_ms);
  jw_int(out, "retries", health->retries);
  jw_int(out, "start_period_ms", health->start_period_ms);
  if (health->min_healthy_ms != MIN_HEALTHY_UNSET)
    jw_int(out, "min_healthy_ms", health->min_healthy_ms);
  jw_close(out, '}');
}

void spec_write_restart(GString *out, const RestartSpec *restart)
{
  jw_open(out, "restart", '{');
  jw_int(out, "policy", restart->policy);
  jw_int(out, "max", restart->max);
  jw_int(out, "delay_ms", restart->delay_ms);
  jw_int(out, "max_delay_ms", restart->max_delay_ms);
  jw_int(out, "stable_ms", restart->stable_ms);
  jw_close(out, '}');
}

void spec_write_stop(GString *out, const StopSpec *stop)
{
  jw_open(out, "stop", '{');
  jw_int(out, "signal", stop->signal);
  jw_int(out, "grace_ms", stop->grace_ms);
  jw_close(out, '}');
}

/* Cores travel as thousandths, so that no floating point text has to round-trip. */
void spec_write_resources(GString *out, const ResourceSpec *resources)
{
  jw_open(out, "resources", '{');
  jw_int(out, "cpu_milli", (int64_t)(resources->cpu * 1000 + 0.5));
  jw_int(out, "memory_bytes", resources->memory_bytes);
  jw_int(out, "pids", resources->pids);
  jw_int(out, "gpu", resources->gpu);
  jw_close(out, '}');
}

bool spec_read_text(const json_t *object, const char *key, char **out, GError **error)
{
  const json_t *value = json_object_get(object, key);
  if (!value || json_is_null(value))
    return true;
  if (!json_is_string(value))
    return spec_bad(error, key, "text");
  g_free(*out);
  *out = g_strdup(json_string_value(value));
  return true;
}

bool spec_read_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out,
                   GError **error)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return true;
  if (!json_is_integer(value) || json_integer_value(value) < low ||
      json_integer_value(value) > high) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "member '%s': wanted a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                key, low, high);
    return false;
  }
  *out = json_integer_value(value);
  return true;
}

bool spec_read_strv(const json_t *object, const char *key, char ***out, GError **error)
{
  const json_t *value = json_object_get(object, key);
  if (!value || json_is_null(value))
    return true;
  if (!json_is_array(value))
    return spec_bad(error, key, "a list of texts");
  GPtrArray *strings = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  json_t *item;
  json_array_foreach(value, i, item)
  {
    if (!json_is_string(item)) {
      g_ptr_array_unref(strings);
      return spec_bad(error, key, "a list of texts");
    }
    g_ptr_array_add(strings, g_strdup(json_string_value(item)));
  }
  g_ptr_array_add(strings, NULL);
  g_strfreev(*out);
  *out = (char **)g_ptr_array_free(strings, FALSE);
  return true;
}

bool spec_read_map(const json_t *object, const char *key, StrMap *out, GError **error)
{
  json_t *value = json_object_get(object, key);
  if (!value)
    return true;
  if (!json_is_object(value))
    return spec_bad(error, key, "an object of texts");
  const char *name;
  json_t *item;
  json_object_foreach(value, name, item)
  {
    if (!json_is_string(item))
      return spec_bad(error, key, "an object of texts");
    strmap_set(out, name, json_string_value(item));
  }
  return true;
}

bool spec_read_environment(const json_t *object, const char *key, StrMap *out, GError **error)
{
  static const char wanted[] = "an object of texts, {\"secret\": NAME} or {\"file\": PATH}";
  json_t *value = json_object_get(object, key), *item;
  const char *name;
  if (value && !json_is_object(value))
    return spec_bad(error, key, wanted);
  json_object_foreach(value, name, item)
  {
    const char *secret = jget_str(item, "secret", NULL), *file = jget_str(item, "file", NULL);
    if (json_is_string(item))
      strmap_set(out, name, json_string_value(item));
    else if (json_object_size(item) == 1 && secret && text_is_name(secret))
      strmap_set_from(out, name, VALUE_SECRET, secret);
    else if (json_object_size(item) == 1 && file && file[0] == '/')
      strmap_set_from(out, name, VALUE_FILE, file);
    else
      return spec_bad(error, key, wanted);
  }
  return true;
}

/* Member @key as an object; NULL with @ok true when absent. */
static const json_t *spec_object(const json_t *object, const char *key, bool *ok, GError **error)
{
  const json_t *value = json_object_get(object, key);
  *ok = !value || json_is_object(value) || spec_bad(error, key, "an object");
  return *ok ? value : NULL;
}

typedef struct SpecInt {
  const char *key;
  int64_t low, high;
  int64_t *to;
} SpecInt;

static bool spec_read_ints(const json_t *object, const SpecInt *rows, size_t n, GError **error)
{
  for (size_t i = 0; i < n; i++)
    if (!spec_read_int(object, rows[i].key, rows[i].low, rows[i].high, rows[i].to, error))
      return false;
  return true;
}

enum { SPEC_MS_MAX = 1000 * 1000 * 1000 };

bool spec_read_health(const json_t *object, HealthSpec *out, GError **error)
{
  bool ok;
  const json_t *health = spec_object(object, "health", &ok, error);
  if (!health)
    return ok;
  int64_t kind = out->kind, retries = out->retries;
  const SpecInt rows[] = {{"kind", HEALTH_DISCOVER, HEALTH_NONE, &kind},
                          {"interval_ms", 1, SPEC_MS_MAX, &out->interval_ms},
                          {"timeout_ms", 1, SPEC_MS_MAX, &out->timeout_ms},
                          {"retries", 1, 1000, &retries},
                          {"start_period_ms", 0, SPEC_MS_MAX, &out->start_period_ms},
                          {"min_healthy_ms", 0, SPEC_MS_MAX, &out->min_healthy_ms}};
  if (!spec_read_ints(health, rows, G_N_ELEMENTS(rows), error) ||
      !spec_read_text(health, "path", &out->path, error) ||
      !spec_read_strv(health, "argv", &out->argv, error))
    return false;
  out->kind = (HealthKind)kind;
  out->retries = (int)retries;
  if (kind == HEALTH_HTTP && (!out->path || out->path[0] != '/'))
    return spec_bad(error, "health.path", "a path that begins with '/'");
  if (kind == HEALTH_EXEC && (!out->argv || !out->argv[0]))
    return spec_bad(error, "health.argv", "at least one word");
  return true;
}

bool spec_read_restart(const json_t *object, RestartSpec *out, GError **error)
{
  bool ok;
  const json_t *restart = spec_object(object, "restart", &ok, error);
  if (!restart)
    return ok;
  int64_t policy = out->policy, max = out->max;
  const SpecInt rows[] = {{"policy", RESTART_NEVER, RESTART_ALWAYS, &policy},
                          {"max", -1, SPEC_MS_MAX, &max},
                          {"delay_ms", 0, SPEC_MS_MAX, &out->delay_ms},
                          {"max_delay_ms", 0, SPEC_MS_MAX, &out->max_delay_ms},
                          {"stable_ms", 0, SPEC_MS_MAX, &out->stable_ms}};
  if (!spec_read_ints(restart, rows, G_N_ELEMENTS(rows), error))
    return false;
  out->policy = (RestartPolicy)policy;
  out->max = (int)max;
  return true;
}

bool spec_read_stop(const json_t *object, StopSpec *out, GError **error)
{
  bool ok;
  const json_t *stop = spec_object(object, "stop", &ok, error);
  if (!stop)
    return ok;
  int64_t signal = out->signal;
  const SpecInt rows[] = {{"signal", 1, 64, &signal}, {"grace_ms", 0, SPEC_MS_MAX, &out->grace_ms}};
  if (!spec_read_ints(stop, rows, G_N_ELEMENTS(rows), error))
    return false;
  out->signal = (int)signal;
  return true;
}

bool spec_read_resources(const json_t *object, ResourceSpec *out, GError **error)
{
  bool ok;
  const json_t *resources = spec_object(object, "resources", &ok, error);
  if (!resources)
    return ok;
  int64_t milli = 0, gpu = 0;
  const SpecInt rows[] = {{"cpu_milli", 0, 1000 * 100000, &milli},
                          {"memory_bytes", 0, INT64_MAX, &out->memory_bytes},
                          {"pids", 0, INT32_MAX, &out->pids},
                          {"gpu", 0, 1024, &gpu}};
  if (!spec_read_ints(resources, rows, G_N_ELEMENTS(rows), error))
    return false;
  out->cpu = (double)milli / 1000;
  out->gpu = (int)gpu;
  return true;
}
