#pragma once
/* Small text helpers that GLib lacks. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A printable copy of foreign @text for messages and logs: control characters and invalid UTF-8
 * become \xHH, marks that turn the direction of writing \uHHHH; line ends and tabs stay. Cut after
 * @max bytes with "...". Caller frees. */
char *text_escape(const char *text, size_t max);
/* A copy of @text in which every URL has *** for its user and password. Caller frees. */
char *text_mask_userinfo(const char *text);
/* Overwrites and frees @text, which held a secret; NULL is fine. */
void text_wipe(char *text);
/* Makes room for @more bytes in *@text, which holds secrets: where it must move, what was in the
 * old place is overwritten. Appending as much does not move it again. */
void text_room(GString **text, size_t more);
/* True for a character that may go to a terminal as it is: no control, no mark that turns the
 * direction of writing. -1 and -2, as g_utf8_get_char_validated gives them for what is no UTF-8,
 * are none. */
bool text_is_shown(gunichar c);
/* True when all of @text may, and is on one line without tabs. */
bool text_is_printable(const char *text);
/* What the noun behind the number @n ends in: "" for 1, "s" for every other; as in ("%d restart%s",
 * n, text_plural(n)). Borrowed. */
const char *text_plural(int64_t n);
enum { TEXT_NAME_MAX = 64 };
/* True when @text is 1..TEXT_NAME_MAX characters [A-Za-z0-9._-] starting with a letter or digit:
 * names of jobs, agents, nodes. */
bool text_is_name(const char *text);
/* @text behind a UTF-8 byte order mark, if it begins with one; borrowed. */
const char *text_behind_bom(const char *text);
/* What a file of one value holds: @text (@length bytes, a NUL behind them) loses in place a byte
 * order mark at its begin and one line end, LF or CRLF, at its end. Returns the length that is
 * left. */
size_t text_take_value(char *text, size_t length);
/* Seconds of "5", "1.5s", "500ms", "2m", "3h", "1d"; -1 when @text is none of these, or more than
 * 1e9 seconds. */
double text_seconds(const char *text);
