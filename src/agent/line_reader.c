/* Owns the cutting of bytes into lines; a line that lies whole in what came is not copied. */
#include "agent/line_reader.h"

#include <string.h>

void line_reader_init(LineReader *reader, size_t bytes_max, bool cr_ends)
{
  *reader = (LineReader){.part = g_string_new(NULL), .bytes_max = bytes_max, .cr_ends = cr_ends};
}

void line_reader_done(LineReader *reader)
{
  if (reader->part)
    g_string_free(reader->part, TRUE);
  reader->part = NULL;
}

/* Length of the line that begins at @bytes; @length when it does not end here. */
static size_t line_length(const LineReader *reader, const char *bytes, size_t length)
{
  const char *end = memchr(bytes, '\n', length);
  size_t n = end ? (size_t)(end - bytes) : length;
  const char *cr = reader->cr_ends ? memchr(bytes, '\r', n) : NULL;
  return cr ? (size_t)(cr - bytes) : n;
}

static bool line_give(LineReader *reader, const char *line, size_t length, LineFn fn, void *data)
{
  if (!reader->part->len)
    return fn(line, length - (length && line[length - 1] == '\r'), data);
  g_string_append_len(reader->part, line, (gssize)length);
  size_t n = reader->part->len - (reader->part->str[reader->part->len - 1] == '\r');
  bool more = fn(reader->part->str, n, data);
  g_string_truncate(reader->part, 0);
  return more;
}

LinesState line_reader_feed(LineReader *reader, const char *bytes, size_t length, LineFn fn,
                            void *data)
{
  size_t at = 0;
  while (at < length) {
    if (reader->after_cr && bytes[at] == '\n') {
      reader->after_cr = false;
      at++;
      continue;
    }
    reader->after_cr = false;
    size_t n = line_length(reader, bytes + at, length - at);
    if (reader->part->len + n > reader->bytes_max)
      return LINES_TOO_LONG;
    if (at + n == length) {
      g_string_append_len(reader->part, bytes + at, (gssize)n);
      return LINES_MORE;
    }
    reader->after_cr = bytes[at + n] == '\r';
    if (!line_give(reader, bytes + at, n, fn, data))
      return LINES_STOPPED;
    at += n + 1;
  }
  return LINES_MORE;
}

LinesState line_reader_end(LineReader *reader, LineFn fn, void *data)
{
  return !reader->part->len || line_give(reader, "", 0, fn, data) ? LINES_MORE : LINES_STOPPED;
}
