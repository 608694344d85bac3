/* Owns the calls of brains that are model servers. A call is tried again when nobody answers, when
 * the server is overloaded or fails, and never after the first byte of an answer. It ends at its
 * deadline, and when a server that has begun falls silent. */
#include "agent/brain_http.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
  TRIES_MAX = 3,
  RETRY_MS = 250,                           /* doubled each time, half of it at random */
  RETRY_AFTER_WAIT_MS = 30 * 1000,          /* what a server asks for is waited for */
  RETRY_AFTER_MAX_MS = 24 * 60 * 60 * 1000, /* and believed */
  ADAPTS_MAX = 3,
  IDLE_DEFAULT_MS = 60 * 1000,
  /* for the end of the reply after the last word of the answer, so that the connection can be used
     again */
  TAIL_MS = 200,
  ERROR_BYTES_MAX = 4096
};

struct BrainCall {
  const BrainWorld *world;
  const BrainListener *listener;
  void *data;
  char *url, *body;
  size_t body_length;
  const ModelFormat *format;
  char *(*adapt)(const char *body, const char *refusal, BrainManners *manners);
  HttpCall *http;      /* NULL = between two tries */
  ModelStream *stream; /* made by the first byte of an answer */
  GString *error_body; /* of an answer that is none */
  LoopTimer *timer, *retry;
  int64_t timeout_ms, deadline_ms, idle_ms, heard_ms;
  int64_t retry_after_ms;     /* what the last try was told, -1 = nothing */
  int tries, adapts, refused; /* refused: the status of the last try, 0 = none */
  bool in_data, cancelled, held;
};

static void call_try(void *data);

static void call_free(BrainCall *call)
{
  http_call_cancel(call->http);
  model_stream_free(call->stream);
  g_string_free(call->error_body, TRUE);
  loop_timer_free(call->timer);
  loop_timer_free(call->retry);
  g_free(call->url);
  g_free(call->body);
  g_free(call);
}

/* ---- its end ---- */

/* Ends @call with what is wrong at the brain; NULL @what = it answered. */
static void call_finish(BrainCall *call, BrainOutcome outcome, const char *what)
{
  const ModelStream *stream = call->stream;
  g_autofree char *detail = what ? g_strdup_printf("the brain at '%s': %s", call->url, what) : NULL;
  BrainResult result = {.outcome = outcome,
                        .detail = detail,
                        .prompt_tokens = -1,
                        .completion_tokens = -1,
                        .status = call->refused,
                        .retry_after_s =
                            call->retry_after_ms > 0 ? (call->retry_after_ms + 999) / 1000 : 0};
  if (stream) {
    result.tool_calls = stream->tool_calls;
    result.reasoning = stream->reasoning ? stream->reasoning->str : NULL;
    result.reasoning_key = stream->reasoning_key;
    result.finish = what ? NULL : stream->finish ? stream->finish : "stop";
    result.prompt_tokens = stream->prompt_tokens;
    result.completion_tokens = stream->completion_tokens;
  }
  call->listener->done(&result, call->data);
  call_free(call);
}

static void call_finish_stream(BrainCall *call)
{
  if (call->stream->error)
    call_finish(call, BRAIN_FAILED, call->stream->error);
  else
    call_finish(call, BRAIN_ANSWERED, NULL);
}

/* What the server says about why it does not answer. Caller frees. */
static char *call_refusal(const BrainCall *call, int status)
{
  json_t *said = json_parse_foreign(call->error_body->str, call->error_body->len, NULL);
  const char *text = model_error_text(said);
  g_autofree char *shown = text_escape(text ? text : call->error_body->str, 300);
  json_decref(said);
  return g_strdup_printf("status %d%s%s", status, shown[0] ? ": " : "", shown);
}

/* ---- tries ---- */

static bool status_is_passing(int status)
{
  /* 529: overloaded, as some say it */
  static const int passing[] = {0, 408, 429, 500, 502, 503, 504, 529};
  for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
    if (status == passing[i])
      return true;
  return false;
}

/* What Retry-After asks for: seconds, or a date by the clock of the server. -1 = nothing. */
static int64_t call_retry_after_ms(const BrainCall *call)
{
  g_autofree char *after = g_strdup(http_call_header(call->http, "Retry-After"));
  int64_t until_ms = time_parse_http(after),
          now_ms = time_parse_http(http_call_header(call->http, "Date"));
  if (after && g_ascii_isdigit(after[0]))
    return CLAMP(g_ascii_strtoll(after, NULL, 10), 0, RETRY_AFTER_MAX_MS / 1000) * 1000;
  return until_ms < 0
             ? -1
             : CLAMP(until_ms - (now_ms < 0 ? clock_wall_ms() : now_ms), 0, RETRY_AFTER_MAX_MS);
}

/* How long to wait before the next try; -1 = there is none. Not asked for once an answer has begun.
 */
static int64_t call_pause_ms(const BrainCall *call, int status)
{
  unsigned char random = 0;
  if (call->tries >= TRIES_MAX || !status_is_passing(status))
    return -1;
  (void)!getrandom(&random, sizeof random, 0);
  int64_t base = (int64_t)RETRY_MS << (call->tries - 1), pause = base / 2 + base * random / 255;
  pause = MAX(pause, call->retry_after_ms);
  bool fits = pause <= RETRY_AFTER_WAIT_MS && clock_boot_ms() + pause < call->deadline_ms;
  return fits ? pause : -1;
}

/* The server does not understand the question as it is put: puts it in other words, if there are
 * some. */
static bool call_adapt(BrainCall *call, int status)
{
  if (!call->adapt || (status != 400 && status != 422) || call->adapts >= ADAPTS_MAX)
    return false;
  char *body = call->adapt(call->body, call->error_body->str, call->world->manners);
  if (!body)
    return false;
  g_free(call->body);
  call->body = body;
  call->body_length = strlen(body);
  call->adapts++;
  log_info("brain call is put in other words", "url=%s status=%d", call->url, status);
  loop_timer_set(call->retry, clock_boot_ms());
  return true;
}

/* No answer came, or one that is none. */
static void call_end_try(BrainCall *call, int status, const char *error)
{
  call->refused = status;
  call->retry_after_ms = status ? call_retry_after_ms(call) : -1;
  int64_t pause = call_pause_ms(call, status);
  call->http = NULL;
  if (call_adapt(call, status))
    return;
  if (pause >= 0) {
    log_info("brain call is tried again",
             "url=%s try=%d status=%d error=%s pause_ms=%" G_GINT64_FORMAT, call->url, call->tries,
             status, error ? error : "", pause);
    g_string_truncate(call->error_body, 0); /* it says nothing now, and is not silent either */
    loop_timer_set(call->retry, clock_boot_ms() + pause);
    return;
  }
  g_autofree char *what = status ? call_refusal(call, status)
                                 : g_strdup_printf("unavailable: %s (%d %s)", error, call->tries,
                                                   call->tries == 1 ? "try" : "tries");
  call_finish(call, status ? BRAIN_FAILED : BRAIN_AWAY, what);
}

static void call_on_done(const HttpResult *result, void *data)
{
  BrainCall *call = data;
  if (!call->stream) {
    /* nothing in an answer that is one: as if the server had closed the connection */
    bool empty = result->status == 200 && !result->error;
    call_end_try(call, empty ? 0 : result->status, empty ? "its answer is empty" : result->error);
    return;
  }
  call->http = NULL;
  if (result->error && !call->stream->over)
    model_stream_fail(call->stream, "it broke off in the middle of its answer: %s", result->error);
  model_stream_end(call->stream);
  call_finish_stream(call);
}

/* ---- its answer ---- */

static bool call_on_delta(const char *text, size_t length, void *data)
{
  BrainCall *call = data;
  call->listener->delta(text, length, call->data);
  return !call->cancelled;
}

static void call_keep_error(BrainCall *call, const char *bytes, size_t length)
{
  size_t room = ERROR_BYTES_MAX - call->error_body->len;
  g_string_append_len(call->error_body, bytes, (gssize)MIN(length, room));
}

static bool call_on_data(const char *bytes, size_t length, void *data)
{
  BrainCall *call = data;
  call->heard_ms = clock_boot_ms();
  if (!call->stream && http_call_status(call->http) != 200) {
    call_keep_error(call, bytes, length);
    return true;
  }
  if (!call->stream)
    call->stream = model_stream_new(call->format, call->format->framing, call_on_delta, call);
  if (call->stream->over)
    return true;
  call->in_data = true;
  bool more = model_stream_feed(call->stream, bytes, length);
  call->in_data = false;
  if (call->cancelled) {
    call_free(call);
    return false;
  }
  if (call->stream->over)
    loop_timer_set(call->timer, call->heard_ms + TAIL_MS);
  return more || call->stream->over;
}

/* ---- time ---- */

/* The earliest moment at which something is to be done about @call. */
static int64_t call_limit_ms(const BrainCall *call)
{
  bool speaks = call->stream || call->error_body->len;
  return speaks && !call->held ? MIN(call->deadline_ms, call->heard_ms + call->idle_ms)
                               : call->deadline_ms;
}

static void call_on_timer(void *data)
{
  BrainCall *call = data;
  int64_t now = clock_boot_ms();
  if (call->stream && call->stream->over) {
    call_finish_stream(call);
  } else if (now < call_limit_ms(call)) {
    /* it was heard of since; not set anew for each of its words */
    loop_timer_set(call->timer, call_limit_ms(call));
  } else {
    bool silent = now < call->deadline_ms;
    g_autofree char *what = g_strdup_printf(
        silent       ? "it fell silent for %" G_GINT64_FORMAT " ms in the middle of its answer"
        : call->held ? "after %" G_GINT64_FORMAT " ms its reader had not taken all of the answer"
                     : "no answer within %" G_GINT64_FORMAT " ms",
        silent ? call->idle_ms : call->timeout_ms);
    call_finish(call, BRAIN_TIMED_OUT, what);
  }
}

/* ---- its beginning ---- */

static void call_try(void *data)
{
  BrainCall *call = data;
  g_autofree char *authorization =
      call->world->api_key ? g_strdup_printf("Authorization: Bearer %s", call->world->api_key)
                           : NULL;
  const char *headers[] = {"Accept: text/event-stream, application/x-ndjson, application/json",
                           authorization, NULL};
  HttpCallSpec spec = {.method = "POST",
                       .url = call->url,
                       .content_type = "application/json",
                       .body = call->body,
                       .body_length = call->body_length,
                       .headers = headers,
                       .stream = true};
  call->tries++;
  call->refused = 0;
  g_string_truncate(call->error_body, 0);
  call->http = http_client_call(call->world->client, &spec, call_on_data, call_on_done, call);
  http_call_hold(call->http, call->held);
}

BrainCall *brain_http_start(const BrainWorld *world, const BrainPost *post, int64_t timeout_ms,
                            const BrainListener *listener, void *data)
{
  BrainCall *call = g_new0(BrainCall, 1);
  int64_t now = clock_boot_ms();
  *call = (BrainCall){.world = world,
                      .listener = listener,
                      .data = data,
                      .url = g_strdup(post->url),
                      .body = g_strndup(post->body, post->length),
                      .body_length = post->length,
                      .format = post->format,
                      .adapt = post->adapt,
                      .retry_after_ms = -1,
                      .error_body = g_string_new(NULL),
                      .timeout_ms = timeout_ms,
                      .deadline_ms = now + timeout_ms,
                      .idle_ms = world->file->idle_timeout_ms ? world->file->idle_timeout_ms
                                                              : IDLE_DEFAULT_MS,
                      .heard_ms = now};
  call->timer = loop_timer_new(world->loop, call_on_timer, call);
  call->retry = loop_timer_new(world->loop, call_try, call);
  loop_timer_set(call->timer, MIN(call->deadline_ms, now + call->idle_ms));
  call_try(call);
  return call;
}

void brain_http_cancel(BrainCall *call)
{
  call->cancelled = true;
  if (!call->in_data)
    call_free(call);
}

void brain_http_hold(BrainCall *call, bool held)
{
  call->held = held;
  call->heard_ms = clock_boot_ms();
  if (!call->stream || !call->stream->over)
    loop_timer_set(call->timer, call_limit_ms(call));
  if (call->http)
    http_call_hold(call->http, held);
}

void brain_write_number(GString *out, const char *key, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isnan(number))
    jw_raw(out, key, g_ascii_dtostr(text, sizeof text, number));
}

void brain_write_value(GString *out, const char *key, const json_t *value)
{
  char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  jw_raw(out, NULL, "");
  jw_quote(out, key, strlen(key));
  g_string_append_printf(out, ":%s", dump);
  free(dump);
}
