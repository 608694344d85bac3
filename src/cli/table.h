#pragma once
/* Tables that line up: columns as wide as their widest cell, UTF-8 counted by what a terminal
 * shows. */
#include <glib.h>
#include <stdbool.h>

typedef struct Table Table;

/* @headings: NULL-terminated, copied. A heading that begins with '>' is right-aligned. */
Table *table_new(const char *const *headings);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* Appends a cell (copied; NULL or "" shows as "-"; control characters are escaped) to the last row;
 * a full row begins a new one. */
void table_cell(Table *table, const char *text);
void table_cell_format(Table *table, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* SGR colour ("32") of the last cell; shown only with colours on. */
void table_color(Table *table, const char *sgr);
guint table_rows(const Table *table);
/* The table as text, each row ended by a line end, no blanks at the end of lines. @columns: of the
 * terminal; the texts of the last column are cut to fit, or stand below their row where that would
 * leave next to nothing, and then the widest other texts are cut too; 0 = nothing is cut. Caller
 * frees. */
char *table_text(const Table *table, bool colors, int columns);
/* Columns that @text takes on a terminal. */
int table_width(const char *text);
