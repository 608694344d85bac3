/* Owns the pace of one stream: a reader that does not keep up is told of once, and again when it
 * has caught up; one that takes nothing at all is given up. The kernel's buffers are full before
 * ours is, so a brain that waits until ours is empty keeps nobody waiting. */
#include "agent/door.h"

#include "base/clock.h"

static void reader_on_timer(void *data)
{
  DoorReader *reader = data;
  size_t unread = http_stream_unread(reader->request);
  if (unread >= reader->unread) {
    reader->fn(DOOR_PACE_STUCK, reader->data);
    return;
  }
  reader->unread = unread;
  loop_timer_set(reader->timer, clock_boot_ms() + reader->stall_ms);
}

static void reader_on_drained(void *data)
{
  DoorReader *reader = data;
  reader->slow = false;
  loop_timer_set(reader->timer, INT64_MAX);
  reader->fn(DOOR_PACE_GOOD, reader->data);
}

void door_reader_init(DoorReader *reader, const Agent *agent, HttpRequest *request, DoorPaceFn fn,
                      void *data)
{
  int64_t idle_ms = agent->file->idle_timeout_ms;
  *reader = (DoorReader){.request = request,
                         .fn = fn,
                         .data = data,
                         .stall_ms = idle_ms ? MIN(idle_ms, DOOR_STALL_MS) : DOOR_STALL_MS};
  reader->timer = loop_timer_new(agent->loop, reader_on_timer, reader);
}

void door_reader_done(DoorReader *reader)
{
  if (reader->slow)
    http_stream_on_drained(reader->request, NULL, NULL);
  g_clear_pointer(&reader->timer, loop_timer_free);
  reader->slow = false;
}

bool door_reader_sent(DoorReader *reader)
{
  size_t backlog = http_stream_backlog(reader->request);
  if (backlog <= DOOR_BACKLOG_HIGH)
    return true;
  if (backlog > DOOR_BACKLOG_MAX) {
    reader->fn(DOOR_PACE_STUCK, reader->data);
    return false;
  }
  reader->unread = MAX(reader->slow ? reader->unread : 0, http_stream_unread(reader->request));
  if (reader->slow)
    return true;
  reader->slow = true;
  http_stream_on_drained(reader->request, reader_on_drained, reader);
  loop_timer_set(reader->timer, clock_boot_ms() + reader->stall_ms);
  reader->fn(DOOR_PACE_SLOW, reader->data);
  return true;
}
