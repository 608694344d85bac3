#pragma once
/* Bytes as they come, made into text: a character that is cut at the end of a block waits for its
 * rest. */
#include <glib.h>
#include <stddef.h>

/* Appends to @out what @rest and @bytes are as UTF-8; @rest keeps the beginning of a last,
 * unfinished character (at most 5 bytes). What is no UTF-8, and NUL, becomes U+FFFD. */
void whole_text_feed(GString *out, GString *rest, const char *bytes, size_t length);
/* The end: an unfinished character becomes U+FFFD. */
void whole_text_end(GString *out, GString *rest);
