#pragma once
/* Two small things on top of jansson: tolerant getters for parsed documents, and a writer that
 * appends JSON to a string without building a tree (for replies, events and frames on hot paths).
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Parses @length bytes as one JSON document: duplicate keys rejected, depth and size limited
 * (JSON_DEPTH_MAX, JSON_BYTES_MAX). Returns a new reference, or NULL with REEVE_ERROR_USAGE that
 * names line and column, or REEVE_ERROR_LIMIT. */
enum { JSON_DEPTH_MAX = 64, JSON_BYTES_MAX = 40 * 1024 * 1024 };
json_t *json_parse(const char *text, size_t length, GError **error);

/* Parses JSON that programs of others send, as their parsers read it: of a repeated key the last
 * one counts, a byte order mark is skipped, U+0000, half of a surrogate pair and bytes that are no
 * UTF-8 become U+FFFD within texts, integers beyond 64 bits become reals and reals beyond a double
 * the largest one; nesting to JSON_FOREIGN_DEPTH_MAX. Texts and keys of the result are UTF-8
 * without NUL. Else as json_parse. json_foreign.c. */
enum { JSON_FOREIGN_DEPTH_MAX = 512 };
json_t *json_parse_foreign(const char *text, size_t length, GError **error);

/* Where in a JSON document one is, after pieces of it, without parsing: begins as {0}. While depth
 * > 0 or quoted more must follow. */
typedef struct JsonWalk {
  int depth, deepest; /* of brackets outside texts */
  bool quoted, escaped;
} JsonWalk;
/* Goes on through @length bytes of JSON, which may be cut anywhere; @walk is all zero before the
 * first. */
void json_walk(JsonWalk *walk, const char *text, size_t length);
/* Is @text no larger than JSON_BYTES_MAX and not nested deeper than @depth_max? false with
 * REEVE_ERROR_LIMIT. */
bool json_is_bounded(const char *text, size_t length, int depth_max, GError **error);

/* Member @key of @object as text, or @fallback when absent or of another type. Borrowed. */
const char *jget_str(const json_t *object, const char *key, const char *fallback);
int64_t jget_int(const json_t *object, const char *key, int64_t fallback);
double jget_real(const json_t *object, const char *key, double fallback);
bool jget_flag(const json_t *object, const char *key, bool fallback);

/* Appends to @out; commas are put by looking at the last byte. Keys are plain ASCII literals. A
 * NULL text becomes null. */
/* bracket '{' or '['; key NULL inside arrays and at the top */
void jw_open(GString *out, const char *key, char bracket);
void jw_close(GString *out, char bracket); /* '}' or ']' */
void jw_str(GString *out, const char *key, const char *text);
void jw_int(GString *out, const char *key, int64_t number);
void jw_bool(GString *out, const char *key, bool flag);
void jw_null(GString *out, const char *key);
/* A point in time as ISO text, or null when @wall_ms <= 0. */
void jw_time(GString *out, const char *key, int64_t wall_ms);
/* Text that is already JSON. */
void jw_raw(GString *out, const char *key, const char *json);
/* @text with quotes and escapes; invalid UTF-8 becomes U+FFFD. */
void jw_quote(GString *out, const char *text, size_t length);
