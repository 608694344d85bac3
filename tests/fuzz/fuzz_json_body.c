/* Lines of any bytes, each as a frame of a node and as the job of a request: what parses is written
 * and parsed again to the same text, then given to a core that has one node. */
#include "base/text.h"
#include "core/core.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void world_apply(Core *core, Command *command)
{
  static int64_t now_ms = 1000;
  g_autoptr(Effects) effects = effects_new();
  command->actor = "uid:0";
  command->reply_to = 1;
  now_ms += 100;
  core_apply(core, command, (Now){.boot_ms = now_ms, .wall_ms = now_ms}, effects);
}

static void world_frame(Core *core, const Frame *frame)
{
  Command command = {.type = COMMAND_NODE_FRAME, .node = "n1", .frame = frame};
  world_apply(core, &command);
}

static void line_as_frame(Core *core, const char *text, size_t length)
{
  g_autoptr(Frame) frame = frame_parse(text, length, NULL);
  if (!frame || frame->type == FRAME_UNKNOWN)
    return;
  g_autofree char *once = frame_write(frame);
  g_autoptr(GError) error = NULL;
  g_autoptr(Frame) again = frame_parse(once, strlen(once), &error);
  g_assert_no_error(error);
  g_autofree char *twice = frame_write(again);
  g_assert_cmpstr(once, ==, twice);
  world_frame(core, frame);
}

static void line_as_job(Core *core, const char *text, size_t length)
{
  g_autoptr(Job) job = job_from_json(text, length, NULL);
  if (!job)
    return;
  g_autofree char *json = job_to_json(job);
  g_autoptr(Job) again = job_from_json(json, strlen(json), NULL);
  g_assert_nonnull(again);
  if (!text_is_name(job->name))
    return; /* the route refuses it */
  Command deploy = {.type = COMMAND_DEPLOY,
                    .deployment = job->name,
                    .job = job,
                    .job_json = json,
                    .replace = true};
  world_apply(core, &deploy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Core) core = core_new(NULL);
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->protocol = PROTOCOL_VERSION;
  hello->node = g_strdup("n1");
  hello->boot_id = g_strdup("b1");
  world_frame(core, hello);
  const char *text = (const char *)data, *end = text + size;
  for (int lines = 0; text < end && lines < 8; lines++) {
    const char *line_end = memchr(text, '\n', (size_t)(end - text));
    size_t length = (size_t)((line_end ? line_end : end) - text);
    line_as_frame(core, text, length);
    line_as_job(core, text, length);
    text += length + 1;
  }
  Command down = {.type = COMMAND_DOWN, .deployment = "x"};
  world_apply(core, &down);
  g_autofree char *dump = core_dump(core);
  g_assert_nonnull(dump);
  return 0;
}
