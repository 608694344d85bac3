/* The log files of an instance, log.4 ... log.1, log, read from the right place on while they move
 * under us; see log_read.h. */
#include "drivers/log_read.h"

#include "base/time.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  LOGS_FILES = 5,
  LOGS_BLOCK = 65536,
  LOGS_HEAD = 40,
  LOGS_STREAM_LETTER = 3 /* in which stdout, stderr and reeve differ */
};

struct DriverLog {
  LogReads *reads;
  char *directory;
  int fd;
  ino_t inode;
  int watch; /* inotify, -1 = none */
  void (*grown)(void *data);
  void *data;
};

struct LogReads {
  GPtrArray *all; /* of DriverLog* */
  int inotify;
  LoopWatch *watch;
};

static int log_open(const char *directory, int age)
{
  char name[16];
  g_snprintf(name, sizeof name, age ? "log.%d" : "log", age);
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return open(path, O_RDONLY | O_CLOEXEC);
}

static void log_read_set(DriverLog *read, int fd)
{
  struct stat st;
  if (read->fd >= 0)
    close(read->fd);
  read->fd = fd;
  read->inode = fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* The file after the one being read, by its inode, since files move under us while we read. False
 * when there is none newer. */
static bool log_read_next(DriverLog *read)
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

static void log_read_seek(DriverLog *read, int64_t lines)
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

/* ---- reading ---- */

size_t log_read_block(DriverLog *log, char *block, size_t size)
{
  do {
    ssize_t n = log->fd >= 0 ? pread(log->fd, block, size, lseek(log->fd, 0, SEEK_CUR)) : 0;
    if (n > 0) {
      lseek(log->fd, n, SEEK_CUR);
      return (size_t)n;
    }
  } while (log_read_next(log));
  return 0;
}

/* What is told may free the log that is told, and others. */
static void log_reads_on_change(void *data)
{
  LogReads *reads = data;
  char events[4096] __attribute__((aligned(8)));
  g_autoptr(GHashTable) changed = g_hash_table_new(NULL, NULL);
  for (ssize_t n = read(reads->inotify, events, sizeof events); n > 0;
       n = read(reads->inotify, events, sizeof events))
    for (char *p = events; p < events + n;
         p += sizeof(struct inotify_event) + ((struct inotify_event *)(void *)p)->len)
      g_hash_table_add(changed, GINT_TO_POINTER(((struct inotify_event *)(void *)p)->wd));
  g_autoptr(GPtrArray) told = g_ptr_array_copy(reads->all, NULL, NULL);
  for (guint i = 0; i < told->len; i++) {
    DriverLog *log = told->pdata[i];
    if (g_ptr_array_find(reads->all, log, NULL) && log->watch >= 0 &&
        g_hash_table_contains(changed, GINT_TO_POINTER(log->watch)))
      log->grown(log->data);
  }
}

/* ---- life ---- */

DriverLog *log_reads_open(LogReads *reads, const char *directory, const DriverLogFrom *from,
                          void (*grown)(void *data), void *data)
{
  DriverLog *log = g_new0(DriverLog, 1);
  *log = (DriverLog){.reads = reads,
                     .directory = g_strdup(directory),
                     .fd = -1,
                     .watch = -1,
                     .grown = grown,
                     .data = data};
  if (from->follow)
    log->watch = inotify_add_watch(reads->inotify, directory,
                                   IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MASK_ADD);
  log_read_seek(log, from->lines);
  g_ptr_array_add(reads->all, log);
  return log;
}

/* Who follows the same directory has the same watch. */
static bool log_watch_is_shared(const LogReads *reads, int watch)
{
  for (guint i = 0; i < reads->all->len; i++)
    if (((const DriverLog *)reads->all->pdata[i])->watch == watch)
      return true;
  return false;
}

void log_read_free(DriverLog *log)
{
  if (!log)
    return;
  g_ptr_array_remove_fast(log->reads->all, log);
  if (log->watch >= 0 && !log_watch_is_shared(log->reads, log->watch))
    inotify_rm_watch(log->reads->inotify, log->watch);
  if (log->fd >= 0)
    close(log->fd);
  g_free(log->directory);
  g_free(log);
}

LogReads *log_reads_new(Loop *loop)
{
  LogReads *reads = g_new0(LogReads, 1);
  reads->all = g_ptr_array_new();
  reads->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (reads->inotify >= 0)
    reads->watch = loop_watch_new(loop, reads->inotify, log_reads_on_change, reads);
  return reads;
}

void log_reads_free(LogReads *reads)
{
  if (!reads)
    return;
  g_assert(reads->all->len == 0);
  g_ptr_array_unref(reads->all);
  loop_watch_free(reads->watch);
  if (reads->inotify >= 0)
    close(reads->inotify);
  g_free(reads);
}
