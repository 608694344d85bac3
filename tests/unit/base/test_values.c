/* The small values of base: points in time, ids, escaped text, names, JSON in and out, errors. */
#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/system.h"
#include "base/text.h"
#include "base/time.h"

#include <string.h>
#include <sys/resource.h>

static void test_time(void)
{
  static const struct {
    const char *text;
    int64_t ms;
  } good[] = {{"1970-01-01T00:00:00.000Z", 0},
              {"2026-11-21T04:30:00.123Z", 1795235400123},
              {"2024-02-29T23:59:59.999Z", 1709251199999},
              {"9999-12-31T23:59:59.999Z", 253402300799999}};
  for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
    char text[ISO_TIME_BYTES];
    time_iso(good[i].ms, text);
    g_assert_cmpstr(text, ==, good[i].text);
    g_assert_cmpint(time_parse_iso(text), ==, good[i].ms);
  }
  g_assert_cmpint(time_parse_iso("2026-11-21T04:30:00Z"), ==, 1795235400000);
  g_assert_cmpint(time_parse_iso("2026-11-21T04:30:00.5Z"), ==, 1795235400500);
  g_assert_cmpint(time_parse_iso("2026-11-21T06:00:00.5+01:30"), ==, 1795235400500);
  g_assert_cmpint(time_parse_iso("2026-11-20T23:30:00-05:00"), ==, 1795235400000);
  g_assert_cmpint(time_parse_iso("2026-11-21T04:30:00.123456+00:00"), ==, 1795235400123);
  g_assert_cmpint(time_parse_iso("2026-11-21T04:30:00.1239999Z"), ==, 1795235400123);
  g_assert_cmpint(time_parse_iso("2016-12-31T23:59:60Z"), ==, 1483228800000); /* a leap second */
}

static void test_time_refused(void)
{
  static const char *const bad[] = {"",
                                    "now",
                                    "2026-11-21",
                                    "2026-11-21T04:30:00",
                                    "2026-11-21T04:30:00+1:00",
                                    "2026-11-21T04:30:00+01:00Z",
                                    "2026-11-21T04:30:00+0100",
                                    "2026-11-21T04:30:00+24:00",
                                    "2026-11-21T04:30:00+ 1:00",
                                    "2026-11-21T04:30:00.123Zx",
                                    "2026-11-21 04:30:00Z",
                                    "2026-13-21T04:30:00Z",
                                    "2026-00-21T04:30:00Z",
                                    "2026-11-00T04:30:00Z",
                                    "2026-02-30T04:30:00Z",
                                    "2023-02-29T04:30:00Z",
                                    "2026-11-21T24:30:00Z",
                                    "2026-11-21T04:60:00Z",
                                    "2026-11-21T04:30:61Z",
                                    "2026-11-21T04: 3:00Z",
                                    "-026-11-21T04:30:00Z",
                                    "2026-+1-21T04:30:00Z",
                                    "2026-1-21T04:30:00Z"};
  g_assert_cmpint(time_parse_iso(NULL), ==, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    if (time_parse_iso(bad[i]) != -1)
      g_error("'%s' was taken for a time", bad[i]);
}

static void test_ids(void)
{
  static const uint64_t numbers[] = {0,
                                     1,
                                     31,
                                     32,
                                     1023,
                                     32767,
                                     ID_SHORT_END - 1,
                                     ID_SHORT_END,
                                     ID_SHORT_END + 1,
                                     1073741823,
                                     1073741824,
                                     (UINT64_C(1) << 60) - 1};
  char before[ID_BYTES] = "", id[ID_BYTES];
  id_format(id, "dep", 0);
  g_assert_cmpstr(id, ==, "dep_000000");
  id_format(id, "ins", 33);
  g_assert_cmpstr(id, ==, "ins_000011");
  id_format(id, "rol", ID_SHORT_END - 1);
  g_assert_cmpstr(id, ==, "rol_yzzzzz");
  id_format(id, "rol", ID_SHORT_END);
  g_assert_cmpstr(id, ==, "rol_z000000z00000");
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
    id_format(id, "tsk", numbers[i]);
    g_assert_true(id_is(id, "tsk"));
    g_assert_false(id_is(id, "run"));
    g_assert_cmpuint(id_number(id), ==, numbers[i]);
    g_assert_cmpstr(id, >, before); /* text order is number order */
    g_strlcpy(before, id, sizeof before);
  }
  static const char *const bad[] = {
      "",           "dep",        "dep_",        "dep_00001",          "dep-000001",
      "dep_00000I", "dep_00000l", "dep_000001 ", "dep_00000000000001", "Dep_000001"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(id_is(bad[i], "dep"));
  g_assert_false(id_is(NULL, "dep"));
}

static void check_escape(const char *text, size_t max, const char *expected)
{
  g_autofree char *escaped = text_escape(text, max);
  g_assert_cmpstr(escaped, ==, expected);
  g_assert_true(g_utf8_validate(escaped, -1, NULL));
}

G_GNUC_PRINTF(2, 3) static void check_fields(const char *expected, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *fields = log_fields(format, &args);
  va_end(args);
  g_assert_cmpstr(fields, ==, expected);
}

/* A value is never taken for more than one field. */
static void test_fields(void)
{
  check_fields("path=/a id=ins_1", "path=%s id=%s", "/a", "ins_1");
  check_fields("path=\"/a peer=1.2.3.4\" n=-3", "path=%s n=%d", "/a peer=1.2.3.4", -3);
  check_fields("a=\"\" b=\"x\\\"y\" c=\"q\\\" d=1\"", "a=%s b=%s c=\"%s\"", "", "x\"y", "q\" d=1");
  check_fields("i=9000000000 u=7 z=8 100%", "i=%" G_GINT64_FORMAT " u=%u z=%zu 100%%",
               (gint64)9000000000, 7u, (size_t)8);
  check_fields("", "%s", "");
}

static void check_mask(const char *text, const char *expected)
{
  g_autofree char *masked = text_mask_userinfo(text);
  g_assert_cmpstr(masked, ==, expected);
}

static void test_mask(void)
{
  check_mask("postgres://u:hunter2@db/x", "postgres://***@db/x");
  check_mask("https://TOKEN@github.com/a b://c@d e", "https://***@github.com/a b://***@d e");
  check_mask("http://plain.example/a@b?c@d", "http://plain.example/a@b?c@d");
  check_mask("redis://:p@ss@host", "redis://***@host");
  check_mask("[\"--db\",\"mysql://a:b@h\",\"x@y\"]", "[\"--db\",\"mysql://***@h\",\"x@y\"]");
  check_mask("a@b ://", "a@b ://");
}

static void test_escape(void)
{
  check_escape("plain caf\xc3\xa9", 100, "plain caf\xc3\xa9");
  check_escape("\x1b[31mred\x07\x7f", 100, "\\x1b[31mred\\x07\\x7f");
  check_escape("\xc2\x9b"
               "31m",
               100, "\\xc2\\x9b31m"); /* the other way to write an escape sequence */
  /* what it reads as is not what it is */
  check_escape("a\u202eb\u2066c\u200fd\u061ce", 100, "a\\u202eb\\u2066c\\u200fd\\u061ce");
  check_escape("bad\xff\xc3", 100, "bad\\xff\\xc3");
  check_escape("0123456789", 4, "0123...");
  check_escape("0123", 4, "0123");
  check_escape(NULL, 4, "");
}

static void test_names(void)
{
  static const char *const good[] = {
      "a", "9", "A.b_c-d", "0123456789012345678901234567890123456789012345678901234567890123"};
  static const char *const bad[] = {
      "",    "-a",          ".a",
      "_a",  "a b",         "a/b",
      "a\n", "caf\xc3\xa9", "01234567890123456789012345678901234567890123456789012345678901234"};
  for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(text_is_name(good[i]));
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(text_is_name(bad[i]));
  g_assert_false(text_is_name(NULL));
}

static void test_json_write(void)
{
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "a", "q\"\\\n\t\r\x01\x7f caf\xc3\xa9 \xff");
  jw_str(out, "none", NULL);
  jw_int(out, "n", INT64_MIN);
  jw_bool(out, "t", true);
  jw_null(out, "z");
  jw_time(out, "at", 1000);
  jw_time(out, "never", 0);
  jw_raw(out, "raw", "[1]");
  jw_open(out, "list", '[');
  jw_int(out, NULL, 1);
  jw_str(out, NULL, ":");
  jw_str(out, NULL, "[");
  jw_open(out, NULL, '{');
  jw_close(out, '}');
  jw_open(out, NULL, '[');
  jw_close(out, ']');
  jw_close(out, ']');
  jw_close(out, '}');
  g_assert_cmpstr(
      out->str, ==,
      "{\"a\":\"q\\\"\\\\\\n\\t\\r\\u0001\\u007f caf\xc3\xa9 \xef\xbf\xbd\",\"none\":null,\"n\":-9223372036854775808,\"t\":true,"
      "\"z\":null,\"at\":\"1970-01-01T00:00:01.000Z\",\"never\":null,\"raw\":[1],\"list\":[1,\":\",\"[\",{},[]]}");
  g_autoptr(GError) error = NULL;
  json_t *back = json_parse(out->str, out->len, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(jget_str(back, "a", NULL), ==, "q\"\\\n\t\r\x01\x7f caf\xc3\xa9 \xef\xbf\xbd");
  g_assert_cmpint(jget_int(back, "n", 0), ==, INT64_MIN);
  g_assert_true(jget_flag(back, "t", false));
  json_decref(back);
}

/* What is absent or of another kind is the fallback. */
static void test_json_get(void)
{
  json_t *object = json_parse("{\"s\":\"x\",\"i\":7,\"r\":1.5,\"b\":false,\"n\":null}", 42, NULL);
  g_assert_nonnull(object);
  g_assert_cmpstr(jget_str(object, "s", "-"), ==, "x");
  g_assert_cmpstr(jget_str(object, "i", "-"), ==, "-");
  g_assert_cmpstr(jget_str(object, "none", "-"), ==, "-");
  g_assert_cmpstr(jget_str(NULL, "s", "-"), ==, "-");
  g_assert_cmpint(jget_int(object, "i", -1), ==, 7);
  g_assert_cmpint(jget_int(object, "r", -1), ==, -1);
  g_assert_cmpfloat(jget_real(object, "r", -1), ==, 1.5);
  g_assert_cmpfloat(jget_real(object, "i", -1), ==, 7);
  g_assert_cmpfloat(jget_real(object, "s", -1), ==, -1);
  g_assert_false(jget_flag(object, "b", true));
  g_assert_true(jget_flag(object, "i", true));
  json_decref(object);
}

static void json_refused(const char *text, size_t length, int code, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(json_parse(text, length, &error));
  g_assert_error(error, REEVE_ERROR, code);
  if (!strstr(error->message, message))
    g_error("wanted '%s' in '%s'", message, error->message);
}

static void test_json_hostile(void)
{
  json_refused("", 0, REEVE_ERROR_USAGE, "JSON line 1 column 0: ");
  json_refused("{\"a\":1,\n\"a\":2}", 14, REEVE_ERROR_USAGE,
               "JSON line 2 column 3: duplicate object key");
  json_refused("{\"a\":1} x", 9, REEVE_ERROR_USAGE, "end of file expected");
  json_refused("\"\\u0000\"", 8, REEVE_ERROR_USAGE, "JSON line 1");
  json_refused("\"\xff\"", 3, REEVE_ERROR_USAGE, "JSON line 1");
  json_refused("[1e999]", 7, REEVE_ERROR_USAGE, "JSON line 1");
  json_refused("[99999999999999999999]", 22, REEVE_ERROR_USAGE, "too big integer");
  GString *deep = g_string_new(NULL);
  for (int i = 0; i < JSON_DEPTH_MAX; i++)
    g_string_append_c(deep, '[');
  for (int i = 0; i < JSON_DEPTH_MAX; i++)
    g_string_append_c(deep, ']');
  json_t *fits = json_parse(deep->str, deep->len, NULL);
  g_assert_nonnull(fits);
  json_decref(fits);
  g_string_prepend_c(deep, '[');
  g_string_append_c(deep, ']');
  json_refused(deep->str, deep->len, REEVE_ERROR_LIMIT, "nested deeper than 64 levels");
  g_string_free(deep, TRUE);
  json_t *brackets = json_parse(
      "\"[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"", 73, NULL);
  g_assert_nonnull(brackets); /* in a text they are no depth */
  json_decref(brackets);
  json_refused("1", (size_t)JSON_BYTES_MAX + 1, REEVE_ERROR_LIMIT,
               "JSON document of 41943041 bytes; allowed: 41943040");
}

/* The codes that people's scripts know by number. */
static void test_errors(void)
{
  for (int code = 0; code < REEVE_ERROR_N; code++) {
    g_assert_cmpint(reeve_error_http(code), >=, 400);
    g_assert_cmpint(reeve_error_http(code), <, 600);
    g_assert_cmpint(reeve_error_exit(code), >=, 1);
    g_assert_cmpint(reeve_error_from_word(reeve_error_word(code)), ==, code);
    g_assert_nonnull(reeve_error_meaning(code));
    for (int other = 0; other < code; other++)
      g_assert_cmpint(reeve_error_exit(code), !=, reeve_error_exit(other));
  }
  g_assert_cmpint(reeve_error_exit(REEVE_ERROR_INVALID), ==, 3);
  g_assert_cmpint(reeve_error_exit(REEVE_ERROR_ROLLED_BACK), ==, 7);
  g_assert_cmpstr(reeve_error_word(REEVE_ERROR_N), ==, "internal");
  g_assert_cmpstr(reeve_error_word(-1), ==, "internal");
  g_assert_cmpint(reeve_error_from_word("no such word"), ==, REEVE_ERROR_INTERNAL);
}

static void test_random_hex(void)
{
  char a[65], b[65];
  for (size_t digits = 0; digits <= 64; digits++) {
    memset(a, 'x', sizeof a);
    system_random_hex(a, digits);
    g_assert_cmpuint(strlen(a), ==, digits);
    g_assert_cmpuint(strspn(a, "0123456789abcdef"), ==, digits);
  }
  system_random_hex(b, 64);
  g_assert_cmpstr(a, !=, b);
}

static guint64 table_of_files(void)
{
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
  const char *size = strstr(text, "FDSize:");
  g_assert_nonnull(size);
  return g_ascii_strtoull(size + strlen("FDSize:"), NULL, 10);
}

static void test_raise_files(void)
{
  struct rlimit limit;
  g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = 64;
  g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpuint(system_files_given(), ==, 64);
  system_raise_files(64);
  g_assert_cmpuint(system_files_given(), ==, 64);
  g_assert_cmpuint(table_of_files(), <, 4096);
  system_prepare_files();
  g_assert_cmpuint(table_of_files(), >=, MIN(4096, limit.rlim_max));
  system_raise_files(G_MAXUINT64 / 2);
  g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpuint(limit.rlim_cur, ==, limit.rlim_max); /* as far as it may */
  g_assert_cmpuint(system_files_given(), ==, 64); /* what belongs to others stays what it was */
}

/* What the parser of JavaScript reads, and how it comes out. */
static void test_json_foreign(void)
{
  static const struct {
    const char *text, *dump; /* NULL = refused by others too */
  } rows[] = {
      {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
      {"\xEF\xBB\xBF{\"a\":1}", "{\"a\":1}"},
      {"[\"x\\u0000y\"]", "[\"x\xEF\xBF\xBDy\"]"},
      {"{\"a\\u0000\":\"\\\\u0000\"}", "{\"a\xEF\xBF\xBD\":\"\\\\u0000\"}"},
      {"[\"\\ud83d\"]", "[\"\xEF\xBF\xBD\"]"},
      {"[\"\\ud83d\\ude00\\ud83d\"]", "[\"\xF0\x9F\x98\x80\xEF\xBF\xBD\"]"},
      {"[\"\\ude00\\ud83d\\u0041\\ud83d\\n\"]",
       "[\"\xEF\xBF\xBD\xEF\xBF\xBD\x41\xEF\xBF\xBD\\n\"]"},
      {"[\"caf\xe9\",\"\xe2\x82\"]", "[\"caf\xEF\xBF\xBD\",\"\xEF\xBF\xBD\xEF\xBF\xBD\"]"},
      {"[18446744073709551615,-99999999999999999999,123456789012345678]",
       "[1.8446744073709552e19,-1e20,123456789012345678]"},
      {"[1e999,-1e999,1e-999]", "[1.7976931348623157e308,-1.7976931348623157e308,0.0]"},
      {"\"\\u0000", NULL},
      {"[01]", NULL},
      {"[00000000000000000000000001]", NULL},
      {"[-]", NULL},
      {"[1..2]", NULL},
      {"[1e]", NULL},
      {"[\"a\nb\"]", NULL},
      {"{a:1}", NULL},
      {"[1,]", NULL},
      {"[\"\\x\"]", NULL},
      {"", NULL},
      {"\xEF\xBB\xBF", NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    size_t n = strlen(rows[i].text);
    g_autofree char *exact = g_memdup2(rows[i].text, n);
    g_autoptr(GError) error = NULL;
    json_t *value = json_parse_foreign(exact, n, &error);
    char *dump =
        value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY) : NULL;
    g_assert_cmpstr(dump, ==, rows[i].dump);
    g_assert_true((value == NULL) == (error != NULL));
    free(dump);
    json_decref(value);
  }
  g_autoptr(GString) deep = g_string_new(NULL);
  for (int i = 0; i < JSON_FOREIGN_DEPTH_MAX; i++)
    g_string_append_c(deep, '[');
  for (int i = 0; i < JSON_FOREIGN_DEPTH_MAX; i++)
    g_string_append_c(deep, ']');
  json_t *fits = json_parse_foreign(deep->str, deep->len, NULL);
  g_assert_nonnull(fits);
  json_decref(fits);
  g_string_prepend_c(deep, '[');
  g_assert_null(json_parse_foreign(deep->str, deep->len, NULL));
}

static void test_time_http(void)
{
  g_assert_cmpint(time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), ==, 784111777000);
  g_assert_cmpint(time_parse_http("Sat, 29 Feb 2020 00:00:00 GMT"), ==, 1582934400000);
  static const char *const bad[] = {NULL,
                                    "",
                                    "Sun, 06 Nov 1994 08:49:37",
                                    "Sun, 30 Feb 2020 00:00:00 GMT",
                                    "Sun, 06 ovD 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 1994 24:49:37 GMT",
                                    "Sun,  6 Nov 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 1994 08:49:37 GMT+1",
                                    "Sunday, 06-Nov-94 08:49:37 GMT"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_cmpint(time_parse_http(bad[i]), ==, -1);
}

/* What a file of one value holds: without a byte order mark and one line end, and with nothing left
 * of what was taken off. */
static void test_take_value(void)
{
  static const char *const rows[][2] = {{"abc", "abc"},
                                        {"abc\n", "abc"},
                                        {"abc\r\n", "abc"},
                                        {"abc\n\n", "abc\n"},
                                        {"abc\r", "abc\r"},
                                        {"\r\n", ""},
                                        {"\n", ""},
                                        {"", ""},
                                        {" a b ", " a b "},
                                        {"\xef\xbb\xbf"
                                         "abc\r\n",
                                         "abc"},
                                        {"\xef\xbb\xbf", ""},
                                        {"a\r\nb\n", "a\r\nb"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    size_t length = strlen(rows[i][0]);
    g_autofree char *text = g_strdup(rows[i][0]);
    g_assert_cmpuint(text_take_value(text, length), ==, strlen(rows[i][1]));
    g_assert_cmpstr(text, ==, rows[i][1]);
    for (size_t k = strlen(rows[i][1]); k <= length; k++)
      g_assert_cmpint(text[k], ==, 0);
  }
}

static void test_plural(void)
{
  static const struct {
    int64_t n;
    const char *end;
  } rows[] = {{0, "s"}, {1, ""}, {2, "s"}, {-1, "s"}, {INT64_MAX, "s"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    g_assert_cmpstr(text_plural(rows[i].n), ==, rows[i].end);
}

static void test_seconds(void)
{
  static const struct {
    const char *text;
    double seconds;
  } rows[] = {{"5", 5},      {"1.5s", 1.5}, {"500ms", 0.5}, {"2m", 120}, {"3h", 10800},
              {"1d", 86400}, {"0", 0},      {"", -1},       {"s", -1},   {"-1", -1},
              {"5 s", -1},   {"5x", -1},    {"1e999", -1},  {"inf", -1}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    g_assert_cmpfloat(text_seconds(rows[i].text), ==, rows[i].seconds);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/time/round-trip", test_time);
  g_test_add_func("/base/time/refused", test_time_refused);
  g_test_add_func("/base/ids", test_ids);
  g_test_add_func("/base/escape", test_escape);
  g_test_add_func("/base/mask", test_mask);
  g_test_add_func("/base/log-fields", test_fields);
  g_test_add_func("/base/names", test_names);
  g_test_add_func("/base/json/write", test_json_write);
  g_test_add_func("/base/json/get", test_json_get);
  g_test_add_func("/base/json/hostile", test_json_hostile);
  g_test_add_func("/base/json/foreign", test_json_foreign);
  g_test_add_func("/base/time/http", test_time_http);
  g_test_add_func("/base/errors", test_errors);
  g_test_add_func("/base/random", test_random_hex);
  g_test_add_func("/base/files", test_raise_files);
  g_test_add_func("/base/text/take-value", test_take_value);
  g_test_add_func("/base/text/seconds", test_seconds);
  g_test_add_func("/base/text/plural", test_plural);
  return g_test_run();
}
