/* The card that tells what an agent is and can do. */
#include "agent/internal.h"
#include "base/json.h"

char *agent_card(const Agent *agent)
{
  const AgentFile *file = agent->file;
  g_autofree char *url = g_strdup_printf("http://%s:%d", agent->host, agent->port);
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", file->name);
  jw_str(out, "description", file->description ? file->description : "");
  jw_str(out, "url", url);
  jw_str(out, "version", file->version ? file->version : "1.0.0");
  jw_open(out, "capabilities", '{');
  jw_bool(out, "streaming", false);
  jw_bool(out, "push_notifications", false);
  jw_close(out, '}');
  jw_open(out, "default_input_modes", '[');
  jw_str(out, NULL, "text");
  jw_close(out, ']');
  jw_open(out, "default_output_modes", '[');
  jw_str(out, NULL, "text");
  jw_close(out, ']');
  jw_open(out, "skills", '[');
  for (guint i = 0; i < file->capabilities->len; i++) {
    const char *skill = file->capabilities->pdata[i];
    jw_open(out, NULL, '{');
    jw_str(out, "id", skill);
    jw_str(out, "name", skill);
    jw_str(out, "description", skill);
    jw_open(out, "tags", '[');
    jw_close(out, ']');
    jw_open(out, "examples", '[');
    jw_close(out, ']');
    jw_close(out, '}');
  }
  jw_close(out, ']');
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}
