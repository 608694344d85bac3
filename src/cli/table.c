/* Owns the layout of tables. */
#include "cli/table.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

enum {
  CELL_BYTES_MAX = 4096,
  COLUMN_GAP = 2,
  CUT_COLUMNS_MIN = 8,
  LAST_COLUMNS_MIN = 20,
  BELOW_INDENT = 4
};

typedef struct Cell {
  char *text;
  const char *sgr;
} Cell;

struct Table {
  GPtrArray *headings; /* of char* */
  GArray *cells;       /* of Cell, row by row */
};

static void cell_done(gpointer data)
{
  g_free(((Cell *)data)->text);
}

Table *table_new(const char *const *headings)
{
  Table *table = g_new0(Table, 1);
  table->headings = g_ptr_array_new_with_free_func(g_free);
  for (; *headings; headings++)
    g_ptr_array_add(table->headings, g_strdup(*headings));
  table->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
  g_array_set_clear_func(table->cells, cell_done);
  return table;
}

void table_free(Table *table)
{
  if (!table)
    return;
  g_ptr_array_unref(table->headings);
  g_array_unref(table->cells);
  g_free(table);
}

/* A row is one line, whatever an agent's output says. */
void table_cell(Table *table, const char *text)
{
  Cell cell = {.text = text && *text
                           ? g_strdelimit(text_escape(text, CELL_BYTES_MAX), "\n\r\t", ' ')
                           : g_strdup("-")};
  g_array_append_val(table->cells, cell);
}

void table_cell_format(Table *table, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  table_cell(table, text);
}

void table_color(Table *table, const char *sgr)
{
  g_assert(table->cells->len);
  g_array_index(table->cells, Cell, table->cells->len - 1).sgr = sgr;
}

guint table_rows(const Table *table)
{
  return (table->cells->len + table->headings->len - 1) / table->headings->len;
}

static int table_width_of(gunichar c)
{
  return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

int table_width(const char *text)
{
  int width = 0;
  for (const char *p = text; *p; p = g_utf8_next_char(p))
    width += table_width_of(g_utf8_get_char(p));
  return width;
}

static const char *table_heading(const Table *table, guint column)
{
  const char *heading = g_ptr_array_index(table->headings, column);
  return heading[0] == '>' ? heading + 1 : heading;
}

static bool table_right(const Table *table, guint column)
{
  return ((const char *)g_ptr_array_index(table->headings, column))[0] == '>';
}

static void table_write_cell(GString *out, const char *text, const char *sgr, int width, bool right,
                             bool last)
{
  int pad = MAX(width - table_width(text), 0);
  if (right)
    g_string_append_printf(out, "%*s", pad, "");
  if (sgr)
    g_string_append_printf(out, "\033[%sm%s\033[0m", sgr, text);
  else
    g_string_append(out, text);
  if (last)
    g_string_append_c(out, '\n');
  else
    g_string_append_printf(out, "%*s", (right ? 0 : pad) + COLUMN_GAP, "");
}

/* How a table is fitted into a terminal. */
typedef struct TableFit {
  int *widths; /* of each column */
  int columns; /* of the terminal; 0 = nothing is cut */
  /* the last column has no room beside the others: its texts stand on lines of their own */
  bool below;
} TableFit;

/* The widest texts give way first, never below their heading; numbers stay whole, half a number is
 * another one. */
static void table_shrink(const Table *table, TableFit *fit, guint n, int over)
{
  while (over > 0) {
    guint widest = n;
    for (guint i = 0; i < n; i++) {
      int least = MAX(table_width(table_heading(table, i)), CUT_COLUMNS_MIN);
      bool gives = !table_right(table, i) && fit->widths[i] > least;
      if (gives && (widest == n || fit->widths[i] >= fit->widths[widest]))
        widest = i;
    }
    if (widest == n)
      return;
    fit->widths[widest]--;
    over--;
  }
}

static void table_fit(const Table *table, TableFit *fit)
{
  guint n = table->headings->len;
  int all = -COLUMN_GAP;
  for (guint i = 0; i < n; i++)
    all += fit->widths[i] + COLUMN_GAP;
  if (!fit->columns || all <= fit->columns)
    return;
  int others = all - fit->widths[n - 1] - COLUMN_GAP, room = fit->columns - others - COLUMN_GAP;
  fit->below =
      n > 1 && !table_right(table, n - 1) && room < MIN(LAST_COLUMNS_MIN, fit->widths[n - 1]);
  if (fit->below)
    table_shrink(table, fit, n - 1, others - fit->columns);
  else
    fit->widths[n - 1] = MAX(room, CUT_COLUMNS_MIN);
}

/* @text, or as much of its begin as fits into @room with "..." behind. Caller frees. */
static char *table_cut(const char *text, int room)
{
  int width = 0;
  const char *end = text;
  if (!room || table_width(text) <= room)
    return g_strdup(text);
  for (; *end; end = g_utf8_next_char(end)) {
    width += table_width_of(g_utf8_get_char(end));
    if (width > room - 3)
      break;
  }
  g_autofree char *begin = g_strndup(text, (gsize)(end - text));
  return g_strconcat(g_strchomp(begin), "...", NULL);
}

/* The text of the last column on lines of its own, behind its row. */
static void table_write_below(GString *out, const char *text, const char *sgr, int columns)
{
  for (const char *rest = text; *rest;) {
    int width = 0;
    const char *end = rest, *blank = NULL;
    for (; *end && width < columns - BELOW_INDENT; end = g_utf8_next_char(end)) {
      blank = *end == ' ' ? end : blank;
      width += table_width_of(g_utf8_get_char(end));
    }
    end = *end && blank && blank > rest ? blank : end;
    g_string_append_printf(out, sgr ? "%*s\033[%sm%.*s\033[0m\n" : "%*s%s%.*s\n", BELOW_INDENT, "",
                           sgr ? sgr : "", (int)(end - rest), rest);
    rest = end + strspn(end, " ");
  }
}

char *table_text(const Table *table, bool colors, int columns)
{
  guint n = table->headings->len;
  g_autofree int *widths = g_new0(int, n);
  TableFit fit = {.widths = widths, .columns = columns};
  for (guint i = 0; i < n; i++)
    widths[i] = table_width(table_heading(table, i));
  for (guint i = 0; i < table->cells->len; i++)
    widths[i % n] = MAX(widths[i % n], table_width(g_array_index(table->cells, Cell, i).text));
  table_fit(table, &fit);
  guint shown = fit.below ? n - 1 : n;
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < shown; i++)
    table_write_cell(out, table_heading(table, i), colors ? "1" : NULL, widths[i],
                     table_right(table, i), i + 1 == shown);
  for (guint i = 0; i < table->cells->len; i++) {
    const Cell *cell = &g_array_index(table->cells, Cell, i);
    const char *sgr = colors ? cell->sgr : NULL;
    bool last = i % n + 1 == shown || i + 1 == table->cells->len;
    g_autofree char *text =
        table_cut(cell->text, fit.columns && !table_right(table, i % n) ? widths[i % n] : 0);
    if (i % n < shown)
      table_write_cell(out, text, sgr, widths[i % n], table_right(table, i % n), last);
    else if (strcmp(cell->text, "-") != 0)
      table_write_below(out, cell->text, sgr, columns);
  }
  return g_string_free(out, FALSE);
}
