/* Owns the reading of server-sent events. */
#include "agent/sse.h"

#include <string.h>

typedef struct SseFeed {
  SseReader *reader;
  SseFn fn;
  void *user;
} SseFeed;

void sse_reader_init(SseReader *reader, size_t bytes_max)
{
  *reader = (SseReader){.event = g_string_new(NULL),
                        .data = g_string_new(NULL),
                        .id = g_string_new(NULL),
                        .retry_ms = -1,
                        .bytes_max = bytes_max};
  line_reader_init(&reader->lines, bytes_max, true);
}

void sse_reader_done(SseReader *reader)
{
  if (!reader->event)
    return;
  line_reader_done(&reader->lines);
  g_string_free(reader->event, TRUE);
  g_string_free(reader->data, TRUE);
  g_string_free(reader->id, TRUE);
  *reader = (SseReader){0};
}

/* An event without data is none. */
static bool sse_dispatch(SseFeed *feed)
{
  SseReader *reader = feed->reader;
  bool more = true;
  if (reader->has_data)
    more = feed->fn(reader->event->len ? reader->event->str : "message", reader->data->str,
                    reader->data->len, feed->user);
  g_string_truncate(reader->event, 0);
  g_string_truncate(reader->data, 0);
  reader->has_data = false;
  return more;
}

static bool sse_add_data(SseReader *reader, const char *value, size_t length)
{
  if (reader->data->len + length + 1 > reader->bytes_max) {
    reader->too_long = true;
    return false;
  }
  if (reader->has_data)
    g_string_append_c(reader->data, '\n');
  g_string_append_len(reader->data, value, (gssize)length);
  reader->has_data = true;
  return true;
}

/* Digits only; anything else is ignored. */
static void sse_take_retry(SseReader *reader, const char *value, size_t length)
{
  g_autofree char *text = g_strndup(value, length);
  guint64 ms = 0;
  if (strlen(text) == length && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &ms, NULL))
    reader->retry_ms = (int64_t)ms;
}

static bool sse_on_line(const char *line, size_t length, void *data)
{
  SseFeed *feed = data;
  SseReader *reader = feed->reader;
  if (!reader->began && length >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
    line += 3;
    length -= 3;
  }
  reader->began = true;
  if (length == 0)
    return sse_dispatch(feed);
  const char *colon = memchr(line, ':', length);
  size_t name = colon ? (size_t)(colon - line) : length, value = colon ? name + 1 : length;
  if (value < length && line[value] == ' ')
    value++;
  if (name == 4 && memcmp(line, "data", 4) == 0)
    return sse_add_data(reader, line + value, length - value);
  if (name == 5 && memcmp(line, "event", 5) == 0)
    g_string_append_len(g_string_truncate(reader->event, 0), line + value,
                        (gssize)(length - value));
  if (name == 2 && memcmp(line, "id", 2) == 0 && !memchr(line + value, 0, length - value))
    g_string_append_len(g_string_truncate(reader->id, 0), line + value, (gssize)(length - value));
  if (name == 5 && memcmp(line, "retry", 5) == 0)
    sse_take_retry(reader, line + value, length - value);
  return true; /* comments and what is not known */
}

static LinesState sse_state(const SseReader *reader, LinesState state)
{
  return state == LINES_STOPPED && reader->too_long ? LINES_TOO_LONG : state;
}

LinesState sse_reader_feed(SseReader *reader, const char *bytes, size_t length, SseFn fn,
                           void *user)
{
  SseFeed feed = {reader, fn, user};
  return sse_state(reader, line_reader_feed(&reader->lines, bytes, length, sse_on_line, &feed));
}

LinesState sse_reader_end(SseReader *reader, SseFn fn, void *user)
{
  SseFeed feed = {reader, fn, user};
  LinesState state = line_reader_end(&reader->lines, sse_on_line, &feed);
  if (state == LINES_MORE && !sse_dispatch(&feed))
    state = LINES_STOPPED;
  return sse_state(reader, state);
}
