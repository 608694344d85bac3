/* The last lines that an agent wrote, for people who want to know why it ended; see shim.h. */
#include "drivers/shim.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_READ = 16384, TAIL_LINES = 20 };

/* Puts up to @wanted bytes from the end of the log file @name in front of @text. Returns how many.
 */
static int64_t tail_read(const char *directory, const char *name, int64_t wanted, GString *text)
{
  g_autofree char *path = g_build_filename(directory, name, NULL);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  char buffer[TAIL_READ];
  off_t size = lseek(fd, 0, SEEK_END), from = MAX(size - MIN(wanted, TAIL_READ), 0);
  ssize_t n = pread(fd, buffer, (size_t)MIN(size - from, TAIL_READ), from);
  close(fd);
  for (ssize_t i = 0; i < n; i++)
    if (!buffer[i])
      buffer[i] = '.';
  if (n > 0)
    g_string_prepend_len(text, buffer, n);
  return MAX(n, 0);
}

/* The text of a record "TIME STREAM FLAG TEXT"; @head becomes what stands before it, "STREAM FLAG".
 */
static const char *tail_text(const char *line, const char **head)
{
  const char *at = strchr(line, ' ');
  *head = at ? at + 1 : "";
  for (int i = 0; i < 2 && at; i++)
    at = strchr(at + 1, ' ');
  return at ? at + 1 : "";
}

/* Does @head go on where a part of a line with @part stopped? */
static bool tail_joins(const char *part, const char *head)
{
  size_t stream = strcspn(part, " ");
  return g_str_has_prefix(part + stream, " P ") && strncmp(part, head, stream + 1) == 0;
}

char *shim_log_tail(const char *directory, size_t bytes, int64_t written)
{
  g_autoptr(GString) text = g_string_new(NULL);
  int64_t wanted = written < 0 ? TAIL_READ : MIN(written, TAIL_READ);
  int64_t have = tail_read(directory, "log", wanted, text);
  if (have < wanted)
    have += tail_read(directory, "log.1", wanted - have, text); /* it was rotated just now */
  while (text->len && text->str[text->len - 1] == '\n')
    g_string_truncate(text, text->len - 1);
  g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
  guint count = g_strv_length(lines), first = count > TAIL_LINES ? count - TAIL_LINES : 0;
  if (first == 0 && wanted == TAIL_READ && have == wanted && count > 1)
    first = 1; /* reading began in the middle of a line */
  GString *out = g_string_new(NULL);
  const char *before = "";
  for (guint i = first; i < count; i++) {
    const char *head, *line = tail_text(lines[i], &head);
    if (out->len && !tail_joins(before, head))
      g_string_append_c(out, '\n');
    g_string_append(out, line);
    before = head;
  }
  if (out->len > bytes)
    g_string_erase(out, 0, (gssize)(out->len - bytes));
  return g_string_free(out, out->len == 0);
}
