#pragma once
/* Structured logs on stderr: a fixed event phrase, then key=value, always with the object's id.
 * error: a person must act; warn: we coped; info: a state changed; debug: the rest. Peer text is
 * escaped. */
#include <glib.h>
#include <stdarg.h>

typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

/* Lines above @level are dropped; default INFO. Call before threads start. */
void log_set_level(LogLevel level);
/* Writes one line "TIME LEVEL phrase key=value ..." with one write(2). @fields is a printf format
 * such as "instance=%s pid=%d" and may be
 * ""; of conversions it has %s, %o, and %d, %i and %u, also with l, ll and z. A text that holds a
 * blank, '=' or a quote is put in quotes. Never fails and never waits: a stderr without room loses
 * the line, and the next one that is written says how many. */
void log_write(LogLevel level, const char *phrase, const char *fields, ...) G_GNUC_PRINTF(3, 4);

/* What @fields comes to; for log_write and its tests. Caller frees. */
char *log_fields(const char *format, va_list *args);

#define log_error(phrase, ...) log_write(LOG_LEVEL_ERROR, phrase, __VA_ARGS__)
#define log_warn(phrase, ...)  log_write(LOG_LEVEL_WARN, phrase, __VA_ARGS__)
#define log_info(phrase, ...)  log_write(LOG_LEVEL_INFO, phrase, __VA_ARGS__)
#define log_debug(phrase, ...) log_write(LOG_LEVEL_DEBUG, phrase, __VA_ARGS__)
