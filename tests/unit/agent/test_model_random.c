/* Answers of model servers made at random from a seed, in every shape that servers were seen to
 * use, cut at any byte: what was said comes through exactly. A failure names its seed; that seed as
 * the only argument plays it alone. */
#include "agent/model_stream.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS = 2000, PIECES_MAX = 12, CALLS_MAX = 4 };

/* How the tool calls of a stream are numbered and named. */
typedef enum Numbering {
  FROM_ZERO,
  FROM_ONE,
  ANY_ORDER,    /* distinct numbers, not rising */
  ALL_ZERO,     /* every call is number 0; each comes whole and has an id */
  NO_INDEX,     /* no numbers; each has an id */
  NO_NAME_TAGS, /* neither; all come whole in one chunk */
  NUMBERINGS
} Numbering;

typedef struct Call {
  char *id, *name, *arguments;
} Call;

/* One answer: what it says, and the bytes that say it. */
typedef struct Script {
  GRand *rand;
  bool openai, reasons, objects;
  Numbering numbering;
  const char *line_end;
  Call calls[CALLS_MAX];
  guint n_calls;
  GString *text, *reasoning, *bytes;
  const char *finish;
  int prompt_tokens, completion_tokens;
} Script;

static guint pick(Script *script, guint n)
{
  return (guint)g_rand_int_range(script->rand, 0, (gint32)n);
}

static bool chance(Script *script, guint one_in)
{
  return pick(script, one_in) == 0;
}

/* ---- JSON, written in many ways ---- */

static void blanks(Script *script, GString *out)
{
  static const char *const kinds[] = {" ", "\t", "  "};
  if (chance(script, 4))
    g_string_append(out, kinds[pick(script, 3)]);
}

static void put_unit(Script *script, GString *out, guint unit)
{
  g_string_append_printf(out, chance(script, 2) ? "\\u%04x" : "\\u%04X", unit);
}

static void put_character(Script *script, GString *out, gunichar c)
{
  const char *plain = strchr("\"\\", (int)c), *letters = "nrt", *controls = "\n\r\t";
  if (c < 0x20) {
    const char *known = strchr(controls, (int)c);
    if (known && chance(script, 2))
      g_string_append_printf(out, "\\%c", letters[known - controls]);
    else
      put_unit(script, out, c);
  } else if (c < 0x80 && plain) {
    g_string_append_printf(out, "\\%c", (char)c);
  } else if (!chance(script, 8)) {
    g_string_append_unichar(out, c);
  } else if (c < 0x10000) {
    put_unit(script, out, c);
  } else {
    put_unit(script, out, 0xD800 + ((c - 0x10000) >> 10));
    put_unit(script, out, 0xDC00 + ((c - 0x10000) & 0x3FF));
  }
}

/* @text as a JSON text. Caller frees. */
static char *quoted(Script *script, const char *text)
{
  GString *out = g_string_new("\"");
  for (const char *p = text; *p; p = g_utf8_next_char(p))
    put_character(script, out, g_utf8_get_char(p));
  g_string_append_c(out, '"');
  return g_string_free(out, FALSE);
}

/* An object being made: its members come in any order. */
static GPtrArray *object_new(void)
{
  return g_ptr_array_new_with_free_func(g_free);
}

/* @value is taken. */
static void member(GPtrArray *object, const char *key, char *value)
{
  g_ptr_array_add(object, g_strdup_printf("\"%s\":%s", key, value));
  g_free(value);
}

/* Caller frees; @object is taken. */
static char *object_text(Script *script, GPtrArray *object)
{
  GString *out = g_string_new("{");
  blanks(script, out);
  while (object->len) {
    g_autofree char *one = g_ptr_array_steal_index(object, pick(script, object->len));
    g_string_append(out, one);
    blanks(script, out);
    if (object->len)
      g_string_append_c(out, ',');
    blanks(script, out);
  }
  g_string_append_c(out, '}');
  g_ptr_array_unref(object);
  return g_string_free(out, FALSE);
}

/* ---- what is said ---- */

static char *words(Script *script, guint most)
{
  static const char *const alphabet[] = {"a",      "Z",      "7",   " ", "\n",
                                         "\"",     "\\",     "/",   "{", "}",
                                         "data: ", "[DONE]", "é",   "€", "\xF0\x9F\x98\x80",
                                         "\t",     "\x01",   "\x7f"};
  GString *out = g_string_new(NULL);
  for (guint n = pick(script, most + 1); n > 0; n--)
    g_string_append(out, alphabet[pick(script, G_N_ELEMENTS(alphabet))]);
  return g_string_free(out, FALSE);
}

/* ---- framing ---- */

/* Things between events that say nothing. */
static void put_noise(Script *script)
{
  static const char *const noise[] = {": ping%s%s", "data:%s%s", "event: keepalive%sdata: %s%s",
                                      "id: 7%s%s", "retry: 3000%s%s"};
  const char *end = script->line_end;
  if (!chance(script, 4))
    return;
  if (!script->openai) {
    g_string_append_printf(script->bytes, "%s%s", chance(script, 2) ? "  " : "", end);
    return;
  }
  for (const char *p = noise[pick(script, G_N_ELEMENTS(noise))]; *p; p++) {
    g_string_append(script->bytes, *p == '%' ? end : (char[]){*p, '\0'});
    p += *p == '%';
  }
}

/* Is @at outside of every text of @json? */
static bool between_members(const char *json, const char *at)
{
  JsonWalk walk = {0};
  json_walk(&walk, json, (size_t)(at - json));
  return !walk.quoted;
}

/* @json is taken. */
static void put_document(Script *script, char *json)
{
  put_noise(script);
  if (script->openai) {
    if (chance(script, 6))
      g_string_append_printf(script->bytes, "event: message%s", script->line_end);
    /* one event on two lines of data */
    const char *comma = chance(script, 5) ? strstr(json, ",\"") : NULL;
    if (comma && between_members(json, comma))
      g_string_append_printf(script->bytes, "data: %.*s%sdata:%s", (int)(comma + 1 - json), json,
                             script->line_end, comma + 1);
    else
      g_string_append_printf(script->bytes, "data:%s%s", chance(script, 4) ? "" : " ", json);
    g_string_append(script->bytes, script->line_end);
  } else {
    g_string_append(script->bytes, json);
  }
  g_string_append(script->bytes, script->line_end);
  g_free(json);
}

/* A document of the answer: @delta is what it adds, which is taken; @finish NULL = more comes. */
static void put_piece(Script *script, GPtrArray *delta, const char *finish)
{
  GPtrArray *root = object_new();
  if (chance(script, 3))
    member(delta, "role", g_strdup("\"assistant\""));
  char *delta_text = object_text(script, delta);
  if (script->openai) {
    GPtrArray *choice = object_new();
    member(choice, "delta", delta_text);
    member(choice, "index", g_strdup("0"));
    if (finish)
      member(choice, "finish_reason", g_strdup_printf("\"%s\"", finish));
    else if (chance(script, 2))
      member(choice, "finish_reason", g_strdup(chance(script, 3) ? "\"\"" : "null"));
    g_autofree char *choice_text = object_text(script, choice);
    member(root, "choices", g_strdup_printf("[%s]", choice_text));
  } else {
    member(root, "message", delta_text);
    member(root, "done", g_strdup(finish ? "true" : "false"));
    if (finish) {
      member(root, "done_reason", g_strdup_printf("\"%s\"", finish));
      member(root, "prompt_eval_count", g_strdup_printf("%d", script->prompt_tokens));
      member(root, "eval_count", g_strdup_printf("%d", script->completion_tokens));
    }
  }
  if (chance(script, 2))
    member(root, "id", g_strdup("\"c-1\""));
  if (chance(script, 3))
    member(root, "created", g_strdup_printf("%u", pick(script, 1 << 30)));
  put_document(script, object_text(script, root));
}

/* ---- tool calls ---- */

static void make_calls(Script *script)
{
  script->n_calls = chance(script, 2) ? 0 : 1 + pick(script, CALLS_MAX);
  for (guint i = 0; i < script->n_calls; i++) {
    g_autofree char *said = words(script, 6);
    json_t *arguments = json_pack("{s:i,s:s,s:{}}", "n", (int)i, "text", said, "empty");
    char *text = json_dumps(arguments, JSON_COMPACT | JSON_SORT_KEYS);
    script->calls[i] = (Call){.id = script->openai && script->numbering != NO_NAME_TAGS
                                        ? g_strdup_printf("id_%u", i)
                                        : g_strdup(""),
                              .name = g_strdup_printf("tool_%u", pick(script, 2)),
                              .arguments = g_strdup(text)};
    free(text);
    json_decref(arguments);
  }
}

static int call_number(const Script *script, guint i)
{
  static const int any_order[CALLS_MAX] = {3, 0, 7, 1};
  return script->numbering == FROM_ZERO   ? (int)i
         : script->numbering == FROM_ONE  ? (int)i + 1
         : script->numbering == ANY_ORDER ? any_order[i]
                                          : 0;
}

/* A piece of call @i: its @length bytes of arguments from @from; caller frees. */
static char *call_piece(Script *script, guint i, size_t from, size_t length)
{
  const Call *call = &script->calls[i];
  GPtrArray *piece = object_new(), *function = object_new();
  bool whole = length == strlen(call->arguments);
  g_autofree char *part = g_strndup(call->arguments + from, length);
  if (!from)
    member(function, "name", g_strdup_printf("\"%s\"", call->name));
  member(function, "arguments",
         whole && (script->objects || !script->openai) ? g_strdup(call->arguments)
                                                       : quoted(script, part));
  member(piece, "function", object_text(script, function));
  if (call->id[0] && (!from || chance(script, 3)))
    member(piece, "id", g_strdup_printf("\"%s\"", call->id));
  if (script->openai && script->numbering < NO_INDEX)
    member(piece, "index", g_strdup_printf("%d", call_number(script, i)));
  if (chance(script, 2))
    member(piece, "type", g_strdup("\"function\""));
  return object_text(script, piece);
}

/* @list is what stands between the brackets, which is taken. */
static void put_calls(Script *script, char *list)
{
  GPtrArray *delta = object_new();
  member(delta, "tool_calls", g_strdup_printf("[%s]", list));
  if (chance(script, 2))
    member(delta, "content", g_strdup(script->openai ? "null" : "\"\""));
  put_piece(script, delta, NULL);
  g_free(list);
}

/* All calls in one document, or one after another, whole or bit by bit. */
static void say_calls(Script *script)
{
  bool in_bits = script->openai && script->numbering != ALL_ZERO &&
                 script->numbering != NO_NAME_TAGS && !script->objects;
  bool together = script->numbering == NO_NAME_TAGS || chance(script, 3);
  GString *list = g_string_new(NULL);
  for (guint i = 0; i < script->n_calls; i++) {
    size_t n = strlen(script->calls[i].arguments), from = 0;
    while (from < n) {
      guint bit = 1 + pick(script, 9);
      size_t length = in_bits && !together ? MIN(n - from, bit) : n;
      while (from + length < n && (script->calls[i].arguments[from + length] & 0xC0) == 0x80)
        length++; /* no server cuts a character between two documents */
      g_autofree char *piece = call_piece(script, i, from, length);
      g_string_append_printf(list, "%s%s", list->len ? "," : "", piece);
      from += length;
      if (!together)
        put_calls(script, g_strdup(list->str));
      if (!together)
        g_string_truncate(list, 0);
    }
  }
  if (list->len)
    put_calls(script, g_strdup(list->str));
  g_string_free(list, TRUE);
}

/* ---- the answer ---- */

static void say_text(Script *script, GString *into, const char *key)
{
  for (guint n = 1 + pick(script, PIECES_MAX); n > 0; n--) {
    GPtrArray *delta = object_new();
    g_autofree char *said = words(script, 8);
    g_string_append(into, said);
    member(delta, key, quoted(script, said));
    put_piece(script, delta, NULL);
  }
}

static void say_end(Script *script)
{
  put_piece(script, object_new(), script->finish);
  if (!script->openai)
    return;
  put_document(
      script,
      g_strdup_printf("{\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}",
                      script->prompt_tokens, script->completion_tokens));
  if (!chance(script, 5))
    g_string_append_printf(script->bytes, "data: [DONE]%s%s%s", chance(script, 3) ? " " : "",
                           script->line_end, script->line_end);
}

static void script_init(Script *script, guint32 seed)
{
  static const char *const ends[] = {"\n", "\r\n", "\r"}, *const finishes[] = {"stop", "length",
                                                                               "content_filter"};
  *script = (Script){.rand = g_rand_new_with_seed(seed),
                     .text = g_string_new(NULL),
                     .reasoning = g_string_new(NULL),
                     .bytes = g_string_new(NULL)};
  script->openai = chance(script, 2);
  script->reasons = chance(script, 3);
  script->objects = chance(script, 4);
  script->numbering = (Numbering)pick(script, NUMBERINGS);
  script->line_end = ends[pick(script, script->openai ? 3 : 2)];
  script->finish = finishes[pick(script, 3)];
  script->prompt_tokens = (int)pick(script, 1000);
  script->completion_tokens = (int)pick(script, 1000);
  if (chance(script, 8))
    g_string_append(script->bytes, "\xEF\xBB\xBF");
  make_calls(script);
  if (script->reasons)
    say_text(script, script->reasoning, script->openai ? "reasoning_content" : "thinking");
  say_text(script, script->text, "content");
  say_calls(script);
  say_end(script);
}

static void script_done(Script *script)
{
  for (guint i = 0; i < script->n_calls; i++) {
    g_free(script->calls[i].id);
    g_free(script->calls[i].name);
    g_free(script->calls[i].arguments);
  }
  g_string_free(script->text, TRUE);
  g_string_free(script->reasoning, TRUE);
  g_string_free(script->bytes, TRUE);
  g_rand_free(script->rand);
}

/* ---- what is heard ---- */

static bool heard(const char *text, size_t length, void *data)
{
  g_string_append_len(data, text, (gssize)length);
  return true;
}

static void compare_calls(const Script *script, const ModelStream *stream)
{
  g_assert_cmpuint(stream->tool_calls->len, ==, script->n_calls);
  for (guint i = 0; i < script->n_calls; i++) {
    const ToolCall *call = g_ptr_array_index(stream->tool_calls, i);
    g_assert_cmpstr(call->id, ==, script->calls[i].id);
    g_assert_cmpstr(call->name, ==, script->calls[i].name);
    json_t *said = json_loads(script->calls[i].arguments, 0, NULL),
           *got = json_loads(call->arguments, 0, NULL);
    g_assert_true(got && json_equal(said, got));
    json_decref(said);
    json_decref(got);
  }
}

static guint32 playing;

/* Says which seed it was when an assertion ends the program. */
static void say_seed(int signal_number)
{
  char text[64];
  int n = g_snprintf(text, sizeof text, "# seed %u\n", playing);
  (void)!write(STDOUT_FILENO, text, (size_t)n);
  signal(signal_number, SIG_DFL);
}

static void play(guint32 seed)
{
  Script script;
  script_init(&script, seed);
  playing = seed;
  GString *text = g_string_new(NULL);
  const ModelFormat *format = script.openai ? &openai_format : &ollama_format;
  ModelStream *stream = model_stream_new(format, format->framing, heard, text);
  guint step_max = chance(&script, 3) ? 1 : 1 + pick(&script, 200);
  for (size_t at = 0; at < script.bytes->len;) {
    guint wanted = 1 + pick(&script, step_max);
    size_t step = MIN(script.bytes->len - at, wanted);
    /* of its very size, so that ASan sees a step beyond it */
    g_autofree char *piece = g_memdup2(script.bytes->str + at, step);
    if (!model_stream_feed(stream, piece, step))
      break;
    at += step;
  }
  model_stream_end(stream);
  g_assert_cmpstr(stream->error, ==, NULL);
  g_assert_true(stream->over);
  g_assert_cmpstr(text->str, ==, script.text->str);
  g_assert_cmpstr(stream->reasoning ? stream->reasoning->str : "", ==, script.reasoning->str);
  g_assert_cmpstr(stream->finish, ==, script.finish);
  g_assert_cmpint(stream->prompt_tokens, ==, script.prompt_tokens);
  g_assert_cmpint(stream->completion_tokens, ==, script.completion_tokens);
  compare_calls(&script, stream);
  model_stream_free(stream);
  g_string_free(text, TRUE);
  script_done(&script);
}

static void test_seeds(void)
{
  for (guint32 seed = 1; seed <= SEEDS; seed++)
    play(seed);
}

int main(int argc, char **argv)
{
  signal(SIGABRT, say_seed);
  if (argc == 2 && g_ascii_isdigit(argv[1][0])) {
    play((guint32)strtoul(argv[1], NULL, 10));
    return 0;
  }
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model-random/seeds", test_seeds);
  return g_test_run();
}
