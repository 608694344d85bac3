/* Owns the printed form of a difference. */
#include "cli/show_diff.h"

#include "base/json.h"
#include "base/text.h"

enum { DIFF_SHOWN_MAX = 120, DIFF_LINE_MAX = 400 };

static const struct {
  const char *change, *mark, *color, *words;
} diff_marks[] = {
    {"added", "+", "32", ""},
    {"removed", "-", "31", ""},
    {"changed", "~", "33", ""},
    {"stale", "!", "33",
     ": what runs has old URLs in CONNECTED_AGENTS until it restarts; its AGENT_PEERS_FILE is current"}};

static void diff_append(GString *out, bool colors, const char *color, const char *text)
{
  if (colors)
    g_string_append_printf(out, "\x1b[%sm%s\x1b[0m\n", color, text);
  else
    g_string_append_printf(out, "%s\n", text);
}

/* A unified difference, coloured as everybody does it. */
static void diff_patch(GString *out, const char *patch, const char *indent, bool colors)
{
  g_auto(GStrv) lines = g_strsplit(patch, "\n", -1);
  for (guint i = 0; lines[i] && *lines[i]; i++) {
    const char *color = lines[i][0] == '+'   ? "32"
                        : lines[i][0] == '-' ? "31"
                        : lines[i][0] == '@' ? "36"
                                             : NULL;
    g_autofree char *text = text_escape(lines[i], DIFF_LINE_MAX),
                    *line = g_strconcat(indent, "  ", text, NULL);
    diff_append(out, colors && color, color, line);
  }
}

static void diff_list(GString *out, const json_t *list, char mark)
{
  size_t i;
  const json_t *text;
  json_array_foreach(list, i, text)
  {
    g_autofree char *shown = text_escape(json_string_value(text), DIFF_SHOWN_MAX);
    g_string_append_printf(out, " %c%s", mark, shown);
  }
}

/* True when @key was shown in a form of its own. */
static bool diff_parts(GString *out, const json_t *key, const char *indent, bool colors)
{
  const json_t *removed = json_object_get(key, "removed"), *added = json_object_get(key, "added");
  const char *patch = jget_str(key, "patch", NULL), *name = jget_str(key, "key", "");
  if (patch) {
    g_string_append_printf(out, "%s%s:\n", indent, name);
    diff_patch(out, patch, indent, colors);
    return true;
  }
  if (json_array_size(removed) + json_array_size(added) == 0)
    return false;
  g_string_append_printf(out, "%s%s:", indent, name);
  diff_list(out, removed, '-');
  diff_list(out, added, '+');
  g_string_append_c(out, '\n');
  return true;
}

static void diff_keys(GString *out, const json_t *keys, const char *indent, bool colors)
{
  size_t i;
  const json_t *key;
  json_array_foreach(keys, i, key)
  {
    if (diff_parts(out, key, indent, colors))
      continue;
    const char *before = jget_str(key, "before", NULL), *after = jget_str(key, "after", NULL);
    g_autofree char *was = before ? text_escape(before, DIFF_SHOWN_MAX) : NULL,
                    *is = after ? text_escape(after, DIFF_SHOWN_MAX) : NULL;
    g_string_append_printf(out, "%s%s: ", indent, jget_str(key, "key", ""));
    if (was && is)
      g_string_append_printf(out, "%s -> %s\n", was, is);
    else
      g_string_append_printf(out, "%s%s\n", was ? "no longer " : "", was ? was : is ? is : "-");
  }
}

/* What a deploy would do with @agent, "" when it is not asked. */
static const char *diff_action(const json_t *answer, const char *agent)
{
  size_t i;
  const json_t *action;
  json_array_foreach(json_object_get(answer, "actions"), i, action)
  {
    if (g_strcmp0(jget_str(action, "agent", NULL), agent) == 0)
      return jget_str(action, "action", "");
  }
  return "";
}

/* Agents whose own words are the same, but not the environment or the directory of the job. */
static void diff_also(GString *out, const json_t *answer, bool colors)
{
  size_t i, k;
  const json_t *action, *agent,
      *agents = json_object_get(json_object_get(answer, "diff"), "agents");
  json_array_foreach(json_object_get(answer, "actions"), i, action)
  {
    const char *name = jget_str(action, "agent", ""), *word = jget_str(action, "action", "");
    bool again = g_str_equal(word, "run-again");
    json_array_foreach(agents, k,
                       agent) if (g_strcmp0(jget_str(agent, "agent", NULL), name) == 0) break;
    if (k < json_array_size(agents) || (!again && !g_str_equal(word, "replace")))
      continue;
    g_autofree char *line =
        g_strdup_printf("  ~ %s %s", name, again ? "runs again" : "is replaced");
    diff_append(out, colors, "33", line);
  }
}

static void diff_agent(GString *out, const json_t *answer, const json_t *agent, bool colors)
{
  const char *change = jget_str(agent, "change", "");
  int replicas = (int)jget_int(agent, "replicas", 1);
  if (json_object_get(answer, "past") && g_str_equal(change, "stale")) {
    g_autofree char *line =
        g_strdup_printf("  ~ %s is given other URLs", jget_str(agent, "agent", ""));
    diff_append(out, colors, "33", line);
    return;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(diff_marks); i++) {
    if (!g_str_equal(change, diff_marks[i].change))
      continue;
    g_autofree char *more =
        replicas > 1 ? g_strdup_printf(" (%d replicas)", replicas) : g_strdup("");
    bool again = g_str_equal(diff_action(answer, jget_str(agent, "agent", "")), "run-again");
    g_autofree char *line = g_strdup_printf("  %s %s %s%s%s%s", diff_marks[i].mark, change,
                                            jget_str(agent, "agent", ""), more, diff_marks[i].words,
                                            again ? ": runs again" : "");
    diff_append(out, colors, diff_marks[i].color, line);
  }
  diff_keys(out, json_object_get(agent, "keys"), "      ", colors);
}

char *show_diff_text(const json_t *answer, bool colors)
{
  GString *out = g_string_new(NULL);
  const json_t *diff = json_object_get(answer, "diff"), *agent;
  bool past = json_object_get(answer, "past");
  size_t i;
  diff_keys(out, json_object_get(diff, "job"), "  ", colors);
  json_array_foreach(json_object_get(diff, "agents"), i, agent)
      diff_agent(out, answer, agent, colors);
  diff_also(out, answer, colors);
  json_array_foreach(past ? NULL : json_object_get(answer, "stale_environment"), i, agent)
  {
    g_autofree char *line = g_strdup_printf(
        "  ! stale %s: a secret of its environment has changed since it was started; restart it",
        json_string_value(agent));
    diff_append(out, colors, "33", line);
  }
  return g_string_free(out, FALSE);
}
