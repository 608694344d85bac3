/* Log requests of the server: what an instance has written, from the right place on, in bulk frames
 * by credit, followed when asked. */
#include "node/logs.h"

#include "base/clock.h"
#include "base/time.h"

#include <string.h>

enum {
  LOGS_BLOCK = 65536,
  /* bytes looked through in one turn of the loop; what else is to be done comes between */
  LOGS_TURN = 4 * LOGS_BLOCK,
  LOGS_REQUESTS_MAX = 512
};

/* One open request. */
typedef struct LogRead {
  NodeLogs *logs;
  int64_t request;
  Driver *driver;
  DriverLog *log;             /* NULL = there is nothing to read */
  char since[ISO_TIME_BYTES]; /* "" = from the beginning */
  bool follow;
  int64_t credit;
  GString *carry;  /* the beginning of a line whose end was not read yet */
  bool dropping;   /* still before @since */
  LoopTimer *more; /* goes on in another turn of the loop */
} LogRead;

struct NodeLogs {
  Node *node;
  GHashTable *reads; /* request -> LogRead*; owned */
};

static void log_read_free(gpointer data)
{
  LogRead *read = data;
  read->driver->ops->log_free(read->log);
  loop_timer_free(read->more);
  g_string_free(read->carry, TRUE);
  g_free(read);
}

/* ---- sending ---- */

static void log_read_end(LogRead *read, const char *error)
{
  g_autoptr(Frame) end = frame_new(FRAME_LOG_END);
  end->request = read->request;
  end->error = g_strdup(error);
  Node *node = read->logs->node;
  g_hash_table_remove(read->logs->reads, &read->request);
  node_send_frame(node, end);
}

static void log_read_send(LogRead *read, const char *text, size_t length)
{
  g_autoptr(Frame) frame = frame_new(FRAME_LOG_DATA);
  frame->request = read->request;
  frame->data = g_strndup(text, length); /* cut at a NUL: JSON has no place for it */
  read->credit--;
  node_send_frame(read->logs->node, frame);
}

/* Whole lines at the start of what was carried, at most one bulk frame of them; 0 = none whole. A
 * line longer than a frame goes as it is.
 */
static size_t log_read_lines(const LogRead *read)
{
  size_t limit = MIN(read->carry->len, BULK_BYTES_MAX);
  const char *last = limit ? memrchr(read->carry->str, '\n', limit) : NULL;
  if (last)
    return (size_t)(last - read->carry->str) + 1;
  return read->carry->len >= BULK_BYTES_MAX ? limit : 0;
}

/* Drops lines older than @since from the front of what was carried. */
static void log_read_skip(LogRead *read)
{
  const char *line = read->carry->str, *newline = strchr(line, '\n');
  for (; read->dropping && newline; newline = strchr(line, '\n')) {
    if (strncmp(line, read->since, ISO_TIME_BYTES - 1) >= 0)
      read->dropping = false;
    else
      line = newline + 1;
  }
  g_string_erase(read->carry, 0, line - read->carry->str);
}

/* NUL bytes of an agent's output would end our texts: they become a visible mark. */
static void log_read_take(LogRead *read, const char *block, size_t length)
{
  size_t from = read->carry->len;
  g_string_append_len(read->carry, block, (gssize)length);
  for (size_t i = from; i < read->carry->len; i++)
    if (read->carry->str[i] == '\0')
      read->carry->str[i] = '?';
}

/* Sends what it may, and goes on in another turn of the loop when that takes long. The request may
 * be over (and freed) then. */
static void log_read_pump(LogRead *read)
{
  size_t taken = 0;
  while (read->credit > 0) {
    size_t whole = read->dropping ? 0 : log_read_lines(read);
    if (whole) {
      log_read_send(read, read->carry->str, whole);
      g_string_erase(read->carry, 0, (gssize)whole);
      continue;
    }
    if (taken >= LOGS_TURN) {
      loop_timer_set(read->more, clock_boot_ms() + 1);
      return;
    }
    char block[LOGS_BLOCK];
    size_t n = read->log ? read->driver->ops->log_read(read->log, block, sizeof block) : 0;
    if (n > 0) {
      taken += n;
      log_read_take(read, block, n);
      log_read_skip(read);
      continue;
    }
    if (!read->follow)
      log_read_end(read, NULL);
    return;
  }
}

static void log_read_more(void *read)
{
  log_read_pump(read);
}

/* ---- frames ---- */

static void node_logs_open(NodeLogs *logs, const Frame *frame)
{
  LogRead *read = g_new0(LogRead, 1);
  *read = (LogRead){.logs = logs,
                    .request = frame->request,
                    .follow = frame->follow,
                    .driver = driver_of(logs->node, NULL),
                    .credit = CLAMP(frame->credit, 0, INT32_MAX)};
  read->carry = g_string_new(NULL);
  read->more = loop_timer_new(logs->node->loop, log_read_more, read);
  if (frame->since_ms > 0)
    time_iso(frame->since_ms, read->since);
  read->dropping = frame->since_ms > 0;
  g_hash_table_replace(logs->reads, &read->request, read);
  if (!frame->instance || strchr(frame->instance, '/') ||
      g_hash_table_size(logs->reads) > LOGS_REQUESTS_MAX) {
    log_read_end(read, "no such instance, or too many log requests");
    return;
  }
  DriverLogFrom from = {.lines = frame->tail, .follow = read->follow};
  read->log =
      read->driver->ops->log_open(read->driver, frame->instance, &from, log_read_more, read);
  log_read_pump(read);
}

void node_logs_frame(NodeLogs *logs, const Frame *frame)
{
  if (frame->type == FRAME_LOG_READ) {
    node_logs_open(logs, frame);
    return;
  }
  LogRead *read = g_hash_table_lookup(logs->reads, &frame->request);
  if (!read)
    return;
  if (frame->type == FRAME_LOG_CANCEL) {
    g_hash_table_remove(logs->reads, &frame->request);
    return;
  }
  read->credit += CLAMP(frame->credit, 0, INT32_MAX);
  log_read_pump(read);
}

void node_logs_link_down(NodeLogs *logs)
{
  g_hash_table_remove_all(logs->reads);
}

NodeLogs *node_logs_new(Node *node)
{
  NodeLogs *logs = g_new0(NodeLogs, 1);
  logs->node = node;
  logs->reads = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, log_read_free);
  return logs;
}

void node_logs_free(NodeLogs *logs)
{
  if (!logs)
    return;
  g_hash_table_unref(logs->reads);
  g_free(logs);
}
