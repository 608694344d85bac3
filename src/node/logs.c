/* Log requests of the server: an instance's rotating files from the right place on, in bulk frames
 * by credit, followed when asked. */
#include "base/clock.h"
#include "base/log.h"
#include "base/time.h"
#include "node/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  LOGS_FILES = 5,
  LOGS_BLOCK = 65536,
  /* bytes looked through in one turn of the loop; what else is to be done comes between */
  LOGS_TURN = 4 * LOGS_BLOCK,
  LOGS_HEAD = 40,
  LOGS_STREAM_LETTER = 3, /* in which stdout, stderr and reeve differ */
  LOGS_REQUESTS_MAX = 512
};

/* One open request. @index counts from the oldest: files are log.4 ... log.1, log. */
typedef struct LogRead {
  NodeLogs *logs;
  int64_t request;
  char *directory;
  char since[ISO_TIME_BYTES]; /* "" = from the beginning */
  bool follow;
  int64_t credit;
  int fd;
  ino_t inode;
  int watch;       /* inotify, -1 = none */
  GString *carry;  /* the beginning of a line whose end was not read yet */
  bool dropping;   /* still before @since */
  LoopTimer *more; /* goes on in another turn of the loop */
} LogRead;

struct NodeLogs {
  Node *node;
  GHashTable *reads; /* request -> LogRead*; owned */
  int inotify;
  LoopWatch *watch;
};

static void log_read_free(gpointer data)
{
  LogRead *read = data;
  if (read->fd >= 0)
    close(read->fd);
  if (read->watch >= 0)
    inotify_rm_watch(read->logs->inotify, read->watch);
  loop_timer_free(read->more);
  g_string_free(read->carry, TRUE);
  g_free(read->directory);
  g_free(read);
}

static int log_open(const char *directory, int age)
{
  char name[16];
  g_snprintf(name, sizeof name, age ? "log.%d" : "log", age);
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return open(path, O_RDONLY | O_CLOEXEC);
}

static void log_read_set(LogRead *read, int fd)
{
  struct stat st;
  if (read->fd >= 0)
    close(read->fd);
  read->fd = fd;
  read->inode = fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* The file after the one being read, by its inode, since files move under us while we read. False
 * when there is none newer. */
static bool log_read_next(LogRead *read)
{
  for (int age = LOGS_FILES - 1; age >= 0; age--) {
    int fd = log_open(read->directory, age);
    struct stat st;
    bool same = fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == read->inode;
    if (fd >= 0)
      close(fd);
    if (!same)
      continue;
    int newer = -1;
    for (int next = age - 1; next >= 0 && newer < 0; next--)
      newer = log_open(read->directory, next);
    if (newer >= 0) /* absent: it is the newest, or a rotation is under way and will be heard of */
      log_read_set(read, newer);
    return newer >= 0;
  }
  /* ours was rotated away: the oldest there is */
  log_read_set(read, log_open(read->directory, LOGS_FILES - 1));
  for (int age = LOGS_FILES - 2; read->fd < 0 && age >= 0; age--)
    log_read_set(read, log_open(read->directory, age));
  return read->fd >= 0;
}

/* ---- where to begin ---- */

/* How far back the last lines of an instance begin: a line is a record that ends it and the parts
 * right before it, of the same stream. */
typedef struct LogTail {
  int64_t wanted; /* lines that are still to be found */
  char stream;    /* LOGS_STREAM_LETTER of the record behind, 0 = there is none */
  bool found;     /* the record before the one asked for was seen */
} LogTail;

/* The record that begins at @head, "TIME STREAM F|P TEXT", is the next one towards the front. True
 * when it belongs to a line too many. */
static bool log_tail_record(LogTail *tail, const char *head, size_t length)
{
  size_t at = ISO_TIME_BYTES + LOGS_STREAM_LETTER;
  const char *space = at < length ? memchr(head + at, ' ', length - at) : NULL;
  char stream = space ? head[at] : '?';
  bool part = space && space + 1 < head + length && space[1] == 'P';
  if (!part || stream != tail->stream)
    tail->found = tail->wanted-- <= 0;
  tail->stream = stream;
  return tail->found;
}

/* Offset in @fd of the first line that @tail wants; 0 when earlier files have more of them. */
static off_t log_back(int fd, LogTail *tail)
{
  char block[LOGS_BLOCK + LOGS_HEAD]; /* of each record that begins in the block we see the head */
  off_t end = lseek(fd, 0, SEEK_END), at = end, begin = end; /* @begin: of the record behind */
  while (at > 0) {
    off_t from = MAX(at - LOGS_BLOCK, 0);
    ssize_t n = pread(fd, block, (size_t)MIN(end - from, at - from + LOGS_HEAD), from);
    for (ssize_t i = MIN(n, at - from) - 1; i >= -1; i--) {
      if (i >= 0 ? block[i] != '\n' || from + i + 1 >= end : from > 0)
        continue; /* no record begins behind this byte */
      if (log_tail_record(tail, block + i + 1, (size_t)(n - i - 1)))
        return begin;
      begin = from + i + 1;
    }
    at = from;
  }
  return 0;
}

static void log_read_seek(LogRead *read, int64_t lines)
{
  if (lines == 0) {
    log_read_set(read, log_open(read->directory, 0));
    if (read->fd >= 0)
      lseek(read->fd, 0, SEEK_END);
    return;
  }
  LogTail tail = {.wanted = lines};
  for (int age = lines > 0 ? 0 : LOGS_FILES - 1;
       age >= 0 && age<LOGS_FILES; age += lines> 0 ? 1 : -1) {
    int fd = log_open(read->directory, age);
    if (fd < 0)
      continue;
    off_t offset = lines > 0 ? log_back(fd, &tail) : 0;
    lseek(fd, offset, SEEK_SET);
    log_read_set(read, fd);
    if (lines < 0 || tail.found)
      return;
  }
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
    ssize_t n =
        read->fd >= 0 ? pread(read->fd, block, sizeof block, lseek(read->fd, 0, SEEK_CUR)) : 0;
    if (n > 0) {
      lseek(read->fd, n, SEEK_CUR);
      taken += (size_t)n;
      log_read_take(read, block, (size_t)n);
      log_read_skip(read);
      continue;
    }
    if (log_read_next(read))
      continue;
    if (!read->follow)
      log_read_end(read, NULL);
    return;
  }
}

static void log_read_more(void *read)
{
  log_read_pump(read);
}

static void node_logs_on_change(void *data)
{
  NodeLogs *logs = data;
  char events[4096] __attribute__((aligned(8)));
  g_autoptr(GHashTable) changed = g_hash_table_new(NULL, NULL);
  for (ssize_t n = read(logs->inotify, events, sizeof events); n > 0;
       n = read(logs->inotify, events, sizeof events))
    for (char *p = events; p < events + n;
         p += sizeof(struct inotify_event) + ((struct inotify_event *)(void *)p)->len)
      g_hash_table_add(changed, GINT_TO_POINTER(((struct inotify_event *)(void *)p)->wd));
  g_autoptr(GList) all = g_hash_table_get_values(logs->reads);
  for (GList *at = all; at; at = at->next) {
    LogRead *one = at->data;
    if (g_hash_table_contains(changed, GINT_TO_POINTER(one->watch)))
      log_read_pump(one);
  }
}

/* ---- frames ---- */

static void node_logs_open(NodeLogs *logs, const Frame *frame)
{
  LogRead *read = g_new0(LogRead, 1);
  *read = (LogRead){.logs = logs,
                    .request = frame->request,
                    .follow = frame->follow,
                    .credit = CLAMP(frame->credit, 0, INT32_MAX),
                    .fd = -1,
                    .watch = -1};
  read->carry = g_string_new(NULL);
  read->more = loop_timer_new(logs->node->loop, log_read_more, read);
  read->directory =
      g_build_filename(logs->node->instances_dir, frame->instance ? frame->instance : "", NULL);
  if (frame->since_ms > 0)
    time_iso(frame->since_ms, read->since);
  read->dropping = frame->since_ms > 0;
  g_hash_table_replace(logs->reads, &read->request, read);
  if (!frame->instance || strchr(frame->instance, '/') ||
      g_hash_table_size(logs->reads) > LOGS_REQUESTS_MAX) {
    log_read_end(read, "no such instance, or too many log requests");
    return;
  }
  if (read->follow)
    read->watch = inotify_add_watch(logs->inotify, read->directory,
                                    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MASK_ADD);
  log_read_seek(read, frame->tail);
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
  logs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (logs->inotify >= 0)
    logs->watch = loop_watch_new(node->loop, logs->inotify, node_logs_on_change, logs);
  return logs;
}

void node_logs_free(NodeLogs *logs)
{
  if (!logs)
    return;
  g_hash_table_unref(logs->reads);
  loop_watch_free(logs->watch);
  if (logs->inotify >= 0)
    close(logs->inotify);
  g_free(logs);
}
