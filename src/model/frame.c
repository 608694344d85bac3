/* Life of frames and their parts; their JSON is in frame_json.c. */
#include "model/frame.h"

#include "base/text.h"

static const char *const frame_words[FRAME_N] = {
#define X(id, word) word,
    FRAME_TYPES(X)
#undef X
};

const char *frame_type_word(FrameType type)
{
  g_assert((int)type >= 0 && type < FRAME_N);
  return frame_words[type];
}

Frame *frame_new(FrameType type)
{
  Frame *frame = g_new0(Frame, 1);
  frame->type = type;
  frame->tail = -1;
  frame->reports = g_ptr_array_new_with_free_func((GDestroyNotify)instance_report_free);
  frame->instructions = g_ptr_array_new_with_free_func((GDestroyNotify)instruction_free);
  frame->reservations = g_ptr_array_new_with_free_func((GDestroyNotify)reservation_free);
  return frame;
}

void frame_free(Frame *frame)
{
  if (!frame)
    return;
  char *texts[] = {frame->node,     frame->name,       frame->boot_id, frame->version,
                   frame->instance, frame->data,       frame->error,   frame->stream,
                   frame->cgroups,  frame->unenforced, frame->store,   frame->incarnation};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    text_wipe(texts[i]); /* secrets go in frames */
  g_strfreev(frame->argv);
  g_ptr_array_unref(frame->reports);
  g_ptr_array_unref(frame->instructions);
  g_ptr_array_unref(frame->reservations);
  g_free(frame);
}

InstanceReport *instance_report_new(const char *id)
{
  InstanceReport *report = g_new0(InstanceReport, 1);
  report->id = g_strdup(id);
  report->last_exit.code = -1;
  return report;
}

InstanceReport *instance_report_copy(const InstanceReport *report)
{
  InstanceReport *copy = g_new0(InstanceReport, 1);
  *copy = *report;
  copy->id = g_strdup(report->id);
  copy->reason = g_strdup(report->reason);
  copy->output = g_strdup(report->output);
  copy->unenforced = g_strdup(report->unenforced);
  copy->peers = g_strdup(report->peers);
  return copy;
}

void instance_report_free(InstanceReport *report)
{
  if (!report)
    return;
  g_free(report->id);
  g_free(report->reason);
  g_free(report->output);
  g_free(report->unenforced);
  g_free(report->peers);
  g_free(report);
}

Instruction *instruction_new(const char *id, int64_t epoch, int64_t generation)
{
  Instruction *instruction = g_new0(Instruction, 1);
  instruction->id = g_strdup(id);
  instruction->epoch = epoch;
  instruction->generation = generation;
  return instruction;
}

void instruction_free(Instruction *instruction)
{
  if (!instruction)
    return;
  g_free(instruction->id);
  g_free(instruction->peers);
  instance_spec_free(instruction->spec);
  g_free(instruction);
}

Reservation *reservation_new(const char *id, int port, const char *error)
{
  Reservation *reservation = g_new0(Reservation, 1);
  reservation->id = g_strdup(id);
  reservation->port = port;
  reservation->error = g_strdup(error);
  return reservation;
}

void reservation_free(Reservation *reservation)
{
  if (!reservation)
    return;
  g_free(reservation->id);
  g_free(reservation->error);
  g_free(reservation);
}
