/* Any bytes as a frame of a node and as the job of a request; what parses is written and parsed again to the same text. */
#include "model/frame.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Frame) frame = frame_parse((const char *)data, size, NULL);
  if (frame && frame->type != FRAME_UNKNOWN) {
    g_autofree char *once = frame_write(frame);
    g_autoptr(GError) error = NULL;
    g_autoptr(Frame) again = frame_parse(once, strlen(once), &error);
    g_assert_no_error(error);
    g_autofree char *twice = frame_write(again);
    g_assert_cmpstr(once, ==, twice);
  }
  g_autoptr(Job) job = job_from_json((const char *)data, size, NULL);
  if (job) {
    g_autofree char *json = job_to_json(job);
    g_autoptr(Job) again = job_from_json(json, strlen(json), NULL);
    g_assert_nonnull(again);
  }
  return 0;
}
