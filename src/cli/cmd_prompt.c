/* reeve prompt: finds the URL of an agent and sends it the text. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

#include <string.h>

enum { PROMPT_TIMEOUT_MS = 120000 };

/* Instance of @agent that has a URL; NULL @agent = any in stage @stage. */
static const json_t *prompt_find(const json_t *deployment, const char *agent, int stage)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    bool here = agent ? g_str_equal(jget_str(instance, "agent", ""), agent) : jget_int(instance, "stage", 0) == stage;
    if (here && jget_str(instance, "url", NULL) && g_strcmp0(jget_str(instance, "state", NULL), "running") == 0)
      return instance;
  }
  return NULL;
}

/* Agents of stage @stage, -1 = the last one; *@found = its number. */
static guint prompt_stage_size(const json_t *deployment, int stage, int *found)
{
  size_t i;
  const json_t *instance;
  guint n = 0;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    int here = (int)jget_int(instance, "stage", 0);
    if (stage < 0 && here > *found) {
      *found = here;
      n = 0;
    }
    if (jget_int(instance, "replica", 0) == 0 && here == (stage < 0 ? *found : stage))
      n++;
  }
  return n;
}

/* Whom to ask when nobody is named: the entry point that the job names; else who stands alone, at the beginning (pipeline, tree) or at the
 * end (a hub starts after its spokes); else the first. */
static const json_t *prompt_entry(const json_t *deployment)
{
  const char *entry = jget_str(deployment, "entry_point", NULL);
  if (entry)
    return prompt_find(deployment, entry, 0);
  int last = 0;
  guint at_end = prompt_stage_size(deployment, -1, &last);
  bool end = at_end == 1 && prompt_stage_size(deployment, 0, &last) != 1;
  const json_t *instance = prompt_find(deployment, NULL, end ? last : 0);
  return instance ? instance : prompt_find(deployment, NULL, last);
}

static int prompt_ask(Cli *cli, const char *url, const char *text, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL), reply = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "prompt", text);
  jw_close(body, '}');
  g_autofree char *target = g_strconcat(url, "/prompt", NULL);
  HttpCallSpec spec = {.method = "POST",
                       .url = target,
                       .content_type = "application/json",
                       .body = body->str,
                       .body_length = body->len,
                       .timeout_ms = cli_ms(cli, OPT_TIMEOUT, PROMPT_TIMEOUT_MS)};
  g_autoptr(GError) failed = NULL;
  int status = http_fetch(&spec, reply, &failed);
  if (status == 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "ask '%s': %s", target, failed ? failed->message : "no answer");
    return 1;
  }
  if (status >= 400) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "ask '%s': status %d: %.300s", target, status, reply->str);
    return 1;
  }
  json_t *answer = json_parse(reply->str, reply->len, NULL);
  const char *said = jget_str(answer, "response", jget_str(answer, "answer", reply->str));
  if (cli_is_data(cli) && answer)
    cli_print_data(cli, answer);
  else
    cli_print("%s%s", said, g_str_has_suffix(said, "\n") ? "" : "\n");
  json_decref(answer);
  return 0;
}

int cmd_prompt(Cli *cli, GError **error)
{
  g_auto(GStrv) target = g_strsplit(cli_word(cli, 0), "/", 2);
  g_autoptr(GString) text = g_string_new(cli_word(cli, 1));
  for (guint i = 2; cli_word(cli, i); i++)
    g_string_append_printf(text, " %s", cli_word(cli, i));
  json_t *deployment = api_deployment(cli, target[0], error);
  if (!deployment)
    return 1;
  const json_t *instance = target[1] ? prompt_find(deployment, target[1], 0) : prompt_entry(deployment);
  g_autofree char *url = g_strdup(jget_str(instance, "url", NULL));
  json_decref(deployment);
  if (!url) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "'%s' has no running agent%s%s with a URL; see: reeve ps %s", target[0],
                target[1] ? " " : "", target[1] ? target[1] : "", target[0]);
    return 1;
  }
  return prompt_ask(cli, url, text->str, error);
}
