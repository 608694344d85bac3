#pragma once
/* How a difference speaks to people: names of keys as in the job file, values in its units, texts
 * line by line. */
#include "base/json.h"

/* The name of @key (a path in the resolved job, "health.interval_ms") in the job file:
 * "health.interval". Caller frees. */
char *diff_words_key(const char *key);
/* @value of @key as people write it ("5 s", "batch", "512 MiB"), or NULL when it stands for itself.
 * Caller frees. */
char *diff_words_value(const char *key, const json_t *value);
/* The unified difference of two texts by lines, three of them around each change; "" when they are
 * equal. Caller frees. */
char *diff_words_text(const char *before, const char *after);
