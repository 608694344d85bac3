/* Owns the comparison of two jobs, for people: what an update would do and why. Both are compared
 * as the JSON that a revision stores, member by member: what is stored is what can differ, and a
 * key that is added to a job is in the difference without a line here. What it costs is linear in
 * the jobs, but for lists of texts and the lines of a changed file. */
#include "plan/diff.h"

#include "base/json.h"
#include "base/text.h"
#include "plan/diff_words.h"
#include "plan/plan.h"

#include <string.h>

enum { DIFF_VALUE_MAX = 200 };

/* ---- values ---- */

/* May the value of @key be shown? The last part of the key says what it is. */
static bool diff_is_secret(const char *key)
{
  static const char *const words[] = {"secret",  "token",  "password",   "passwd",
                                      "api_key", "apikey", "credential", "private"};
  g_autofree char *lower = g_ascii_strdown(key, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
    if (strstr(lower, words[i]))
      return true;
  return g_str_has_suffix(lower, "_key");
}

/* May somebody who only looks on see @value? Commands, environments, configurations and agent files
 * hold what their authors put there, so texts are shown only under the keys that hold no such
 * thing. */
static bool diff_is_plain(const char *key, const json_t *value)
{
  static const char *const keys[] = {"entry_point", "host",   "image",     "module", "name",
                                     "network",     "python", "schedule.", "tags",   "topology",
                                     "type",        "user",   "version"};
  if (json_is_number(value) || json_is_boolean(value))
    return !g_str_has_prefix(key, "config") && !g_str_has_prefix(key, "environment");
  for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
    if (g_str_has_suffix(keys[i], ".") ? g_str_has_prefix(key, keys[i]) : strcmp(key, keys[i]) == 0)
      return true;
  return false;
}

static char *diff_text(const char *key, const json_t *value)
{
  if (!value || json_is_null(value))
    return NULL;
  if (json_is_string(value))
    return text_mask_userinfo(json_string_value(value));
  char *words = diff_words_value(key, value);
  if (words)
    return words;
  char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  char *text = text_mask_userinfo(dumped);
  free(dumped);
  return text;
}

/* Who may see a value is decided here and in diff_write_parts, and nowhere else; a long one is cut,
 * since a difference is read at a terminal. */
static void diff_write_value(GString *out, const char *member, const char *key, const json_t *value,
                             DiffShown shown_to)
{
  g_autofree char *text = diff_text(key, value);
  size_t n = text ? strlen(text) : 0;
  if (text && shown_to == DIFF_SHOWN_PLAIN && !diff_is_plain(key, value)) {
    jw_str(out, member, "(changed)");
  } else if (!text || !diff_is_secret(key)) {
    g_autofree char *cut = n > DIFF_VALUE_MAX ? g_utf8_make_valid(text, DIFF_VALUE_MAX) : NULL;
    g_autofree char *shown = cut ? g_strdup_printf("%s... (%zu bytes)", cut, n) : NULL;
    jw_str(out, member, shown ? shown : text);
  } else {
    jw_str(out, member, "(not shown)");
  }
}

/* The name before @sign, an '=' or ':' in @line, says that what follows is a secret; *_env, *_file
 * and *_secret only say where one is. */
static bool diff_names_secret(const char *line, const char *sign)
{
  const char *end = sign;
  while (end > line && strchr("\"' \t", end[-1]))
    end--;
  const char *begin = end;
  while (begin > line && (g_ascii_isalnum(begin[-1]) || begin[-1] == '_' || begin[-1] == '-'))
    begin--;
  g_autofree char *key = g_strndup(begin, (gsize)(end - begin));
  bool elsewhere = g_str_has_suffix(key, "_env") || g_str_has_suffix(key, "_file") ||
                   g_str_has_suffix(key, "_secret");
  return diff_is_secret(key) && !elsewhere;
}

/* @line of an agent file up to the first value whose name sounds like a secret, also within {}.
 * Caller frees. */
static char *diff_line_shown(const char *line)
{
  for (const char *sign = strpbrk(line, "=:"); sign; sign = strpbrk(sign + 1, "=:"))
    if (diff_names_secret(line, sign))
      return g_strdup_printf("%.*s (not shown)", (int)(sign - line) + 1, line);
  return text_mask_userinfo(line);
}

/* A changed file, line by line. */
static void diff_write_patch(GString *out, const char *before, const char *after)
{
  g_autofree char *patch = diff_words_text(before, after);
  g_auto(GStrv) lines = g_strsplit(patch, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *shown = g_str_has_prefix(lines[i], "@@") ? g_strdup(lines[i]) : diff_line_shown(lines[i]);
    g_free(lines[i]);
    lines[i] = shown;
  }
  g_autofree char *text = g_strjoinv("\n", lines);
  jw_str(out, "patch", text);
}

static void diff_write_masked(GString *out, const char *text)
{
  g_autofree char *masked = text_mask_userinfo(text);
  jw_str(out, NULL, masked);
}

/* The texts of the list @one that the list @other has not, as often as they stand there. */
static void diff_write_missing(GString *out, const char *member, const json_t *one,
                               const json_t *other)
{
  json_t *left = json_copy((json_t *)(uintptr_t)other);
  size_t i, k;
  const json_t *text, *there;
  jw_open(out, member, '[');
  json_array_foreach(one, i, text)
  {
    json_array_foreach(left, k, there) if (json_equal(text, there)) break;
    if (k < json_array_size(left))
      json_array_remove(left, k);
    else
      diff_write_masked(out, json_string_value(text));
  }
  jw_close(out, ']');
  json_decref(left);
}

static bool diff_is_list(const json_t *value)
{
  size_t i;
  const json_t *text;
  json_array_foreach(value, i, text) if (!json_is_string(text)) return false;
  return json_is_array(value);
}

/* What a text of many lines, or a list, was and is, in a form that shows what has changed of it.
 * The words of a command stay together. */
static void diff_write_parts(GString *out, const char *key, const json_t *before,
                             const json_t *after)
{
  if (diff_is_secret(key))
    return;
  if (g_str_equal(key, "agent_text") && json_is_string(before) && json_is_string(after))
    diff_write_patch(out, json_string_value(before), json_string_value(after));
  if (!diff_is_list(before) || !diff_is_list(after) || g_str_equal(key, "command"))
    return;
  diff_write_missing(out, "removed", before, after);
  diff_write_missing(out, "added", after, before);
}

static void diff_write(GString *out, const char *key, const json_t *before, const json_t *after,
                       DiffShown shown)
{
  g_autofree char *name = diff_words_key(key);
  jw_open(out, NULL, '{');
  jw_str(out, "key", name);
  diff_write_value(out, "before", key, before, shown);
  diff_write_value(out, "after", key, after, shown);
  if (shown == DIFF_SHOWN_VALUES)
    diff_write_parts(out, key, before, after);
  jw_close(out, '}');
}

static void diff_values(GString *out, const char *path, const json_t *before, const json_t *after,
                        DiffShown shown);

/* Members of both objects, in the order of @after, then what only @before has. Recursion ends: a
 * job has few levels, all of them known (job_json.c). */
static void diff_objects(GString *out, const char *path, json_t *before, json_t *after,
                         DiffShown shown)
{
  const char *key;
  json_t *value;
  json_object_foreach(after, key, value)
  {
    g_autofree char *name = path[0] ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
    diff_values(out, name, json_object_get(before, key), value, shown);
  }
  json_object_foreach(before, key, value)
  {
    g_autofree char *name = path[0] ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
    if (!json_object_get(after, key))
      diff_values(out, name, value, NULL, shown);
  }
}

static void diff_values(GString *out, const char *path, const json_t *before, const json_t *after,
                        DiffShown shown)
{
  if (json_equal(before, after) || (json_is_null(before) && !after) ||
      (!before && json_is_null(after)))
    return;
  /* jansson's iterators want them so */
  json_t *left = (json_t *)(uintptr_t)before, *right = (json_t *)(uintptr_t)after;
  if ((!before || json_is_object(before)) && (!after || json_is_object(after)) && (before || after))
    diff_objects(out, path, left, right, shown);
  else
    diff_write(out, path, before, after, shown);
}

/* ---- jobs ---- */

/* A job with what a diff looks at. */
typedef struct DiffSide {
  const Job *job;
  json_t *tree; /* of job_to_json, NULL without job */
  Plan *plan;
  DiffShown shown;
} DiffSide;

static int diff_port(guint agent, int replica, void *data)
{
  return plan_declared_port(data, agent, replica);
}

static bool diff_open(DiffSide *side, const Job *job, DiffShown shown, GError **error)
{
  *side = (DiffSide){.job = job, .shown = shown};
  if (!job)
    return true;
  g_autofree char *text = job_digest_text(job);
  side->tree = json_loads(text, 0, NULL);
  side->plan = plan_new(job, error);
  return side->plan != NULL;
}

static void diff_close(DiffSide *side)
{
  json_decref(side->tree);
  plan_free(side->plan);
}

static json_t *diff_agent(const DiffSide *side, const char *id)
{
  int index = side->job ? job_find_agent(side->job, id) : -1;
  return index < 0 ? NULL : json_array_get(json_object_get(side->tree, "agents"), (size_t)index);
}

/* By declared ports: what an automatic port really is does not come from the job. */
static char *diff_connected(const DiffSide *side, const char *id)
{
  int index = job_find_agent(side->job, id);
  return plan_connected_agents(side->plan, (guint)index, diff_port, (void *)(uintptr_t)side->job);
}

static void diff_write_agent(GString *out, const char *id, const char *change, const json_t *agent,
                             const char *keys)
{
  jw_open(out, NULL, '{');
  jw_str(out, "agent", id);
  jw_str(out, "change", change);
  jw_int(out, "replicas", jget_int(agent, "replicas", 1));
  jw_raw(out, "keys", keys);
  jw_close(out, '}');
}

/* Agent @id of both jobs. When something of the job changed that is in every environment, all are
 * started again anyway, and nobody is left with URLs of before: nothing is stale then. */
static void diff_pair(GString *out, const char *id, const DiffSide *before, const DiffSide *after,
                      bool job_changed)
{
  json_t *left = diff_agent(before, id), *right = diff_agent(after, id);
  g_autoptr(GString) keys = g_string_new(NULL);
  jw_open(keys, NULL, '[');
  diff_objects(keys, "", left, right, after->shown);
  jw_close(keys, ']');
  g_autofree char *was = diff_connected(before, id), *is = diff_connected(after, id);
  bool changed = strcmp(keys->str, "[]") != 0;
  if (changed || (g_strcmp0(was, is) != 0 && !job_changed))
    diff_write_agent(out, id, changed ? "changed" : "stale", right, keys->str);
}

static void diff_agents(GString *out, const DiffSide *before, const DiffSide *after,
                        bool job_changed)
{
  for (guint i = 0; i < after->job->agents->len; i++) {
    const char *id = job_agent(after->job, i)->id;
    if (diff_agent(before, id))
      diff_pair(out, id, before, after, job_changed);
    else
      diff_write_agent(out, id, "added", diff_agent(after, id), "[]");
  }
  for (guint i = 0; before->job && i < before->job->agents->len; i++) {
    const char *id = job_agent(before->job, i)->id;
    if (job_find_agent(after->job, id) < 0)
      diff_write_agent(out, id, "removed", diff_agent(before, id), "[]");
  }
}

/* Everything but the agents; the topology is told as one. */
static char *diff_job_keys(const DiffSide *before, const DiffSide *after)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '[');
  if (before->job) {
    json_t *left = json_copy(before->tree), *right = json_copy(after->tree);
    json_object_del(left, "agents");
    json_object_del(right, "agents");
    if (!json_equal(json_object_get(left, "topology"), json_object_get(right, "topology"))) {
      json_t *was = json_string(topology_type_word(before->job->topology.type)),
             *is = json_string(topology_type_word(after->job->topology.type));
      diff_write(out, "topology", was, is, after->shown);
      json_decref(was);
      json_decref(is);
    }
    json_object_del(left, "topology");
    json_object_del(right, "topology");
    diff_objects(out, "", left, right, after->shown);
    json_decref(left);
    json_decref(right);
  }
  jw_close(out, ']');
  return g_string_free(out, FALSE);
}

/* The agents are told after the keys of the job are known and written before them: whether an agent
 * is stale depends on what of the job has changed. */
char *plan_diff_json(const Job *before, const Job *after, DiffShown shown, GError **error)
{
  DiffSide left = {0}, right = {0};
  GString *out = NULL;
  if (diff_open(&left, before, shown, error) && diff_open(&right, after, shown, error)) {
    g_autofree char *keys = diff_job_keys(&left, &right);
    bool restarts = strstr(keys, "\"key\":\"environment.") ||
                    strstr(keys, "\"key\":\"directory of the job file\"");
    out = g_string_new(NULL);
    jw_open(out, NULL, '{');
    jw_open(out, "agents", '[');
    diff_agents(out, &left, &right, restarts);
    jw_close(out, ']');
    jw_raw(out, "job", keys);
    jw_close(out, '}');
  }
  diff_close(&left);
  diff_close(&right);
  return out ? g_string_free(out, FALSE) : NULL;
}
