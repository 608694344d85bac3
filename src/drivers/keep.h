#pragma once
/* How much of the logs is kept. */
#include "drivers/process_state.h"

/* Looks soon whether logs must go, and then every hour. */
Keep *keep_new(ProcessDriver *driver);
/* NULL is fine; a sweep that is under way goes on by itself. */
void keep_free(Keep *keep);
/* Logs have grown: looks within seconds. */
void keep_soon(Keep *keep);

typedef struct KeepLimits {
  int64_t cap_bytes; /* of all log files of the node */
  int64_t gone_ms;   /* logs of an instance that nobody wrote for so long go */
  int64_t now_ms;    /* wall */
} KeepLimits;
/* Is somebody writing the log of @id? */
typedef bool (*KeepWrittenFn)(const char *id, void *data);
/* Removes what is too old and then, oldest first, what is too much; never a file that is being
 * written. Returns the bytes removed. */
int64_t keep_sweep(const char *instances_dir, KeepWrittenFn written, void *data,
                   const KeepLimits *limits);
