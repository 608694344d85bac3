/* reeve prompt: finds the URL of an agent and sends it the text. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

#include <string.h>

enum { PROMPT_TIMEOUT_MS = 120000 };

/* Running instance of @agent that has a URL, or NULL. */
static const json_t *prompt_find(const json_t *deployment, const char *agent)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    bool here = g_strcmp0(jget_str(instance, "agent", NULL), agent) == 0;
    if (here && jget_str(instance, "url", NULL) && g_strcmp0(jget_str(instance, "state", NULL), "running") == 0)
      return instance;
  }
  return NULL;
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
  g_autofree char *agent = g_strdup(target[1] ? target[1] : jget_str(deployment, "entry_point", NULL));
  const json_t *instance = agent ? prompt_find(deployment, agent) : NULL;
  g_autofree char *url = g_strdup(jget_str(instance, "url", NULL));
  json_decref(deployment);
  if (!url) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "'%s' has no running agent%s%s with a URL; see: reeve ps %s", target[0],
                agent ? " " : "", agent ? agent : "", target[0]);
    return 1;
  }
  return prompt_ask(cli, url, text->str, error);
}
