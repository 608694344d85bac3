/* Owns a question while its HTTP request waits for the answer: whole or in pieces, whatever the
 * protocol. A stream begins with the first piece, so that a failure before it still has a status of
 * its own; but what stands between the client and us hears of it within seconds, and again while
 * the brain thinks or its tools run. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

enum { FLUSH_BYTES = 16 * 1024 }; /* so many are not held until the end of the turn */

static void reply_free(Reply *reply)
{
  if (reply->flush)
    event_free(reply->flush);
  door_reader_done(&reply->reader);
  loop_timer_free(reply->alive);
  g_free(reply->model);
  g_free(reply->session_id);
  if (reply->head)
    g_string_free(reply->head, TRUE);
  if (reply->tail)
    g_string_free(reply->tail, TRUE);
  g_string_free(reply->out, TRUE);
  g_free(reply);
}

Reply *reply_new(Agent *agent, HttpRequest *request, const ReplyShape *shape, const char *model)
{
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.shape = shape,
                   .agent = agent,
                   .request = request,
                   .model = g_strdup(model && model[0] ? model : agent->file->name),
                   .created_ms = clock_wall_ms(),
                   .came_ms = clock_boot_ms(),
                   .out = g_string_sized_new(512)};
  door_id(reply->id);
  return reply;
}

void sse_begin(GString *out, const char *event)
{
  if (event)
    g_string_append_printf(out, "event: %s\n", event);
  g_string_append(out, "data: {");
}

void sse_end(GString *out)
{
  g_string_append(out, "}\n\n");
}

/* Sends what is in the scratch buffer; the first bytes open the stream. */
static void reply_send(Reply *reply)
{
  if (!reply->begun) {
    /* nginx gives pieces on as they come */
    http_reply_header(reply->request, "X-Accel-Buffering", "no");
    http_stream_start(reply->request, 200, reply->shape->stream_type);
  }
  reply->begun = true;
  reply->quiet = false;
  http_stream_chunk_now(reply->request, reply->out->str, reply->out->len);
  g_string_truncate(reply->out, 0);
}

/* The last bytes are in the scratch buffer. */
static void reply_end_stream(Reply *reply)
{
  reply_send(reply);
  http_request_on_gone(reply->request, NULL, NULL);
  door_reader_done(&reply->reader);
  http_stream_end(reply->request);
}

/* A sign of life is for those who are waiting: none behind what was not taken yet. */
static void reply_on_alive(void *data)
{
  Reply *reply = data;
  bool silent = reply->quiet;
  reply->quiet = true;
  loop_timer_set(reply->alive, clock_boot_ms() + DOOR_ALIVE_MS);
  if (!silent || reply->out->len ||
      (reply->begun && (!reply->shape->alive || http_stream_backlog(reply->request))))
    return;
  g_string_append(reply->out, reply->shape->alive ? reply->shape->alive : "");
  reply_send(reply);
  reply->quiet = true;
}

static void reply_watch_silence(Reply *reply)
{
  reply->quiet = true;
  reply->alive = loop_timer_new(reply->agent->loop, reply_on_alive, reply);
  loop_timer_set(reply->alive, clock_boot_ms() + DOOR_ALIVE_MS);
}

/* A reader that takes nothing is told so, should it ever read on, and its question ends. */
static void reply_give_up(Reply *reply)
{
  AskResult no = {.status = 503,
                  .word = "slow-reader",
                  .title = "the stream is read too slowly",
                  .detail = "the reader took nothing for too long"};
  Agent *agent = reply->agent;
  log_warn("reader is too slow", "agent=%s request=%s backlog=%zu", agent->file->name, reply->id,
           http_stream_backlog(reply->request));
  ask_cancel(reply->ask);
  reply->shape->broken(reply, reply->out, &no);
  reply_end_stream(reply);
  reply_free(reply);
  agent_settle(agent);
}

static void reply_on_pace(DoorPace pace, void *data)
{
  Reply *reply = data;
  if (pace == DOOR_PACE_STUCK)
    reply_give_up(reply);
  else
    ask_hold_back(reply->ask, pace == DOOR_PACE_SLOW);
}

static void reply_on_flush(evutil_socket_t fd, short what, void *data)
{
  (void)fd;
  (void)what;
  Reply *reply = data;
  if (!reply->out->len)
    return; /* something else took it along */
  reply_send(reply);
  door_reader_sent(&reply->reader);
}

/* A brain that is fast gives many pieces at once; they leave as one chunk. The first piece of all
 * waits for nothing. What is made active is run in this turn of the loop still, without a call of
 * the kernel. */
static void reply_flush_soon(Reply *reply)
{
  if (!reply->flush)
    reply->flush = event_new(loop_base(reply->agent->loop), -1, 0, reply_on_flush, reply);
  event_active(reply->flush, EV_TIMEOUT, 0);
}

static void reply_on_delta(const char *text, size_t length, void *data)
{
  Reply *reply = data;
  if (!reply->stream || length == 0)
    return;
  bool waits = reply->out->len > 0;
  reply->shape->delta(reply, reply->out, text, length);
  reply->said = true;
  if (!reply->begun || reply->out->len >= FLUSH_BYTES) {
    reply_send(reply);
    door_reader_sent(&reply->reader);
  } else if (!waits) {
    reply_flush_soon(reply);
  }
}

static void reply_on_tool(const char *name, bool begins, void *data)
{
  Reply *reply = data;
  if (!reply->stream || !reply->shape->tool)
    return;
  reply->shape->tool(reply, reply->out, name, begins);
  reply_send(reply);
  door_reader_sent(&reply->reader);
}

static void reply_finish_stream(Reply *reply, const AskResult *result)
{
  if (result->status != 200) {
    reply->shape->broken(reply, reply->out, result);
  } else {
    if (!reply->said && result->length)
      /* a brain that does not stream */
      reply->shape->delta(reply, reply->out, result->text, result->length);
    reply->shape->close(reply, reply->out, result);
  }
  reply_end_stream(reply);
}

static void reply_on_done(const AskResult *result, void *data)
{
  Reply *reply = data;
  Agent *agent = reply->agent;
  http_request_on_gone(reply->request, NULL, NULL);
  if (result->status != 200 && !reply->begun) {
    door_refuse_result(reply->shape->refuse, reply->request, result);
  } else if (reply->stream) {
    reply_finish_stream(reply, result);
  } else {
    reply->shape->whole(reply, reply->out, result);
    door_reply(reply->request, 200, reply->out->str, reply->out->len);
  }
  reply_free(reply);
  agent_settle(agent);
}

/* The client left: nobody wants the answer. */
static void reply_on_gone(void *data)
{
  Reply *reply = data;
  Agent *agent = reply->agent;
  ask_cancel(reply->ask);
  reply_free(reply);
  agent_settle(agent);
}

static const AskListener reply_listener = {
    .delta = reply_on_delta, .tool = reply_on_tool, .done = reply_on_done};

void reply_ask(Reply *reply, const AskSpec *spec)
{
  http_request_on_gone(reply->request, reply_on_gone, reply);
  door_reader_init(&reply->reader, reply->agent, reply->request, reply_on_pace, reply);
  if (reply->stream)
    reply_watch_silence(reply);
  AskSpec deeper = *spec;
  deeper.depth = door_depth(reply->request);
  reply->ask = ask_begin(reply->agent, &deeper, &reply_listener, reply);
}
