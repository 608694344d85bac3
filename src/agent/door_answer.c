/* What the doors answer with, whatever their protocol: refusals, JSON, ids, usage; and how deep a
 * question is. */
#include "agent/door.h"

#include "agent/peers.h"
#include "base/json.h"
#include "base/system.h"

/* ---- refusals ---- */

void door_problem_members(GString *out, const AskResult *no)
{
  g_autofree char *type = g_strconcat("urn:reeve:problem:", no->word, NULL);
  jw_str(out, "type", type);
  jw_str(out, "title", no->title);
  jw_int(out, "status", no->status);
  jw_str(out, "code", no->word);
  jw_str(out, "detail", no->detail);
}

void door_refuse_problem(HttpRequest *request, const AskResult *no)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  door_problem_members(body, no);
  jw_close(body, '}');
  http_reply(request, no->status, "application/problem+json", body->str, body->len);
}

int door_depth(const HttpRequest *request)
{
  const char *text = http_request_header(request, "x-reeve-depth");
  gint64 depth = 0;
  return text && g_ascii_string_to_signed(text, 10, 0, PEER_DEPTH_MAX, &depth, NULL) ? (int)depth
         : text ? PEER_DEPTH_MAX
                : 0;
}

void door_refuse_result(DoorRefuse refuse, HttpRequest *request, const AskResult *no)
{
  char seconds[24];
  g_snprintf(seconds, sizeof seconds, "%" G_GINT64_FORMAT, no->retry_after_s);
  if (no->retry_after_s > 0)
    http_reply_header(request, "Retry-After", seconds);
  refuse(request, no);
}

void door_refuse(DoorRefuse refuse, HttpRequest *request, int status, const char *word,
                 const char *title, const char *detail)
{
  AskResult no = {.status = status, .word = word, .title = title, .detail = detail};
  refuse(request, &no);
}

/* ---- answers ---- */

void door_reply(HttpRequest *request, int status, const char *json, size_t length)
{
  http_reply(request, status, "application/json", json, length);
}

void door_id(char out[DOOR_ID_BYTES])
{
  system_random_hex(out, DOOR_ID_BYTES - 1);
}

static void usage_count(GString *out, const char *key, int64_t count)
{
  if (count >= 0)
    jw_int(out, key, count);
  else
    jw_null(out, key);
}

void door_usage(GString *out, const AskUsage *usage)
{
  usage_count(out, "prompt_tokens", usage->prompt_tokens);
  usage_count(out, "completion_tokens", usage->completion_tokens);
  jw_int(out, "rounds", usage->rounds);
  jw_int(out, "tool_calls", usage->tool_calls);
}
