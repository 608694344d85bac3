/* Owns log streams: one request of a person becomes one LOG_READ per instance at its node; what
 * comes back is merged in time order, as well as that can be done without waiting for the silent,
 * and goes out as NDJSON. Nodes send by credit, so that a slow reader holds back the node and
 * nothing piles up here. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/hub.h"
#include "server/log_line.h"
#include "server/logs.h"
#include "server/routes.h"

#include <string.h>

enum {
  LOGS_STREAMS_MAX = 128,
  LOGS_WINDOW = 4, /* bulk frames that a node may send ahead for one instance */
  /* bytes that the peer has not taken: above it no record is emitted */
  LOGS_BACKLOG_MAX = 256 * 1024,
  LOGS_CHUNK_BYTES = 64 * 1024,
  LOGS_SETTLE_MS = 50, /* a record waits at most so long for an older one of another instance */
  LOGS_SCAN_MS = 1000, /* a following stream looks for new instances */
  LOGS_TAKEN_BYTES = 16 * 1024,
  LOGS_TAKEN_MS = 3000 /* logs_take waits no longer for a node */
};

/* What one instance sends. */
typedef struct LogSource {
  int64_t request; /* at the node; 0 = not being read */
  char *instance, *agent, *node;
  int replica;
  bool whole;      /* it came after the stream had begun: all that it wrote is new */
  GString *buffer; /* lines not yet emitted start at @at */
  size_t at;
  int window;      /* credit that the node still has */
  int64_t last_ms; /* time of the last record emitted, 0 = none */
  int last_n;      /* records of that time that were emitted in a row */
  int skip;        /* so many records of @last_ms come again over a new link */
  size_t head;     /* length of the record at @at, 0 = not looked at yet, or not there */
  int64_t head_ms; /* its time */
} LogSource;

typedef struct LogStream {
  Logs *logs;
  HttpRequest *request; /* NULL: it is for @taken */
  LogsTaken taken;
  void *data;
  GString *texts[2];        /* stdout and stderr, for @taken */
  char *deployment, *agent; /* @agent AGENT or AGENT/REPLICA; NULL = all */
  int64_t since_ms, tail;
  bool follow;
  bool begun;   /* its first sources are being read */
  bool stalled; /* the peer is behind */
  GPtrArray *sources;
  LoopTimer *settle, *scan;
} LogStream;

struct Logs {
  Server *server;
  GPtrArray *streams;
  int64_t last_request;
};

static void log_source_free(LogSource *source)
{
  g_free(source->instance);
  g_free(source->agent);
  g_free(source->node);
  g_string_free(source->buffer, TRUE);
  g_free(source);
}

static void log_stream_free(LogStream *stream)
{
  loop_timer_free(stream->settle);
  loop_timer_free(stream->scan);
  g_ptr_array_unref(stream->sources);
  for (guint i = 0; i < G_N_ELEMENTS(stream->texts) && stream->texts[i]; i++)
    g_string_free(stream->texts[i], TRUE);
  g_free(stream->deployment);
  g_free(stream->agent);
  g_free(stream);
}

static void log_send(Logs *logs, const LogSource *source, Frame *frame)
{
  frame->term = core_term(engine_core(logs->server->engine));
  g_autofree char *text = frame_write(frame);
  hub_send(logs->server->hub, source->node, text);
}

static void log_source_cancel(Logs *logs, LogSource *source)
{
  if (!source->request)
    return;
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_CANCEL);
  frame->request = source->request;
  source->request = 0;
  log_send(logs, source, frame);
}

/* Opens, or opens again after the link was gone, the reading of @source. */
static void log_source_read(LogStream *stream, LogSource *source)
{
  Logs *logs = stream->logs;
  if (!source->node || !hub_linked(logs->server->hub, source->node))
    return;
  g_string_truncate(source->buffer, source->at); /* what was not emitted is read again */
  source->head = 0;
  source->skip = source->last_n;
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_READ);
  source->request = frame->request = ++logs->last_request;
  source->window = LOGS_WINDOW;
  frame->instance = g_strdup(source->instance);
  frame->since_ms = source->last_ms ? source->last_ms : stream->since_ms;
  frame->tail = source->last_ms || source->whole ? -1 : stream->tail;
  frame->follow = stream->follow;
  frame->credit = source->window;
  log_send(logs, source, frame);
}

static LogSource *log_stream_find(LogStream *stream, const char *instance)
{
  for (guint i = 0; i < stream->sources->len; i++) {
    LogSource *source = g_ptr_array_index(stream->sources, i);
    if (g_str_equal(source->instance, instance))
      return source;
  }
  return NULL;
}

static bool log_stream_wants(const LogStream *stream, const Instance *instance)
{
  g_autofree char *slot = stream->agent ? slot_key(instance->agent, instance->replica) : NULL;
  return !slot || g_str_equal(stream->agent, instance->agent) || g_str_equal(stream->agent, slot);
}

/* Adds a source for each instance that has none yet. False when the deployment is gone. */
static bool log_stream_scan(LogStream *stream)
{
  const Deployment *deployment =
      core_deployment(engine_core(stream->logs->server->engine), stream->deployment);
  for (guint i = 0; deployment && i < deployment->instances->len; i++) {
    const Instance *instance = g_ptr_array_index(deployment->instances, i);
    if (!log_stream_wants(stream, instance))
      continue;
    LogSource *source =
        stream->sources->len > i && !stream->agent ? g_ptr_array_index(stream->sources, i) : NULL;
    /* the common case is in order; searching is for what changed */
    if (!source || !g_str_equal(source->instance, instance->id))
      source = log_stream_find(stream, instance->id);
    if (!source) {
      source = g_new0(LogSource, 1);
      source->instance = g_strdup(instance->id);
      source->agent = g_strdup(instance->agent);
      source->replica = instance->replica;
      source->buffer = g_string_new(NULL);
      g_ptr_array_add(stream->sources, source);
    }
    if (!source->node && instance->node) {
      source->node = g_strdup(instance->node->id);
      source->whole = stream->begun;
    }
  }
  return deployment != NULL;
}

static void log_stream_read(LogStream *stream)
{
  stream->begun = true;
  for (guint i = 0; i < stream->sources->len; i++) {
    LogSource *source = g_ptr_array_index(stream->sources, i);
    if (!source->request)
      log_source_read(stream, source);
  }
}

/* The stream is over; @stream is gone after it. */
static void log_stream_end(LogStream *stream, bool peer_left)
{
  Logs *logs = stream->logs;
  if (stream->taken)
    stream->taken(stream->texts[0]->str, stream->texts[1]->str, stream->data);
  HttpRequest *request = stream->request;
  for (guint i = 0; i < stream->sources->len; i++)
    log_source_cancel(logs, g_ptr_array_index(stream->sources, i));
  g_ptr_array_remove_fast(logs->streams, stream);
  if (peer_left || !request)
    return;
  http_request_on_gone(request, NULL, NULL);
  http_stream_on_drained(request, NULL, NULL);
  http_stream_end(request);
}

static void log_source_parse(const LogSource *source, LogLine *line)
{
  log_line_parse(source->buffer->str + source->at, source->head - 1, line);
}

/* Takes the record at the head of @source. */
static void log_source_advance(LogSource *source)
{
  source->at += source->head;
  source->head = 0;
  if (source->at < source->buffer->len && source->at < BULK_BYTES_MAX)
    return;
  g_string_erase(source->buffer, 0, (gssize)source->at);
  source->at = 0;
}

/* Is there a whole record at the head of @source? Each is looked at once, however many other
 * sources there are. */
static bool log_source_has(LogSource *source)
{
  while (!source->head) {
    const char *start = source->buffer->str + source->at;
    const char *end = memchr(start, '\n', source->buffer->len - source->at);
    if (!end)
      return false;
    LogLine line;
    source->head = (size_t)(end - start) + 1;
    log_source_parse(source, &line);
    source->head_ms = line.time_ms;
    bool again = source->skip > 0 && line.time_ms == source->last_ms;
    source->skip = again ? source->skip - 1 : 0;
    if (again)
      log_source_advance(source);
  }
  return true;
}

static void log_record_write(GString *out, const LogSource *source, const LogLine *line)
{
  jw_open(out, NULL, '{');
  jw_time(out, "time", line->time_ms);
  jw_str(out, "agent", source->agent);
  jw_int(out, "replica", source->replica);
  jw_str(out, "instance", source->instance);
  jw_str(out, "stream", line->stream);
  jw_bool(out, "partial", line->partial);
  g_string_append(out, ",\"text\":");
  jw_quote(out, line->text, line->length);
  jw_close(out, '}');
  g_string_append_c(out, '\n');
}

/* Keeps the end of what a stream wrote. */
static void log_record_take(LogStream *stream, const LogLine *line)
{
  GString *text = stream->texts[g_str_equal(line->stream, "stderr")];
  if (g_str_equal(line->stream, "reeve"))
    return; /* our own words */
  g_string_append_len(text, line->text, (gssize)line->length);
  if (!line->partial)
    g_string_append_c(text, '\n');
  const char *kept =
      text->len > LOGS_TAKEN_BYTES
          ? g_utf8_find_next_char(text->str + (text->len - LOGS_TAKEN_BYTES) - 1, NULL)
          : NULL;
  if (kept)
    g_string_erase(text, 0, kept - text->str);
}

/* The source whose record is next, or NULL: none has one, or (unless @settled) one that may still
 * send something older has none. Up to
 * @until_ms, the time of the first record of any other, its further records are next, too. */
static LogSource *log_stream_next(LogStream *stream, bool settled, int64_t *until_ms)
{
  LogSource *best = NULL;
  *until_ms = INT64_MAX;
  for (guint i = 0; i < stream->sources->len; i++) {
    LogSource *source = g_ptr_array_index(stream->sources, i);
    if (!log_source_has(source)) {
      if (source->request && !settled)
        return NULL;
      continue;
    }
    if (best)
      *until_ms = MIN(*until_ms, MAX(source->head_ms, best->head_ms));
    if (!best || source->head_ms < best->head_ms)
      best = source;
  }
  return best;
}

/* Emits the record at the head of @source. */
static void log_source_take(LogStream *stream, LogSource *source, GString *out)
{
  LogLine line;
  log_source_parse(source, &line);
  if (stream->taken)
    log_record_take(stream, &line);
  else
    log_record_write(out, source, &line);
  source->last_n = line.time_ms == source->last_ms ? source->last_n + 1 : 1;
  source->last_ms = line.time_ms;
  log_source_advance(source);
}

/* Lets nodes send again what was consumed. */
static void log_stream_grant(LogStream *stream)
{
  for (guint i = 0; i < stream->sources->len; i++) {
    LogSource *source = g_ptr_array_index(stream->sources, i);
    if (!source->request || source->window > LOGS_WINDOW / 2 ||
        source->buffer->len - source->at > BULK_BYTES_MAX)
      continue;
    g_autoptr(Frame) frame = frame_new(FRAME_LOG_CREDIT);
    frame->request = source->request;
    frame->credit = LOGS_WINDOW - source->window;
    source->window = LOGS_WINDOW;
    log_send(stream->logs, source, frame);
  }
}

static bool log_stream_finished(const LogStream *stream)
{
  if (stream->follow)
    return false;
  for (guint i = 0; i < stream->sources->len; i++)
    if (((const LogSource *)g_ptr_array_index(stream->sources, i))->request)
      return false;
  return true;
}

static void log_stream_emit(LogStream *stream, bool settled);

static void log_stream_drained(void *data)
{
  LogStream *stream = data;
  stream->stalled = false;
  log_stream_emit(stream, false);
}

static bool log_stream_waits(const LogStream *stream)
{
  for (guint i = 0; i < stream->sources->len; i++) {
    const LogSource *source = g_ptr_array_index(stream->sources, i);
    if (source->at < source->buffer->len)
      return true;
  }
  return false;
}

/* Sends what is ready; may end the stream. */
static void log_stream_emit(LogStream *stream, bool settled)
{
  g_autoptr(GString) out = g_string_new(NULL);
  while (!stream->stalled) {
    int64_t until_ms;
    LogSource *source = log_stream_next(stream, settled, &until_ms);
    if (source)
      do
        log_source_take(stream, source, out);
      while (out->len <= LOGS_CHUNK_BYTES && log_source_has(source) && source->head_ms < until_ms);
    if (out->len && (!source || out->len > LOGS_CHUNK_BYTES)) {
      http_stream_chunk(stream->request, out->str, out->len);
      g_string_truncate(out, 0);
      stream->stalled = http_stream_backlog(stream->request) > LOGS_BACKLOG_MAX;
      if (stream->stalled)
        http_stream_on_drained(stream->request, log_stream_drained, stream);
    }
    if (!source)
      break;
  }
  bool waits = log_stream_waits(stream);
  loop_timer_set(stream->settle,
                 waits && !stream->stalled ? clock_boot_ms() + LOGS_SETTLE_MS : INT64_MAX);
  if (!stream->stalled)
    log_stream_grant(stream);
  if (!waits && log_stream_finished(stream))
    log_stream_end(stream, false);
}

static void log_stream_settled(void *data)
{
  log_stream_emit(data, true);
}

static void log_stream_rescan(void *data)
{
  LogStream *stream = data;
  /* else there is no link either */
  bool known = engine_core_state(stream->logs->server->engine) == CORE_STATE_READY;
  if (known && !log_stream_scan(stream)) {
    log_stream_end(stream, false);
    return;
  }
  log_stream_read(stream);
  loop_timer_set(stream->scan, clock_boot_ms() + LOGS_SCAN_MS);
}

/* For logs_take: a node that hangs has had its time. */
static void log_stream_late(void *data)
{
  LogStream *stream = data;
  for (guint i = 0; i < stream->sources->len; i++)
    log_source_cancel(stream->logs, g_ptr_array_index(stream->sources, i));
  log_stream_emit(stream, true);
}

static void log_stream_gone(void *data)
{
  log_stream_end(data, true);
}

Logs *logs_new(Server *server)
{
  Logs *logs = g_new0(Logs, 1);
  logs->server = server;
  logs->streams = g_ptr_array_new_with_free_func((GDestroyNotify)log_stream_free);
  return logs;
}

void logs_end(Logs *logs)
{
  while (logs->streams->len)
    log_stream_end(g_ptr_array_index(logs->streams, 0), false);
}

void logs_free(Logs *logs)
{
  if (!logs)
    return;
  logs_end(logs);
  g_ptr_array_unref(logs->streams);
  g_free(logs);
}

static LogSource *logs_find(Logs *logs, const char *node, int64_t request, LogStream **stream)
{
  for (guint i = 0; i < logs->streams->len; i++) {
    *stream = g_ptr_array_index(logs->streams, i);
    for (guint k = 0; k < (*stream)->sources->len; k++) {
      LogSource *source = g_ptr_array_index((*stream)->sources, k);
      if (source->request == request && g_strcmp0(source->node, node) == 0)
        return source;
    }
  }
  return NULL;
}

void logs_frame(Logs *logs, const char *node, const Frame *frame)
{
  LogStream *stream;
  LogSource *source = frame->request > 0 ? logs_find(logs, node, frame->request, &stream) : NULL;
  if (!source)
    return; /* cancelled meanwhile */
  if (frame->type == FRAME_LOG_END) {
    source->request = 0;
  } else if (frame->data) {
    source->window--;
    g_string_append(source->buffer, frame->data);
    if (source->buffer->len && source->buffer->str[source->buffer->len - 1] != '\n')
      g_string_append_c(source->buffer, '\n');
  }
  log_stream_emit(stream, false);
}

void logs_node_gone(Logs *logs, const char *node)
{
  for (guint i = logs->streams->len; i-- > 0;) {
    LogStream *stream = g_ptr_array_index(logs->streams, i);
    for (guint k = 0; k < stream->sources->len; k++) {
      LogSource *source = g_ptr_array_index(stream->sources, k);
      if (g_strcmp0(source->node, node) == 0)
        source->request = 0;
    }
    log_stream_emit(stream, false);
  }
}

/* Reads the query into @stream; false after a 400. */
static bool log_stream_query(RouteCall *call, LogStream *stream)
{
  int64_t follow;
  if (!route_query_int(call, "tail", 0, INT32_MAX, -1, &stream->tail) ||
      !route_query_int(call, "follow", 0, 1, 0, &follow))
    return false;
  stream->follow = follow;
  return route_query_since(call, &stream->since_ms);
}

/* True when nothing can be read because no node of the stream is there. */
static bool log_stream_unreachable(const LogStream *stream)
{
  bool placed = false;
  for (guint i = 0; i < stream->sources->len; i++) {
    const LogSource *source = g_ptr_array_index(stream->sources, i);
    placed = placed || source->node;
    if (source->node && hub_linked(stream->logs->server->hub, source->node))
      return false;
  }
  return placed;
}

/* Why the stream cannot begin, as an answer; false when there is nothing in its way. */
static bool log_stream_refused(RouteCall *call, const LogStream *stream)
{
  if (stream->agent && !stream->sources->len) {
    g_autofree char *detail = g_strdup_printf("find agent '%s' of deployment '%s': no such agent",
                                              stream->agent, stream->deployment);
    route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
    return true;
  }
  bool many = stream->logs->streams->len > LOGS_STREAMS_MAX, away = log_stream_unreachable(stream);
  if (many || away || call->server->leaving)
    route_problem(call->server, call->request, REEVE_ERROR_UNAVAILABLE,
                  away   ? "the node that holds these logs is not connected"
                  : many ? "too many log streams are open"
                         : "the server is stopping",
                  NULL, NULL);
  return many || away || call->server->leaving;
}

void get_logs(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  if (!deployment)
    return;
  Logs *logs = call->server->logs;
  LogStream *stream = g_new0(LogStream, 1);
  *stream = (LogStream){.logs = logs,
                        .request = call->request,
                        .deployment = g_strdup(deployment->id),
                        .agent = g_strdup(http_request_query(call->request, "agent")),
                        .sources = g_ptr_array_new_with_free_func((GDestroyNotify)log_source_free)};
  stream->settle = loop_timer_new(call->server->loop, log_stream_settled, stream);
  stream->scan = loop_timer_new(call->server->loop, log_stream_rescan, stream);
  g_ptr_array_add(logs->streams, stream);
  if (!log_stream_query(call, stream) ||
      (log_stream_scan(stream), log_stream_refused(call, stream))) {
    g_ptr_array_remove_fast(logs->streams, stream);
    return;
  }
  route_count_stream(call->server, call->request);
  http_stream_start(call->request, 200, "application/x-ndjson");
  http_request_on_gone(call->request, log_stream_gone, stream);
  log_stream_read(stream);
  if (stream->follow)
    loop_timer_set(stream->scan, clock_boot_ms() + LOGS_SCAN_MS);
  log_stream_emit(stream, false);
}

void logs_take(Logs *logs, const Deployment *deployment, int lines, LogsTaken taken, void *data)
{
  LogStream *stream = g_new0(LogStream, 1);
  *stream = (LogStream){.logs = logs,
                        .taken = taken,
                        .data = data,
                        .texts = {g_string_new(NULL), g_string_new(NULL)},
                        .deployment = g_strdup(deployment->id),
                        .tail = lines,
                        .sources = g_ptr_array_new_with_free_func((GDestroyNotify)log_source_free)};
  stream->settle = loop_timer_new(logs->server->loop, log_stream_settled, stream);
  stream->scan = loop_timer_new(logs->server->loop, log_stream_late, stream);
  loop_timer_set(stream->scan, clock_boot_ms() + LOGS_TAKEN_MS);
  g_ptr_array_add(logs->streams, stream);
  log_stream_scan(stream);
  if (logs->streams->len <= LOGS_STREAMS_MAX && !logs->server->leaving)
    log_stream_read(stream);
  log_stream_emit(stream, false);
}
