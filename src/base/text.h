#pragma once
/* Small text helpers that GLib lacks. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* A printable copy of foreign @text for messages and logs: control characters and invalid UTF-8 become \xHH, cut after @max bytes with
 * "...". Caller frees. */
char *text_escape(const char *text, size_t max);
/* True when @text is 1..64 characters [A-Za-z0-9._-] starting with a letter or digit: names of jobs, agents, nodes. */
bool text_is_name(const char *text);
