/* Owns the plain doors: POST /prompt and POST /query, one JSON object in, one out. */
#include "agent/internal.h"

#include "base/json.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

enum { SESSION_NAME_MAX = 128, CONTEXT_BYTES_MAX = 64 * 1024, SESSION_RANDOM_BYTES = 12 };

typedef struct PromptDoor PromptDoor;

/* One request on its way. */
typedef struct Prompt {
  Agent *agent;
  HttpRequest *request;
  const PromptDoor *door;
  char *text, *session_id, *context;
  Ask *ask;
} Prompt;

/* What /prompt and /query differ in. */
struct PromptDoor {
  const char *name; /* for log and metrics */
  const char *key;  /* of the text in the body */
  bool context;     /* does the body have one */
  bool names;       /* does a request without session get one */
  void (*write)(GString *out, const Prompt *prompt, const AskResult *result);
};

static void prompt_free(Prompt *prompt)
{
  g_free(prompt->text);
  g_free(prompt->session_id);
  g_free(prompt->context);
  g_free(prompt);
}

static void prompt_on_done(const AskResult *result, void *data)
{
  Prompt *prompt = data;
  http_request_on_gone(prompt->request, NULL, NULL);
  if (result->status == 200) {
    g_autoptr(GString) body = g_string_new(NULL);
    jw_open(body, NULL, '{');
    prompt->door->write(body, prompt, result);
    jw_close(body, '}');
    http_reply(prompt->request, 200, "application/json", body->str, body->len);
  } else {
    g_autofree char *retry_after = g_strdup_printf("%" G_GINT64_FORMAT, result->retry_after_s);
    if (result->retry_after_s)
      http_reply_header(prompt->request, "Retry-After", retry_after);
    door_problem(prompt->request, result->status, result->word, result->title, result->detail);
  }
  prompt_free(prompt);
}

/* The caller left: nobody wants the answer. */
static void prompt_on_gone(void *data)
{
  Prompt *prompt = data;
  ask_cancel(prompt->ask);
  prompt_free(prompt);
}

/* ---- reading the body ---- */

static bool session_is_plain(const char *text)
{
  size_t n = strlen(text);
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return false;
  return n >= 1 && n <= SESSION_NAME_MAX;
}

/* What is wrong with the optional members of @body, or NULL; fills @prompt with them. */
static char *prompt_read_more(Prompt *prompt, const json_t *body)
{
  const json_t *session = json_object_get(body, "session_id"), *context = json_object_get(body, "context");
  if (session && !json_is_null(session)) {
    if (!json_is_string(session) || !session_is_plain(json_string_value(session)))
      return g_strdup_printf("'session_id': wanted a text of 1 to %d bytes without control characters", SESSION_NAME_MAX);
    prompt->session_id = g_strdup(json_string_value(session));
  }
  if (!prompt->door->context || !context || json_is_null(context))
    return NULL;
  if (!json_is_object(context))
    return g_strdup("'context': wanted an object");
  char *text = json_dumps(context, JSON_COMPACT);
  bool fits = strlen(text) <= CONTEXT_BYTES_MAX;
  prompt->context = fits ? g_strdup(text) : NULL;
  free(text);
  return fits ? NULL : g_strdup_printf("'context': larger than %d bytes", CONTEXT_BYTES_MAX);
}

/* What is wrong with the body of the request, or NULL. Caller frees. */
static char *prompt_read(Prompt *prompt)
{
  size_t length;
  const char *bytes = http_request_body(prompt->request, &length);
  g_autoptr(GError) error = NULL;
  json_t *body = json_parse(bytes, length, &error);
  if (!body)
    return g_strdup(error->message);
  const char *text = jget_str(body, prompt->door->key, NULL);
  char *wrong = NULL;
  if (!json_is_object(body))
    wrong = g_strdup("wanted an object");
  else if (!text || !text[0])
    wrong = g_strdup_printf("'%s': wanted a text that is not empty", prompt->door->key);
  else
    wrong = prompt_read_more(prompt, body);
  prompt->text = g_strdup(text);
  json_decref(body);
  return wrong;
}

/* A query without a session begins one: its name only has to be new. */
static void prompt_name_session(Prompt *prompt)
{
  unsigned char bytes[SESSION_RANDOM_BYTES] = {0};
  char fresh[2 * SESSION_RANDOM_BYTES + 1];
  ssize_t n = getrandom(bytes, sizeof bytes, 0);
  for (ssize_t i = 0; i < SESSION_RANDOM_BYTES; i++)
    g_snprintf(fresh + 2 * i, 3, "%02x", i < n ? bytes[i] : 0);
  prompt->session_id = g_strdup(fresh);
}

static void prompt_begin(Agent *agent, HttpRequest *request, const PromptDoor *door)
{
  static const AskListener listener = {.done = prompt_on_done};
  Prompt *prompt = g_new0(Prompt, 1);
  *prompt = (Prompt){.agent = agent, .request = request, .door = door};
  g_autofree char *wrong = prompt_read(prompt);
  if (wrong) {
    agent_stats_refused(&agent->stats, door->name, 422);
    door_problem(request, 422, "invalid", "the body is not as it should be", wrong);
    prompt_free(prompt);
    return;
  }
  if (!prompt->session_id && door->names)
    prompt_name_session(prompt);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, prompt->text));
  AskSpec spec = {.door = door->name,
                  .messages = messages,
                  .session_id = prompt->session_id,
                  .context = prompt->context,
                  .depth = door_depth(request),
                  .options = {.temperature = (double)NAN, .top_p = (double)NAN}};
  prompt->ask = ask_begin(agent, &spec, &listener, prompt);
  http_request_on_gone(request, prompt_on_gone, prompt);
}

/* ---- the two doors ---- */

static void prompt_write_text(GString *out, const AskResult *result)
{
  g_autoptr(GString) quoted = g_string_new(NULL);
  jw_quote(quoted, result->text, result->length);
  jw_raw(out, "response", quoted->str);
}

static void prompt_write_answer(GString *out, const Prompt *prompt, const AskResult *result)
{
  prompt_write_text(out, result);
  jw_str(out, "agent", prompt->agent->file->name);
  jw_int(out, "duration_ms", result->duration_ms);
}

static void prompt_write_query(GString *out, const Prompt *prompt, const AskResult *result)
{
  prompt_write_text(out, result);
  jw_str(out, "session_id", prompt->session_id);
}

static const PromptDoor prompt_door = {.name = "prompt", .key = "prompt", .write = prompt_write_answer};
static const PromptDoor query_door = {.name = "query", .key = "query", .context = true, .names = true, .write = prompt_write_query};

void door_prompt(Agent *agent, HttpRequest *request)
{
  prompt_begin(agent, request, &prompt_door);
}

void door_query(Agent *agent, HttpRequest *request)
{
  prompt_begin(agent, request, &query_door);
}
