/* The agent's output as records in rotating files: "TIME STREAM F|P TEXT\n". Draining never stops:
 * what cannot be written is counted and said later, so that no agent ever blocks on us. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  LOG_READ = 65536,
  LOG_LINE_MAX = 8192,
  LOG_HEAD = 48,
  LOG_OUT = 2 * LOG_READ,
  LOG_QUIET_MS = 1000
};

static struct {
  int fd;
  void (*rotated)(void);
  long size, max;
  int files;
  unsigned long long dropped; /* bytes that could not be written since the last that could */
  int dropped_errno;
  size_t out_length;
  size_t line_length[LOG_STREAMS];
  int64_t line_at_ms[LOG_STREAMS]; /* when it began, on the boot clock */
  bool open[LOG_STREAMS];          /* the last record of the stream was a part of a line */
  unsigned long long marked;       /* bytes written since log_mark */
  char head[LOG_HEAD];             /* time of this batch */
  size_t head_length;
  time_t second;
  char line[LOG_STREAMS][LOG_LINE_MAX]; /* an unfinished line of each stream */
  char in[LOG_READ]; /* the long ones last: pages that nobody touches cost nothing */
  char out[LOG_OUT];
} log_state;

/* At the first record, so that an agent that says nothing has no log; goes on where an earlier shim
 * stopped. */
static void log_begin(void)
{
  struct stat st;
  log_state.fd = openat(SHIM_DIR_FD, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log_state.fd >= 0 && fstat(log_state.fd, &st) == 0)
    log_state.size = st.st_size;
}

static void log_rotate(void)
{
  char from[24], to[24];
  close(log_state.fd);
  /* not by the last rename: ext4 writes out what is renamed over another file, although it goes
   * soon as well */
  if (log_state.files > 1) {
    snprintf(to, sizeof to, "log.%d", log_state.files - 1);
    unlinkat(SHIM_DIR_FD, to, 0);
  }
  for (int i = log_state.files - 1; i > 0; i--) {
    snprintf(from, sizeof from, i > 1 ? "log.%d" : "log", i - 1);
    snprintf(to, sizeof to, "log.%d", i);
    renameat(SHIM_DIR_FD, from, SHIM_DIR_FD, to);
  }
  log_begin();
  /* also when nothing could be moved or opened: the next turn comes after as much again */
  log_state.size = 0;
  log_state.rotated();
}

/* Takes the beginning of a record off the end of the file, where the disk took no more of it.
 * @written: what it took of some records. Returns the bytes taken off. */
static size_t log_untear(const char *written, size_t length)
{
  const char *whole = length ? memrchr(written, '\n', length) : NULL;
  size_t torn = whole ? (size_t)(written + length - whole) - 1 : length;
  off_t end = torn ? lseek(log_state.fd, 0, SEEK_END) : -1;
  if (end < (off_t)torn || ftruncate(log_state.fd, end - (off_t)torn) != 0)
    return 0;
  log_state.size -= (long)torn;
  log_state.marked -= torn;
  return torn;
}

/* Writes all of @text, which is whole records, or counts what it cannot as dropped. */
static void log_put(const char *text, size_t length)
{
  const char *first = text;
  if (log_state.fd < 0)
    log_begin();
  while (length > 0) {
    ssize_t n = log_state.fd < 0 ? -1 : write(log_state.fd, text, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      log_state.dropped_errno = errno;
      log_state.dropped +=
          length + (log_state.fd < 0 ? 0 : log_untear(first, (size_t)(text - first)));
      return;
    }
    text += n;
    length -= (size_t)n;
    log_state.size += n;
    log_state.marked += (unsigned long long)n;
  }
}

static void log_say_dropped(void)
{
  if (!log_state.dropped)
    return;
  unsigned long long before = log_state.dropped;
  char text[200];
  int n = snprintf(text, sizeof text, "%.*s reeve F %llu bytes of output were dropped: %s\n",
                   (int)log_state.head_length, log_state.head, before,
                   strerror(log_state.dropped_errno));
  log_state.dropped = 0;
  log_put(text, (size_t)n);
  if (log_state.dropped)
    log_state.dropped = before; /* still no room */
}

static void log_flush(void)
{
  if (!log_state.out_length)
    return;
  shim_crash_point("log write");
  log_say_dropped();
  log_put(log_state.out, log_state.out_length);
  log_state.out_length = 0;
  if (log_state.size >= log_state.max)
    log_rotate();
}

/* One time for all lines of a batch: they came together. */
static void log_stamp(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec != log_state.second) {
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    snprintf(log_state.head, sizeof log_state.head, "%04d-%02d-%02dT%02d:%02d:%02d",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    log_state.second = now.tv_sec;
  }
  snprintf(log_state.head + 19, sizeof log_state.head - 19, ".%03dZ", (int)(now.tv_nsec / 1000000));
  log_state.head_length = 24;
}

static void log_record(int stream, bool full, const char *text, size_t length)
{
  static const char *const tags[LOG_STREAMS][2] = {{" stdout P ", " stdout F "},
                                                   {" stderr P ", " stderr F "}};
  if (log_state.out_length + length + LOG_HEAD > LOG_OUT)
    log_flush();
  char *p = log_state.out + log_state.out_length;
  memcpy(p, log_state.head, log_state.head_length);
  p += log_state.head_length;
  memcpy(p, tags[stream][full], 10);
  p += 10;
  memcpy(p, text, length);
  p += length;
  *p++ = '\n';
  log_state.out_length = (size_t)(p - log_state.out);
  log_state.open[stream] = !full;
}

static int64_t log_boot_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Length of @text without a UTF-8 character at its end whose last bytes are still to come; all of
 * it when it is nothing else. */
static size_t log_whole_characters(const char *text, size_t length)
{
  size_t at = length;
  while (at > 0 && length - at < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
    at--;
  if (at == 0)
    return length;
  unsigned char lead = (unsigned char)text[at - 1];
  size_t wanted = lead >= 0xf0   ? 4
                  : lead >= 0xe0 ? 3
                  : lead >= 0xc0 ? 2
                                 : 1,
         there = length - at + 1;
  return at > 1 && there < wanted ? at - 1 : length;
}

/* Writes what there is of the unfinished line of @stream as a part. A character that is cut stays,
 * and begins the next part: each record is read by itself, and half a character could not be told
 * from a broken one. */
static void log_part(int stream)
{
  char *line = log_state.line[stream];
  size_t have = log_state.line_length[stream], part = log_whole_characters(line, have);
  log_record(stream, false, line, part);
  memmove(line, line + part, have - part);
  log_state.line_length[stream] = have - part;
  log_state.line_at_ms[stream] = log_boot_ms();
}

/* @text continues the unfinished line of @stream, which may become a record. */
static void log_piece(int stream, const char *text, size_t length, bool ends)
{
  size_t *have = &log_state.line_length[stream];
  while (*have + length > LOG_LINE_MAX) {
    size_t part = LOG_LINE_MAX - *have;
    memcpy(log_state.line[stream] + *have, text, part);
    *have = LOG_LINE_MAX;
    log_part(stream);
    text += part;
    length -= part;
  }
  if (ends && *have == 0) {
    log_record(stream, true, text, length); /* the usual case: nothing to join */
    return;
  }
  if (*have == 0)
    log_state.line_at_ms[stream] = log_boot_ms();
  memcpy(log_state.line[stream] + *have, text, length);
  *have += length;
  if (!ends)
    return;
  log_record(stream, true, log_state.line[stream], *have);
  *have = 0;
}

bool log_drain(int stream, int fd)
{
  for (int round = 0; round < 16; round++) {
    ssize_t n = read(fd, log_state.in, sizeof log_state.in);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    log_stamp();
    const char *p = log_state.in, *end = p + n;
    while (p < end) {
      const char *newline = memchr(p, '\n', (size_t)(end - p));
      log_piece(stream, p, (size_t)((newline ? newline : end) - p), newline != NULL);
      p = newline ? newline + 1 : end;
    }
    log_flush();
    if (n < (ssize_t)sizeof log_state.in)
      return true; /* the pipe is empty, or will wake us again */
  }
  return true;
}

void log_finish(int stream)
{
  if (!log_state.line_length[stream])
    return;
  log_stamp();
  log_record(stream, false, log_state.line[stream], log_state.line_length[stream]);
  log_state.line_length[stream] = 0;
  log_flush();
}

static bool log_unfinished(void)
{
  return log_state.line_length[LOG_STDOUT] || log_state.line_length[LOG_STDERR];
}

int log_quiet_ms(void)
{
  if (!log_unfinished())
    return -1;
  int64_t first = INT64_MAX, now = log_boot_ms();
  for (int stream = 0; stream < LOG_STREAMS; stream++)
    if (log_state.line_length[stream] && log_state.line_at_ms[stream] + LOG_QUIET_MS < first)
      first = log_state.line_at_ms[stream] + LOG_QUIET_MS;
  return first > now ? (int)(first - now) : 0;
}

void log_quiet(void)
{
  if (!log_unfinished())
    return;
  int64_t now = log_boot_ms();
  for (int stream = 0; stream < LOG_STREAMS; stream++)
    if (log_state.line_length[stream] && log_state.line_at_ms[stream] + LOG_QUIET_MS <= now) {
      log_stamp();
      log_part(stream);
      log_flush();
    }
}

void log_mark(void)
{
  log_stamp();
  for (int stream = 0; stream < LOG_STREAMS; stream++)
    if (log_state.open[stream])
      log_record(stream, true, "", 0);
  log_flush();
  log_state.marked = 0;
}

unsigned long long log_marked(void)
{
  return log_state.marked;
}

void log_open(const ShimSpec *spec, void (*rotated)(void))
{
  log_state.rotated = rotated;
  log_state.max = spec->log_bytes;
  log_state.files = (int)spec->log_files;
  log_state.fd = -1;
}
