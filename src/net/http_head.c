/* Which bytes may stand in the head of a request; see http_head.h. */
#include "net/http_head.h"

/* Where a line end leads. */
static HeadPlace head_after_line(HeadPlace place)
{
  return place == HEAD_LAST_LINE ? HEAD_OVER : place == HEAD_BEFORE ? HEAD_BEFORE : HEAD_LINE;
}

/* Takes one byte. Returns what is wrong with it, or NULL. */
static const char *head_take(HeadScan *scan, unsigned char c)
{
  if (scan->after_cr != (c == '\n'))
    return "a line of the request head does not end with CR LF";
  if (c == '\n') {
    scan->after_cr = false;
    scan->place = head_after_line(scan->place);
    return NULL;
  }
  if (c == '\r') {
    scan->after_cr = true;
    scan->place = scan->place == HEAD_LINE ? HEAD_LAST_LINE : scan->place;
    return NULL;
  }
  if ((c < 0x20 && c != '\t') || c == 0x7f)
    return c == '\0' ? "NUL byte in the request head" : "control character in the request head";
  if (scan->place == HEAD_LINE && (c == ' ' || c == '\t'))
    return "a header line that begins with a blank (folded headers are obsolete)";
  if (scan->place == HEAD_BEFORE)
    scan->place = HEAD_REQUEST;
  else if (scan->place == HEAD_LINE)
    scan->place = HEAD_IN_LINE;
  return NULL;
}

size_t head_scan(HeadScan *scan, const char *bytes, size_t length, const char **wrong)
{
  size_t used = 0;
  while (used < length && scan->place != HEAD_OVER) {
    const char *no = head_take(scan, (unsigned char)bytes[used]);
    if (no) {
      *wrong = no;
      break;
    }
    used++;
  }
  return used;
}
