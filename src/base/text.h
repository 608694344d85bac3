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
/* @text behind a UTF-8 byte order mark, if it begins with one; borrowed. */
const char *text_behind_bom(const char *text);
/* What a file of one value holds: @text (@length bytes, a NUL behind them) loses in place a byte order mark at its begin and one line end,
 * LF or CRLF, at its end. Returns the length that is left. */
size_t text_take_value(char *text, size_t length);
/* Seconds of "5", "1.5s", "500ms", "2m", "3h", "1d"; -1 when @text is none of these, or more than 1e9 seconds. */
double text_seconds(const char *text);
