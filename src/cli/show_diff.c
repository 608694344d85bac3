/* Owns the printed form of a difference. */
#include "cli/show_diff.h"

#include "base/json.h"
#include "base/text.h"

enum { DIFF_SHOWN_MAX = 120 };

static const struct {
  const char *change, *mark, *color, *words;
} diff_marks[] = {{"added", "+", "32", ""},
                  {"removed", "-", "31", ""},
                  {"changed", "~", "33", ""},
                  {"stale", "!", "33", ": what runs has old URLs in CONNECTED_AGENTS until it restarts; its AGENT_PEERS_FILE is current"}};

static void diff_append(GString *out, bool colors, const char *color, const char *text)
{
  if (colors)
    g_string_append_printf(out, "\x1b[%sm%s\x1b[0m\n", color, text);
  else
    g_string_append_printf(out, "%s\n", text);
}

static void diff_keys(GString *out, const json_t *keys, const char *indent)
{
  size_t i;
  const json_t *key;
  json_array_foreach(keys, i, key)
  {
    const char *before = jget_str(key, "before", NULL), *after = jget_str(key, "after", NULL);
    g_autofree char *was = before ? text_escape(before, DIFF_SHOWN_MAX) : NULL, *is = after ? text_escape(after, DIFF_SHOWN_MAX) : NULL;
    g_string_append_printf(out, "%s%s: ", indent, jget_str(key, "key", ""));
    if (was && is)
      g_string_append_printf(out, "%s -> %s\n", was, is);
    else
      g_string_append_printf(out, "%s%s\n", was ? "no longer " : "", was ? was : is ? is : "-");
  }
}

static void diff_agent(GString *out, const json_t *agent, bool colors)
{
  const char *change = jget_str(agent, "change", "");
  int replicas = (int)jget_int(agent, "replicas", 1);
  for (size_t i = 0; i < G_N_ELEMENTS(diff_marks); i++) {
    if (!g_str_equal(change, diff_marks[i].change))
      continue;
    g_autofree char *more = replicas > 1 ? g_strdup_printf(" (%d replicas)", replicas) : g_strdup("");
    g_autofree char *line =
        g_strdup_printf("  %s %s %s%s%s", diff_marks[i].mark, change, jget_str(agent, "agent", ""), more, diff_marks[i].words);
    diff_append(out, colors, diff_marks[i].color, line);
  }
  diff_keys(out, json_object_get(agent, "keys"), "      ");
}

char *show_diff_text(const json_t *answer, bool colors)
{
  GString *out = g_string_new(NULL);
  const json_t *diff = json_object_get(answer, "diff"), *agent;
  size_t i;
  diff_keys(out, json_object_get(diff, "job"), "  ");
  json_array_foreach(json_object_get(diff, "agents"), i, agent) diff_agent(out, agent, colors);
  json_array_foreach(json_object_get(answer, "stale_environment"), i, agent)
  {
    g_autofree char *line =
        g_strdup_printf("  ! stale %s: a secret of its environment has changed since it was started; restart it", json_string_value(agent));
    diff_append(out, colors, "33", line);
  }
  return g_string_free(out, FALSE);
}
