/* The brain that is a program: one process per prompt, in a process group of its own, without a
 * shell. What the user said last is its standard input, the answer its standard output, given on as
 * it comes; what it writes to standard error goes on to ours, and the last line of it explains a
 * failure. */
#include "agent/brain.h"
#include "agent/child.h"
#include "agent/whole_text.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/system.h"
#include "base/text.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ANSWER_BYTES_MAX = 1024 * 1024,
  ERROR_LINE_MAX = 500,
  MESSAGES_BYTES_MAX = 64 * 1024, /* the kernel takes 128 KiB in one variable of the environment */
  RELAY_BYTES = 4096 /* PIPE_BUF: a pipe that polls as writable takes so many without blocking */
};

extern char **environ;

struct BrainCall {
  const BrainListener *listener; /* NULL = nobody wants it any more */
  void *data;
  Child *child;
  LoopTimer *timer;
  GString *answer, *rest; /* as text; the beginning of a character */
  size_t told;            /* bytes of answer that the listener has */
  size_t answer_bytes;    /* as they came */
  GString *line;          /* of standard error, the one being written */
  char *last_line;        /* the last whole one with something in it */
  int64_t timeout_ms;
  bool timed_out, too_long;
};

static void call_free(BrainCall *call)
{
  child_free(call->child, 0);
  loop_timer_free(call->timer);
  g_string_free(call->answer, TRUE);
  g_string_free(call->rest, TRUE);
  g_string_free(call->line, TRUE);
  g_free(call->last_line);
  g_free(call);
}

/* ---- its standard output ---- */

/* Tells what is new; line ends at the end wait, for they are not part of the answer. */
static void call_tell(BrainCall *call)
{
  size_t end = call->answer->len;
  while (end > call->told && strchr("\r\n", call->answer->str[end - 1]))
    end--;
  if (end == call->told || !call->listener)
    return;
  size_t from = call->told;
  call->told = end;
  call->listener->delta(call->answer->str + from, end - from, call->data);
}

static void call_on_output(const char *bytes, size_t length, void *data)
{
  BrainCall *call = data;
  whole_text_feed(call->answer, call->rest, bytes, length);
  call->answer_bytes += length;
  call->too_long = call->answer_bytes > ANSWER_BYTES_MAX;
  if (call->too_long) {
    child_signal(call->child, SIGKILL);
    child_close_output(call->child);
  }
  call_tell(call);
}

/* ---- its standard error ---- */

/* Passes on what our own standard error takes without blocking; the rest is lost rather than the
 * loop stopped. */
static void relay(const char *bytes, size_t length)
{
  while (length > 0) {
    size_t part = MIN(length, (size_t)RELAY_BYTES);
    if (!(system_poll_now(STDERR_FILENO, POLLOUT) & POLLOUT) ||
        write(STDERR_FILENO, bytes, part) < 0)
      return;
    bytes += part;
    length -= part;
  }
}

static void call_end_line(BrainCall *call)
{
  g_strstrip(call->line->str);
  if (call->line->str[0]) {
    g_free(call->last_line);
    call->last_line = text_escape(call->line->str, ERROR_LINE_MAX);
  }
  g_string_truncate(call->line, 0);
}

static void call_take_line(BrainCall *call, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == '\n')
      call_end_line(call);
    else if (bytes[i] && call->line->len < ERROR_LINE_MAX)
      g_string_append_c(call->line, bytes[i]);
  }
}

static void call_on_errors(const char *bytes, size_t length, void *data)
{
  relay(bytes, length);
  call_take_line(data, bytes, length);
}

/* ---- its end ---- */

static char *call_failure(BrainCall *call, const siginfo_t *info)
{
  call_end_line(call);
  const char *line = call->last_line ? call->last_line : "it wrote nothing to standard error";
  if (call->too_long)
    return g_strdup_printf("the answer is longer than %d bytes", ANSWER_BYTES_MAX);
  if (info->si_code != CLD_EXITED)
    return g_strdup_printf("the brain was killed by signal %d: %s", info->si_status, line);
  return g_strdup_printf("the brain ended with code %d: %s", info->si_status, line);
}

static void call_on_ended(const siginfo_t *info, void *data)
{
  BrainCall *call = data;
  g_autofree char *what = NULL;
  BrainResult result = {.outcome = BRAIN_ANSWERED, .prompt_tokens = -1, .completion_tokens = -1};
  bool answered = info->si_code == CLD_EXITED && info->si_status == 0 && !call->too_long;
  whole_text_end(call->answer, call->rest);
  call_tell(call);
  if (call->timed_out && !answered) {
    result.outcome = BRAIN_TIMED_OUT;
    what = g_strdup_printf("no answer within %" G_GINT64_FORMAT " ms; the brain was stopped",
                           call->timeout_ms);
  } else if (!answered) {
    result.outcome = BRAIN_FAILED;
    what = call_failure(call, info);
  } else {
    result.finish = "stop";
  }
  result.detail = what;
  if (call->listener)
    call->listener->done(&result, call->data);
  call_free(call);
}

static void call_on_timer(void *data)
{
  BrainCall *call = data;
  call->timed_out = true;
  child_signal(call->child, SIGKILL); /* the answer is given when it has ended */
}

static void command_cancel(BrainCall *call)
{
  call->listener = NULL;
  child_signal(call->child, SIGKILL);
}

static void command_hold(BrainCall *call, bool held)
{
  child_hold(call->child, held);
}

/* ---- its beginning ---- */

static const char *call_system_prompt(const BrainRequest *request)
{
  const Message *first = g_ptr_array_index(request->messages, 0);
  return first->role == ROLE_SYSTEM ? first->text : NULL;
}

/* What the user said last; what was said last where no user said anything. */
static const char *call_prompt(const BrainRequest *request)
{
  for (guint i = request->messages->len; i > 0; i--) {
    const Message *message = g_ptr_array_index(request->messages, i - 1);
    if (message->role == ROLE_USER)
      return message->text;
  }
  return ((const Message *)g_ptr_array_index(request->messages, request->messages->len - 1))->text;
}

static char *call_message(const Message *message)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "role", message_role_word(message->role));
  jw_str(out, "content", message->text);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* The conversation as JSON: the newest messages that fit, and the system's, which stands first.
 * Caller frees. */
static char *call_messages(const BrainRequest *request)
{
  const GPtrArray *messages = request->messages;
  const Message *first = g_ptr_array_index(messages, 0);
  guint from = messages->len, system = first->role == ROLE_SYSTEM ? 1 : 0;
  g_autofree char *lead = system ? call_message(first) : NULL;
  size_t bytes = 2 + (lead ? strlen(lead) + 1 : 0);
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  for (; from > system; from--) {
    g_autofree char *text = call_message(g_ptr_array_index(messages, from - 1));
    bytes += strlen(text) + 1;
    if (bytes > MESSAGES_BYTES_MAX)
      break;
    g_ptr_array_add(texts, g_steal_pointer(&text));
  }
  GString *out = g_string_new("[");
  if (lead)
    jw_raw(out, NULL, lead);
  for (guint i = texts->len; i > 0; i--)
    jw_raw(out, NULL, g_ptr_array_index(texts, i - 1));
  jw_close(out, ']');
  if (from > system)
    log_warn("conversation is cut for the brain", "messages=%u left_out=%u bytes_max=%d",
             messages->len, from - system, MESSAGES_BYTES_MAX);
  return g_string_free(out, FALSE);
}

/* Caller frees. */
static char *call_number(double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return isnan(number) ? NULL : g_strdup(g_ascii_dtostr(text, sizeof text, number));
}

/* Our environment and what belongs to this prompt. */
static char **call_environment(const BrainRequest *request)
{
  char **environment = g_strdupv(environ);
  char *dump = request->options.more ? json_dumps(request->options.more, JSON_COMPACT) : NULL;
  g_autofree char *options = g_strdup(dump), *messages = call_messages(request),
                  *temperature = call_number(request->options.temperature),
                  *top_p = call_number(request->options.top_p),
                  *max_tokens = call_number(
                      request->options.max_tokens ? request->options.max_tokens : (double)NAN);
  const struct {
    const char *key, *value;
  } rows[] = {{"AGENT_SESSION_ID", request->session_id},
              {"AGENT_CONTEXT", request->context},
              {"AGENT_MODEL", request->options.model},
              {"AGENT_SYSTEM_PROMPT", call_system_prompt(request)},
              {"AGENT_MESSAGES", messages},
              {"AGENT_TEMPERATURE", temperature},
              {"AGENT_TOP_P", top_p},
              {"AGENT_MAX_TOKENS", max_tokens},
              {"AGENT_OPTIONS", options}};
  free(dump);
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (rows[i].value && strlen(rows[i].value) <= MESSAGES_BYTES_MAX)
      environment = g_environ_setenv(environment, rows[i].key, rows[i].value, TRUE);
    else if (rows[i].value)
      log_warn("too long for the brain's environment", "variable=%s bytes=%zu bytes_max=%d",
               rows[i].key, strlen(rows[i].value), MESSAGES_BYTES_MAX);
  }
  return environment;
}

static const ChildEvents call_events = {
    .output = call_on_output, .errors = call_on_errors, .ended = call_on_ended};

static BrainCall *command_start(const BrainWorld *world, const BrainRequest *request,
                                const BrainListener *listener, void *data, GError **error)
{
  g_auto(GStrv) environment = call_environment(request);
  ChildSpec spec = {.what = "brain ", .argv = world->file->llm_command, .environment = environment};
  BrainCall *call = g_new0(BrainCall, 1);
  *call = (BrainCall){.listener = listener,
                      .data = data,
                      .answer = g_string_new(NULL),
                      .rest = g_string_new(NULL),
                      .line = g_string_new(NULL),
                      .timeout_ms = request->timeout_ms};
  call->child = child_start(world->loop, &spec, &call_events, call, error);
  if (!call->child) {
    call_free(call);
    return NULL;
  }
  const char *prompt = call_prompt(request);
  child_write(call->child, prompt, strlen(prompt));
  child_end_input(call->child);
  call->timer = loop_timer_new(world->loop, call_on_timer, call);
  loop_timer_set(call->timer, clock_boot_ms() + request->timeout_ms);
  return call;
}

const Brain command_brain = {
    .provider = "command", .start = command_start, .cancel = command_cancel, .hold = command_hold};
