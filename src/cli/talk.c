/* Owns the conversation with an agent over HTTP: finds it, asks, prints what it says. */
#include "cli/talk.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/show.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TALK_TIMEOUT_MS = 600000, TALK_BYTES_MAX = 64 * 1024 * 1024 };

/* ---- whom to ask ---- */

/* Running instance that @target names and that has a URL, or NULL. */
static const json_t *talk_instance(const json_t *deployment, const Target *target)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    if (target_has(target, instance) && jget_str(instance, "url", NULL) &&
        g_strcmp0(jget_str(instance, "state", NULL), "running") == 0)
      return instance;
  }
  return NULL;
}

/* Is the host of @url the machine that whoever uses it is on? */
static bool talk_is_here(const char *url)
{
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  struct in_addr address;
  struct in6_addr address6;
  if (!host || g_ascii_strcasecmp(host, "localhost") == 0)
    return host != NULL;
  return (inet_pton(AF_INET, host, &address) == 1 &&
          ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET) ||
         (inet_pton(AF_INET6, host, &address6) == 1 && IN6_IS_ADDR_LOOPBACK(&address6));
}

char *talk_find(Cli *cli, const char *target, GError **error)
{
  g_auto(Target) whom = {0};
  json_t *deployment =
      target_parse(&whom, target, NULL, error) ? show_fetch_one(cli, &whom, error) : NULL;
  if (!deployment)
    return NULL;
  if (!whom.agent)
    whom.agent = g_strdup(jget_str(deployment, "entry_point", NULL));
  const json_t *instance = whom.agent ? talk_instance(deployment, &whom) : NULL;
  char *url = g_strdup(jget_str(instance, "url", NULL));
  json_decref(deployment);
  g_autofree char *name = target_text(&whom);
  if (url && api_remote(cli) && talk_is_here(url) &&
      !talk_is_here(api_remote(cli))) { /* here is somebody else, who would be given our key */
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
        "%s listens at '%s' on the machine of the server '%s', which is not this one; ask it from there: reeve prompt %s",
        name, url, api_remote(cli), name);
    g_clear_pointer(&url, g_free);
  } else if (!url && whom.agent)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "%s has no URL, or does not run; see: reeve ps %s", name, whom.deployment);
  else if (!url)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "%s has no agent with a port to ask; see: reeve ps %s", name, whom.deployment);
  return url;
}

/* ---- what it says ---- */

typedef struct Talk {
  Cli *cli;
  Loop *loop;
  HttpCall *call;
  char *url;
  bool is_stream, at_line_start;
  ApiEvents events;
  GString *body; /* of an answer that does not stream */
  json_t *done;  /* the answer as a whole */
  int status;
  GError *error;
} Talk;

/* What an agent says may not steer the terminal; elsewhere it goes as it came. */
static void talk_print(Talk *talk, const char *text)
{
  bool terminal = isatty(STDOUT_FILENO);
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    bool shown = text_is_shown(g_utf8_get_char_validated(p, -1)) || *p == '\n' || *p == '\t';
    if (shown || !terminal)
      fwrite(p, 1, (size_t)(g_utf8_next_char(p) - p), stdout);
  }
  if (text[0])
    talk->at_line_start = g_str_has_suffix(text, "\n");
  fflush(stdout);
}

static void talk_fail(Talk *talk, int status, const json_t *problem, const char *text)
{
  static const struct {
    int status, code;
  } rows[] = {{401, REEVE_ERROR_DENIED}, {403, REEVE_ERROR_DENIED}, {504, REEVE_ERROR_TIMEOUT}};
  int code = REEVE_ERROR_UNAVAILABLE;
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    code = rows[i].status == status ? rows[i].code : code;
  const char *title = jget_str(problem, "title", NULL), *detail = jget_str(problem, "detail", NULL);
  const char *advice =
      status == 401
          ? "; set AGENT_API_KEY to the key of the agent, as 'reeve agent key NAME' prints it"
          : "";
  g_clear_error(&talk->error);
  if (title)
    g_set_error(&talk->error, REEVE_ERROR, code, "ask '%s': %s%s%s%s", talk->url, title,
                detail ? ": " : "", detail ? detail : "", advice);
  else
    g_set_error(&talk->error, REEVE_ERROR, code, "ask '%s': status %d: %.300s%s", talk->url, status,
                text, advice);
}

static bool talk_on_event(const char *type, const json_t *data, void *user)
{
  Talk *talk = user;
  const char *text = jget_str(data, "text", NULL);
  if (g_str_equal(type, "delta") && text && !cli_is_data(talk->cli)) {
    talk_print(talk, text);
  } else if (g_str_equal(type, "tool") && g_str_equal(jget_str(data, "phase", ""), "begins")) {
    cli_note(talk->cli, "calls %s", jget_str(data, "name", ""));
  } else if (g_str_equal(type, "done")) {
    json_decref(talk->done);
    talk->done = json_incref((json_t *)(uintptr_t)data);
  } else if (g_str_equal(type, "error")) {
    talk_fail(talk, (int)jget_int(data, "status", 0), data, "");
  }
  return true;
}

static bool talk_on_data(const char *bytes, size_t length, void *user)
{
  Talk *talk = user;
  const char *type = http_call_header(talk->call, "Content-Type");
  talk->is_stream =
      http_call_status(talk->call) == 200 && type && g_str_has_prefix(type, "text/event-stream");
  if (talk->is_stream)
    return api_events_feed(&talk->events, bytes, length);
  g_string_append_len(talk->body, bytes, (gssize)length);
  return talk->body->len <= TALK_BYTES_MAX;
}

static void talk_take_whole(Talk *talk)
{
  talk->done = json_parse(talk->body->str, talk->body->len, NULL);
  if (talk->status >= 400)
    talk_fail(talk, talk->status, talk->done, talk->body->str);
  else if (!cli_is_data(talk->cli))
    talk_print(talk,
               jget_str(talk->done, "response", jget_str(talk->done, "answer", talk->body->str)));
}

static void talk_on_done(const HttpResult *result, void *user)
{
  Talk *talk = user;
  talk->call = NULL;
  talk->status = result->status;
  int code = result->error && strstr(result->error, "timed out") ? REEVE_ERROR_TIMEOUT
                                                                 : REEVE_ERROR_UNAVAILABLE;
  if (result->error && !talk->done && !talk->error)
    g_set_error(&talk->error, REEVE_ERROR, code, "ask '%s': %s", talk->url, result->error);
  else if (!talk->is_stream && !talk->error)
    talk_take_whole(talk);
  else if (!talk->done && !talk->error)
    g_set_error(&talk->error, REEVE_ERROR, code, "ask '%s': the answer broke off", talk->url);
  loop_stop(talk->loop);
}

/* ---- asking ---- */

static void talk_on_interrupt(void *data)
{
  Talk *talk = data;
  http_call_cancel(talk->call);
  talk->call = NULL;
  g_clear_error(&talk->error);
  g_set_error(&talk->error, REEVE_ERROR, REEVE_ERROR_CANCELLED, "the answer was stopped");
  loop_stop(talk->loop);
}

/* Sends the question to @door, where its text has the name @key, and waits for the end of the
 * answer. */
static void talk_send(Talk *talk, HttpClient *client, const TalkQuestion *question,
                      const char *door, const char *key)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, key, question->text);
  if (question->session_id)
    jw_str(body, "session_id", question->session_id);
  jw_bool(body, "stream", true);
  jw_close(body, '}');
  const char *agent_key = g_getenv("AGENT_API_KEY");
  g_autofree char *header =
      agent_key && agent_key[0] ? g_strconcat("X-API-Key: ", agent_key, NULL) : NULL;
  const char *headers[] = {"Accept: text/event-stream, application/json", header, NULL};
  g_free(talk->url);
  talk->url = g_strconcat(question->url, door, NULL);
  HttpCallSpec spec = {.method = "POST",
                       .url = talk->url,
                       .content_type = "application/json",
                       .body = body->str,
                       .body_length = body->len,
                       .headers = headers,
                       .timeout_ms = cli_ms(talk->cli, OPT_TIMEOUT, TALK_TIMEOUT_MS),
                       .stream = true};
  talk->call = http_client_call(client, &spec, talk_on_data, talk_on_done, talk);
  loop_run(talk->loop);
}

static void talk_forget(Talk *talk)
{
  g_string_truncate(talk->body, 0);
  g_clear_error(&talk->error);
  json_decref(talk->done);
  talk->done = NULL;
}

static void talk_show(Talk *talk)
{
  if (cli_is_data(talk->cli) && talk->done && !talk->error)
    cli_print_data(talk->cli, talk->done);
  else if (!talk->at_line_start)
    talk_print(talk, "\n");
}

bool talk_ask(Cli *cli, const TalkQuestion *question, GError **error)
{
  Talk talk = {.cli = cli, .loop = loop_new(), .body = g_string_new(NULL), .at_line_start = true};
  HttpClient *client = http_client_new(talk.loop);
  LoopWatch *interrupt =
      question->stoppable ? loop_signal_new(talk.loop, SIGINT, talk_on_interrupt, &talk) : NULL;
  api_events_init(&talk.events, talk_on_event, &talk);
  talk_send(&talk, client, question, "/prompt", "prompt");
  if (talk.error && (talk.status == 404 || talk.status == 405)) {
    talk_forget(&talk);
    talk_send(&talk, client, question, "/query", "query");
  }
  talk_show(&talk);
  bool ok = !talk.error;
  if (talk.error)
    g_propagate_error(error, g_steal_pointer(&talk.error));
  talk_forget(&talk);
  api_events_done(&talk.events);
  loop_watch_free(interrupt);
  http_client_free(client);
  loop_free(talk.loop);
  g_string_free(talk.body, TRUE);
  g_free(talk.url);
  return ok;
}
