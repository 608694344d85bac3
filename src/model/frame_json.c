/* Frames as one line of JSON, both ways. Members are the field names of frame.h; those at zero or
 * NULL are left out. docs/protocol.md has examples. */
#include "base/error.h"
#include "base/json.h"
#include "model/frame.h"
#include "model/spec_json.h"

#include <stddef.h>
#include <string.h>

/* Simple members of a frame, so that writer and reader cannot differ. */
static const struct {
  const char *key;
  size_t offset;
} frame_texts[] =
    {{"node", offsetof(Frame, node)},         {"name", offsetof(Frame, name)},
     {"boot_id", offsetof(Frame, boot_id)},   {"version", offsetof(Frame, version)},
     {"instance", offsetof(Frame, instance)}, {"data", offsetof(Frame, data)},
     {"error", offsetof(Frame, error)},       {"stream", offsetof(Frame, stream)},
     {"cgroups", offsetof(Frame, cgroups)},   {"unenforced", offsetof(Frame, unenforced)},
     {"store", offsetof(Frame, store)},       {"incarnation", offsetof(Frame, incarnation)}},
  frame_ints[] = {{"term", offsetof(Frame, term)},
                  {"protocol", offsetof(Frame, protocol)},
                  {"seq", offsetof(Frame, seq)},
                  {"more", offsetof(Frame, more)},
                  {"lease_ms", offsetof(Frame, lease_ms)},
                  {"heartbeat_ms", offsetof(Frame, heartbeat_ms)},
                  {"request", offsetof(Frame, request)},
                  {"since_ms", offsetof(Frame, since_ms)},
                  {"credit", offsetof(Frame, credit)},
                  {"timeout_ms", offsetof(Frame, timeout_ms)},
                  {"exit_code", offsetof(Frame, exit_code)},
                  {"exit_signal", offsetof(Frame, exit_signal)}};

#define FIELD(frame, type, row) (*(type *)(void *)((char *)(frame) + (row).offset))

static void frame_write_report(GString *out, const InstanceReport *report)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", report->id);
  jw_int(out, "epoch", report->epoch);
  jw_int(out, "generation", report->generation);
  jw_str(out, "state", instance_state_word(report->state));
  jw_str(out, "health", health_word(report->health));
  jw_int(out, "attempt", report->attempt);
  jw_int(out, "restarts", report->restarts);
  jw_int(out, "pid", report->pid);
  jw_int(out, "port", report->port);
  jw_int(out, "exit_code", report->last_exit.code);
  jw_int(out, "exit_signal", report->last_exit.signal);
  jw_int(out, "since_ms", report->since_ms);
  if (report->reason)
    jw_str(out, "reason", report->reason);
  if (report->output)
    jw_str(out, "output", report->output);
  if (report->unenforced)
    jw_str(out, "unenforced", report->unenforced);
  if (report->peers)
    jw_str(out, "peers", report->peers);
  jw_close(out, '}');
}

static void frame_write_instruction(GString *out, const Instruction *instruction)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", instruction->id);
  jw_int(out, "epoch", instruction->epoch);
  jw_int(out, "generation", instruction->generation);
  if (instruction->port_fixed)
    jw_bool(out, "port_fixed", true);
  if (instruction->peers)
    jw_str(out, "peers", instruction->peers);
  if (instruction->spec) {
    jw_raw(out, "spec", "");
    instance_spec_write(instruction->spec, out);
  }
  jw_close(out, '}');
}

static void frame_write_lists(GString *out, const Frame *frame)
{
  if (frame->reports->len || frame->type == FRAME_HELLO) {
    jw_open(out, "reports", '[');
    for (guint i = 0; i < frame->reports->len; i++)
      frame_write_report(out, frame->reports->pdata[i]);
    jw_close(out, ']');
  }
  if (frame->instructions->len) {
    jw_open(out, "instructions", '[');
    for (guint i = 0; i < frame->instructions->len; i++)
      frame_write_instruction(out, frame->instructions->pdata[i]);
    jw_close(out, ']');
  }
  if (!frame->reservations->len)
    return;
  jw_open(out, "reservations", '[');
  for (guint i = 0; i < frame->reservations->len; i++) {
    const Reservation *reservation = frame->reservations->pdata[i];
    jw_open(out, NULL, '{');
    jw_str(out, "id", reservation->id);
    jw_int(out, "port", reservation->port);
    if (reservation->error)
      jw_str(out, "error", reservation->error);
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

char *frame_write(const Frame *frame)
{
  /* growing leaves copies, and there may be secrets in it */
  GString *out = g_string_sized_new(256 + (frame->data ? 2 * strlen(frame->data) : 0));
  jw_open(out, NULL, '{');
  jw_str(out, "type", frame_type_word(frame->type));
  for (size_t i = 0; i < G_N_ELEMENTS(frame_ints); i++)
    if (FIELD(frame, int64_t, frame_ints[i]))
      jw_int(out, frame_ints[i].key, FIELD(frame, int64_t, frame_ints[i]));
  for (size_t i = 0; i < G_N_ELEMENTS(frame_texts); i++)
    if (FIELD(frame, char *, frame_texts[i]))
      jw_str(out, frame_texts[i].key, FIELD(frame, char *, frame_texts[i]));
  if (frame->port_base)
    jw_int(out, "port_base", frame->port_base);
  if (frame->tail >= 0)
    jw_int(out, "tail", frame->tail);
  if (frame->follow)
    jw_bool(out, "follow", true);
  if (frame->argv)
    spec_write_strv(out, "argv", frame->argv);
  frame_write_lists(out, frame);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

static bool frame_read_report(const json_t *object, InstanceReport *report, GError **error)
{
  int64_t attempt = 0, restarts = 0, port = 0, code = -1, signal = 0;
  int state = instance_state_parse(jget_str(object, "state", "pending"));
  int health = health_parse(jget_str(object, "health", "unknown"));
  if (state < 0)
    return spec_bad(error, "state", "a state of an instance");
  if (health < 0)
    return spec_bad(error, "health", "unknown, healthy, unhealthy or unreachable");
  if (!spec_read_int(object, "epoch", 0, INT64_MAX, &report->epoch, error) ||
      !spec_read_int(object, "generation", 0, INT64_MAX, &report->generation, error) ||
      !spec_read_int(object, "attempt", 0, INT32_MAX, &attempt, error) ||
      !spec_read_int(object, "restarts", 0, INT32_MAX, &restarts, error) ||
      !spec_read_int(object, "pid", 0, INT32_MAX, &report->pid, error) ||
      !spec_read_int(object, "port", 0, 65535, &port, error) ||
      !spec_read_int(object, "exit_code", -1, 255, &code, error) ||
      !spec_read_int(object, "exit_signal", 0, 64, &signal, error) ||
      !spec_read_int(object, "since_ms", 0, INT64_MAX, &report->since_ms, error) ||
      !spec_read_text(object, "reason", &report->reason, error) ||
      !spec_read_text(object, "output", &report->output, error) ||
      !spec_read_text(object, "unenforced", &report->unenforced, error) ||
      !spec_read_text(object, "peers", &report->peers, error))
    return false;
  report->state = (InstanceState)state;
  report->health = (Health)health;
  report->attempt = (int)attempt;
  report->restarts = (int)restarts;
  report->port = (int)port;
  report->last_exit = (ExitStatus){.code = (int)code, .signal = (int)signal};
  return true;
}

static bool frame_read_instruction(const json_t *object, Instruction *instruction, GError **error)
{
  if (!spec_read_int(object, "epoch", 0, INT64_MAX, &instruction->epoch, error) ||
      !spec_read_int(object, "generation", 0, INT64_MAX, &instruction->generation, error) ||
      !spec_read_text(object, "peers", &instruction->peers, error))
    return false;
  instruction->port_fixed = jget_flag(object, "port_fixed", false);
  const json_t *spec = json_object_get(object, "spec");
  if (!spec)
    return true;
  instruction->spec = instance_spec_from_json(spec, error);
  return instruction->spec != NULL;
}

static bool frame_read_reservation(const json_t *object, Reservation *reservation, GError **error)
{
  int64_t port = 0;
  if (!spec_read_int(object, "port", 0, 65535, &port, error) ||
      !spec_read_text(object, "error", &reservation->error, error))
    return false;
  reservation->port = (int)port;
  return true;
}

/* The id of a list's item, or NULL with @error. */
static const char *frame_item_id(const json_t *item, const char *list, GError **error)
{
  const char *id = jget_str(item, "id", NULL);
  if (!id || !id[0] || strlen(id) > 64) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "member '%s[].id': wanted 1 to 64 characters", list);
    return NULL;
  }
  return id;
}

static bool frame_read_lists(const json_t *object, Frame *frame, GError **error)
{
  static const char *const lists[] = {"reports", "instructions", "reservations"};
  for (size_t list = 0; list < G_N_ELEMENTS(lists); list++) {
    json_t *items = json_object_get(object, lists[list]), *item;
    if (items && !json_is_array(items))
      return spec_bad(error, lists[list], "a list");
    size_t i;
    json_array_foreach(items, i, item)
    {
      const char *id = frame_item_id(item, lists[list], error);
      if (!id)
        return false;
      bool ok;
      if (list == 0) {
        g_ptr_array_add(frame->reports, instance_report_new(id));
        ok = frame_read_report(item, frame->reports->pdata[frame->reports->len - 1], error);
      } else if (list == 1) {
        g_ptr_array_add(frame->instructions, instruction_new(id, 0, 0));
        ok = frame_read_instruction(item, frame->instructions->pdata[frame->instructions->len - 1],
                                    error);
      } else {
        g_ptr_array_add(frame->reservations, reservation_new(id, 0, NULL));
        ok = frame_read_reservation(item, frame->reservations->pdata[frame->reservations->len - 1],
                                    error);
      }
      if (!ok)
        return false;
    }
  }
  return true;
}

static bool frame_read(const json_t *object, Frame *frame, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(frame_ints); i++)
    if (!spec_read_int(object, frame_ints[i].key, 0, INT64_MAX,
                       &FIELD(frame, int64_t, frame_ints[i]), error))
      return false;
  for (size_t i = 0; i < G_N_ELEMENTS(frame_texts); i++)
    if (!spec_read_text(object, frame_texts[i].key, &FIELD(frame, char *, frame_texts[i]), error))
      return false;
  int64_t port_base = 0;
  if (!spec_read_int(object, "port_base", 0, 65535, &port_base, error) ||
      !spec_read_int(object, "tail", -1, INT64_MAX, &frame->tail, error))
    return false;
  frame->port_base = (int)port_base;
  frame->follow = jget_flag(object, "follow", false);
  if (!spec_read_strv(object, "argv", &frame->argv, error))
    return false;
  return frame_read_lists(object, frame, error);
}

static FrameType frame_type_of(const char *word)
{
  for (int i = FRAME_UNKNOWN + 1; i < FRAME_N; i++)
    if (strcmp(word, frame_type_word((FrameType)i)) == 0)
      return (FrameType)i;
  return FRAME_UNKNOWN;
}

Frame *frame_parse(const char *text, size_t length, GError **error)
{
  if (length > FRAME_BYTES_MAX) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT, "frame of %zu bytes; allowed: %d", length,
                FRAME_BYTES_MAX);
    return NULL;
  }
  json_t *object = json_parse(text, length, error);
  if (!object)
    return NULL;
  const char *word = jget_str(object, "type", NULL);
  g_autoptr(Frame) frame = frame_new(word ? frame_type_of(word) : FRAME_UNKNOWN);
  bool ok = word ? true : spec_bad(error, "type", "text");
  if (ok && frame->type == FRAME_UNKNOWN)
    frame->data = g_strdup(word);
  else
    ok = ok && frame_read(object, frame, error);
  json_decref(object);
  return ok ? g_steal_pointer(&frame) : NULL;
}
