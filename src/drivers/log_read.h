#pragma once
/* The rotating log files of an instance as one stream of bytes, which may go on growing. */
#include "drivers/driver.h"
#include "net/loop.h"

typedef struct LogReads LogReads;

/* Takes an inotify instance for those that follow. */
LogReads *log_reads_new(Loop *loop);
/* Each log must be freed before. NULL is fine. */
void log_reads_free(LogReads *reads);
/* As DriverOps.log_open, of the files in @directory; never NULL. */
DriverLog *log_reads_open(LogReads *reads, const char *directory, const DriverLogFrom *from,
                          void (*grown)(void *data), void *data);
/* The slots `log_read` and `log_free`. */
size_t log_read_block(DriverLog *log, char *block, size_t size);
void log_read_free(DriverLog *log);
