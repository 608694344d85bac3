/* Frames of every type through JSON and back, the spec of an instance, the words of states, maps;
 * and frames that a peer should not send.
 */
#include "base/error.h"
#include "base/json.h"
#include "model/frame.h"

#include <string.h>

static char *written(const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return frame_write(frame);
}

#define SPEC                                                                                                                                                                                     \
  "{\"deployment\":\"desk\",\"agent\":\"news\",\"replica\":2,\"stage\":4,\"kind\":1,\"argv\":[\"run\",\"\"],\"environment\":[\"A=1\"],"                                                          \
  "\"references\":[\"K=secret:s\"],\"of_caller\":[\"HOME\"],\"working_dir\":\"/w\",\"user\":\"u\",\"port\":9001,\"agent_text\":\"t\",\"peers\":\"[1]\",\"health\":{\"kind\":3,\"argv\":[\"p\"]," \
  "\"interval_ms\":1,\"timeout_ms\":2,\"retries\":4,\"start_period_ms\":5},\"restart\":{\"policy\":2,\"max\":-1,\"delay_ms\":6,"                                                                 \
  "\"max_delay_ms\":7,\"stable_ms\":8},\"stop\":{\"signal\":9,\"grace_ms\":10},\"resources\":{\"cpu_milli\":1500,\"memory_bytes\":11,"                                                           \
  "\"pids\":12,\"gpu\":1}}"

/* As the writer writes them: members in its order, what is empty left out. */
static const char *const frames[] = {
    "{\"type\":\"hello\",\"protocol\":1,\"node\":\"n1\",\"name\":\"host\",\"boot_id\":\"b\",\"version\":\"0.1\",\"cgroups\":\"v2\",\"unenforced\":\"memory cpu\",\"reports\":[]}",
    "{\"type\":\"hello\",\"protocol\":1,\"node\":\"n1\",\"reports\":[{\"id\":\"ins_000001\",\"epoch\":1,\"generation\":2,\"state\":\"backoff\","
    "\"health\":\"unhealthy\",\"attempt\":3,\"restarts\":4,\"pid\":5,\"port\":6,\"exit_code\":7,\"exit_signal\":0,\"since_ms\":8,\"reason\":\"r\\n\","
    "\"output\":\"o\",\"peers\":\"0123456789abcdef\"}]}",
    "{\"type\":\"list\",\"seq\":2,\"more\":1,\"reports\":[{\"id\":\"ins_000001\",\"epoch\":1,\"generation\":2,\"state\":\"stopped\","
    "\"health\":\"unknown\",\"attempt\":1,\"restarts\":0,\"pid\":0,\"port\":0,\"exit_code\":-1,\"exit_signal\":0,\"since_ms\":8}]}",
    "{\"type\":\"heartbeat\",\"seq\":9223372036854775807}",
    "{\"type\":\"report\",\"reports\":[{\"id\":\"ins_000001\",\"epoch\":1,\"generation\":2,\"state\":\"running\",\"health\":\"healthy\",\"attempt\":1,"
    "\"restarts\":0,\"pid\":5,\"port\":6,\"exit_code\":-1,\"exit_signal\":64,\"since_ms\":8}]}",
    "{\"type\":\"reserved\",\"request\":7,\"reservations\":[{\"id\":\"a\",\"port\":9001},{\"id\":\"b\",\"port\":0,\"error\":\"taken\"}]}",
    "{\"type\":\"log-data\",\"request\":7,\"data\":\"line\\n\"}",
    "{\"type\":\"log-end\",\"request\":7,\"error\":\"gone\"}",
    "{\"type\":\"unknown-type\",\"data\":\"dance\"}",
    "{\"type\":\"welcome\",\"term\":3,\"protocol\":1,\"lease_ms\":35000,\"heartbeat_ms\":10000,\"version\":\"0.1\"}",
    "{\"type\":\"refuse\",\"term\":3,\"error\":\"not yours\",\"store\":\"aa\"}",
    "{\"type\":\"relist\",\"term\":3}",
    "{\"type\":\"heartbeat-ack\",\"term\":3,\"seq\":4}",
    "{\"type\":\"reserve\",\"term\":3,\"request\":7,\"port_base\":8100,\"instructions\":[{\"id\":\"a\",\"epoch\":1,\"generation\":2,\"port_fixed\":true,"
    "\"spec\":" SPEC "}]}",
    "{\"type\":\"release\",\"term\":3,\"request\":7}",
    "{\"type\":\"start\",\"term\":3,\"instructions\":[{\"id\":\"a\",\"epoch\":1,\"generation\":2,\"spec\":" SPEC
    "}]}",
    "{\"type\":\"stop\",\"term\":3,\"instructions\":[{\"id\":\"a\",\"epoch\":1,\"generation\":2}]}",
    "{\"type\":\"forget\",\"term\":3,\"instructions\":[{\"id\":\"a\",\"epoch\":1,\"generation\":2}]}",
    "{\"type\":\"peers\",\"term\":3,\"instructions\":[{\"id\":\"a\",\"epoch\":1,\"generation\":2,\"peers\":\"[]\"}]}",
    "{\"type\":\"log-read\",\"term\":3,\"request\":7,\"since_ms\":5,\"credit\":8,\"instance\":\"a\",\"tail\":0,\"follow\":true}",
    "{\"type\":\"log-credit\",\"term\":3,\"request\":7,\"credit\":1}",
    "{\"type\":\"log-cancel\",\"term\":3,\"request\":7}",
    "{\"type\":\"exec\",\"term\":3,\"request\":7,\"credit\":8,\"timeout_ms\":9,\"instance\":\"a\",\"argv\":[\"ls\",\"\"]}",
    "{\"type\":\"secret-read\",\"request\":7,\"instance\":\"a\"}",
    "{\"type\":\"secrets\",\"term\":3,\"request\":7,\"instance\":\"a\",\"data\":\"{}\"}",
    "{\"type\":\"exec-credit\",\"term\":3,\"request\":7,\"credit\":1}",
    "{\"type\":\"exec-cancel\",\"term\":3,\"request\":7}",
    "{\"type\":\"exec-data\",\"request\":7,\"data\":\"aGk=\",\"stream\":\"stderr\"}",
    "{\"type\":\"exec-end\",\"request\":7,\"exit_code\":3}",
};

static void test_round_trips(void)
{
  bool seen[FRAME_N] = {[FRAME_UNKNOWN] = true};
  for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
    g_autofree char *again = written(frames[i]);
    g_assert_cmpstr(again, ==, frames[i]);
    g_autoptr(Frame) frame = frame_parse(frames[i], strlen(frames[i]), NULL);
    seen[frame->type] = true;
  }
  for (int type = 0; type < FRAME_N; type++)
    if (!seen[type])
      g_error("no frame of type '%s' is tested", frame_type_word((FrameType)type));
}

/* Fields of a later version are no reason to hang up, nor is a type of one. */
static void test_later_versions(void)
{
  g_autofree char *again = written("{\"type\":\"heartbeat\",\"seq\":1,\"mood\":{\"a\":[1]}}");
  g_assert_cmpstr(again, ==, "{\"type\":\"heartbeat\",\"seq\":1}");
  g_autoptr(Frame) frame = frame_parse("{\"type\":\"dance\",\"seq\":\"x\"}", 26, NULL);
  g_assert_cmpint(frame->type, ==, FRAME_UNKNOWN);
  g_assert_cmpstr(frame->data, ==, "dance");
}

static void test_refused(void)
{
  static const struct {
    const char *text;
    int code;
    const char *message;
  } rows[] = {
      {"", REEVE_ERROR_USAGE, "JSON line 1"},
      {"{\"type\":\"stop\"", REEVE_ERROR_USAGE, "JSON line 1"},
      {"[]", REEVE_ERROR_INVALID, "member 'type': wanted text"},
      {"{}", REEVE_ERROR_INVALID, "member 'type': wanted text"},
      {"{\"type\":1}", REEVE_ERROR_INVALID, "member 'type': wanted text"},
      {"{\"type\":\"stop\",\"term\":-1}", REEVE_ERROR_INVALID,
       "member 'term': wanted a whole number from 0 to 9223372036854775807"},
      {"{\"type\":\"stop\",\"term\":\"1\"}", REEVE_ERROR_INVALID,
       "member 'term': wanted a whole number"},
      {"{\"type\":\"hello\",\"node\":1}", REEVE_ERROR_INVALID, "member 'node': wanted text"},
      {"{\"type\":\"reserve\",\"port_base\":65536}", REEVE_ERROR_INVALID,
       "member 'port_base': wanted a whole number from 0 to 65535"},
      {"{\"type\":\"stop\",\"instructions\":{}}", REEVE_ERROR_INVALID,
       "member 'instructions': wanted a list"},
      {"{\"type\":\"stop\",\"instructions\":[{}]}", REEVE_ERROR_INVALID,
       "member 'instructions[].id': wanted 1 to 64 characters"},
      {"{\"type\":\"stop\",\"instructions\":[{\"id\":\"\"}]}", REEVE_ERROR_INVALID,
       "member 'instructions[].id': wanted 1 to 64 characters"},
      {"{\"type\":\"stop\",\"instructions\":[{\"id\":\"12345678901234567890123456789012345678901234567890123456789012345\"}]}",
       REEVE_ERROR_INVALID, "member 'instructions[].id': wanted 1 to 64 characters"},
      {"{\"type\":\"start\",\"instructions\":[{\"id\":\"a\",\"spec\":[]}]}", REEVE_ERROR_INVALID,
       "member 'spec': wanted an object"},
      {"{\"type\":\"start\",\"instructions\":[{\"id\":\"a\",\"spec\":{\"agent\":\"a\"}}]}",
       REEVE_ERROR_INVALID, "member 'argv': wanted at least one word"},
      {"{\"type\":\"start\",\"instructions\":[{\"id\":\"a\",\"spec\":{\"argv\":[\"x\"],\"health\":{\"kind\":3}}}]}",
       REEVE_ERROR_INVALID, "member 'health.argv': wanted at least one word"},
      {"{\"type\":\"report\",\"reports\":[{\"id\":\"a\",\"state\":\"dancing\"}]}",
       REEVE_ERROR_INVALID, "member 'state': wanted a state of an instance"},
      {"{\"type\":\"report\",\"reports\":[{\"id\":\"a\",\"health\":\"ill\"}]}", REEVE_ERROR_INVALID,
       "member 'health': wanted unknown, healthy, unhealthy or unreachable"},
      {"{\"type\":\"report\",\"reports\":[{\"id\":\"a\",\"exit_code\":256}]}", REEVE_ERROR_INVALID,
       "member 'exit_code': wanted a whole number from -1 to 255"},
      {"{\"type\":\"reserved\",\"reservations\":[{\"id\":\"a\",\"port\":-1}]}", REEVE_ERROR_INVALID,
       "member 'port': wanted a whole number from 0 to 65535"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Frame) frame = frame_parse(rows[i].text, strlen(rows[i].text), &error);
    if (frame || !strstr(error->message, rows[i].message))
      g_error("%s: %s, wanted %s", rows[i].text, frame ? "taken" : error->message, rows[i].message);
    g_assert_error(error, REEVE_ERROR, rows[i].code);
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(frame_parse("{}", (size_t)FRAME_BYTES_MAX + 1, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT);
}

static void test_spec(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(InstanceSpec) spec = instance_spec_parse(SPEC, strlen(SPEC), &error);
  g_assert_no_error(error);
  g_autoptr(GString) out = g_string_new(NULL);
  instance_spec_write(spec, out);
  g_assert_cmpstr(out->str, ==, SPEC);
  g_autoptr(InstanceSpec) copy = instance_spec_copy(spec);
  g_string_truncate(out, 0);
  instance_spec_write(copy, out);
  g_assert_cmpstr(out->str, ==, SPEC);
  g_autoptr(InstanceSpec) least = instance_spec_parse("{\"argv\":[\"x\"]}", 14, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(least->peers, ==, "[]");
  g_assert_nonnull(least->environment);
  g_assert_cmpint(least->restart.max, ==, 3);
  g_assert_null(instance_spec_parse("{\"argv\":[\"x\"],\"port\":70000}", 27, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_clear_error(&error);
  g_assert_null(instance_spec_parse("{", 1, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_USAGE);
}

static void test_copy(void)
{
  g_autoptr(Frame) frame = frame_parse(frames[1], strlen(frames[1]), NULL);
  const InstanceReport *report = frame->reports->pdata[0];
  InstanceReport *copy = instance_report_copy(report);
  g_assert_true(copy->reason != report->reason);
  g_ptr_array_set_size(frame->reports, 0);
  g_ptr_array_add(frame->reports, copy);
  g_autofree char *again = frame_write(frame);
  g_assert_cmpstr(again, ==, frames[1]);
}

#define CHECK_WORDS(n, word, parse)             \
  do {                                          \
    for (int i = 0; i < (int)(n); i++)          \
      g_assert_cmpint(parse(word(i)), ==, i);   \
    g_assert_cmpint(parse("nonsense"), ==, -1); \
    g_assert_cmpint(parse(""), ==, -1);         \
  } while (0)

static void test_words(void)
{
  CHECK_WORDS(DEPLOYMENT_N, deployment_status_word, deployment_status_parse);
  CHECK_WORDS(OUTCOME_N, rollout_outcome_word, rollout_outcome_parse);
  CHECK_WORDS(ROLLOUT_KIND_N, rollout_kind_word, rollout_kind_parse);
  CHECK_WORDS(ROLLOUT_PHASE_N, rollout_phase_word, rollout_phase_parse);
  CHECK_WORDS(INSTANCE_N, instance_state_word, instance_state_parse);
  CHECK_WORDS(HEALTH_N, health_word, health_parse);
  CHECK_WORDS(NODE_N, node_status_word, node_status_parse);
  CHECK_WORDS(ROLE_N, role_word, role_parse);
  CHECK_WORDS(6, topology_type_word, topology_type_parse);
}

static void test_map(void)
{
  StrMap map;
  strmap_init(&map);
  g_assert_null(strmap_get(&map, "a"));
  strmap_set(&map, "b", "1");
  strmap_set(&map, "a", "2");
  strmap_set(&map, "b", "3");
  g_assert_cmpuint(strmap_size(&map), ==, 2);
  g_assert_cmpstr(strmap_at(&map, 0)->key, ==, "b"); /* in place */
  g_assert_cmpstr(strmap_get(&map, "b"), ==, "3");
  g_assert_cmpstr(strmap_get(&map, "a"), ==, "2");
  strmap_done(&map);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model/frames/round-trips", test_round_trips);
  g_test_add_func("/model/frames/later-versions", test_later_versions);
  g_test_add_func("/model/frames/refused", test_refused);
  g_test_add_func("/model/spec", test_spec);
  g_test_add_func("/model/frames/copy", test_copy);
  g_test_add_func("/model/words", test_words);
  g_test_add_func("/model/map", test_map);
  return g_test_run();
}
