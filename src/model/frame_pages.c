/* Frames with many items as several lines, so that no line is too long for the other end. */
#include "model/frame.h"

#include "base/error.h"

#include <string.h>

/* The items that may go in several frames; NULL = they belong together. */
static GPtrArray *frame_items(const Frame *frame)
{
  switch (frame->type) {
  case FRAME_HELLO:
  case FRAME_REPORT:
    return frame->reports;
  case FRAME_START:
  case FRAME_STOP:
  case FRAME_FORGET:
  case FRAME_PEERS:
    return frame->instructions;
  default:
    return NULL;
  }
}

/* @frame with only items @first to @end - 1 of @items; page @number of a hello is a list. */
static char *frame_write_part(const Frame *frame, const GPtrArray *items, guint first, guint end,
                              guint number)
{
  g_autoptr(GPtrArray) part = g_ptr_array_sized_new(end - first);
  for (guint i = first; i < end; i++)
    g_ptr_array_add(part, items->pdata[i]);
  Frame page = *frame;
  if (frame->type == FRAME_HELLO) {
    page.more = end < items->len;
    page.seq = number;
  }
  if (items == frame->reports)
    page.reports = part;
  else
    page.instructions = part;
  if (frame->type != FRAME_HELLO || number == 0)
    return frame_write(&page);
  Frame list = {.type = FRAME_LIST,
                .tail = -1,
                .seq = page.seq,
                .more = page.more,
                .reports = part,
                .instructions = frame->instructions,
                .reservations = frame->reservations};
  return frame_write(&list);
}

GPtrArray *frame_pages(const Frame *frame, size_t page_bytes)
{
#ifdef REEVE_BUG_FRAME_WHOLE
  size_t most = SIZE_MAX;
#else
  size_t most = page_bytes ? page_bytes : FRAME_PAGE_BYTES;
#endif
  GPtrArray *pages = g_ptr_array_new_with_free_func(g_free);
  const GPtrArray *items = frame_items(frame);
  char *whole = frame_write(frame);
  if (!items || items->len < 2 || strlen(whole) <= most) {
    g_ptr_array_add(pages, whole);
    return pages;
  }
  g_free(whole);
  g_autofree char *empty = frame_write_part(frame, items, 0, 0, 0);
  for (guint first = 0, end; first < items->len; first = end) {
    size_t bytes = strlen(empty);
    for (end = first; end < items->len; end++) {
      g_autofree char *one = frame_write_part(frame, items, end, end + 1, 0);
      size_t more = strlen(one) - strlen(empty) + 1;
      if (end > first && bytes + more > most)
        break;
      bytes += more;
    }
    g_ptr_array_add(pages, frame_write_part(frame, items, first, end, pages->len));
  }
  return pages;
}

/* Adds what @page tells to @hello; its reports move. False when it is another one than the next;
 * one that came before changes nothing. */
static bool join_page(Frame *hello, Frame *page)
{
  if (page->seq <= hello->seq)
    return true; /* it came twice */
  if (page->seq != hello->seq + 1)
    return false;
  hello->seq = page->seq;
  hello->more = page->more;
  g_ptr_array_set_free_func(page->reports, NULL);
  for (guint i = 0; i < page->reports->len; i++)
    g_ptr_array_add(hello->reports, page->reports->pdata[i]);
  g_ptr_array_set_size(page->reports, 0);
  return true;
}

Frame *frame_join_feed(FrameJoin *join, Frame *frame, size_t length, GError **error)
{
  if (frame->type != FRAME_HELLO && frame->type != FRAME_LIST)
    return frame;
  g_autoptr(Frame) page = frame;
  if (frame->type == FRAME_HELLO) {
    frame_join_clear(join);
    join->hello = g_steal_pointer(&page);
  }
  join->bytes += length;
  const char *wrong = NULL;
  if (!join->hello)
    wrong = "no hello before it";
  else if (join->bytes > FRAME_LIST_BYTES_MAX)
    wrong = "it is too long";
  else if (page && !join_page(join->hello, page))
    wrong = "a page is missing";
  if (!wrong)
    return join->hello->more ? NULL : g_steal_pointer(&join->hello);
  frame_join_clear(join);
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID, wrong);
  return NULL;
}

void frame_join_clear(FrameJoin *join)
{
  frame_free(join->hello);
  *join = (FrameJoin){0};
}
