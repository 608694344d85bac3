/* Cron expressions and time zone rules: what they say, what they refuse, and the two nights of the
 * year. */
#include "base/error.h"
#include "base/time.h"
#include "model/cron.h"

#include <stdlib.h>
#include <time.h>

static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3";

static void cron_is(const char *expression, const char *rule, const char *after, const char *wanted)
{
  Cron cron;
  Zone zone = zone_utc;
  g_autoptr(GError) error = NULL;
  g_assert_true(cron_parse(expression, &cron, &error));
  g_assert_true(!rule || zone_parse(rule, &zone, &error));
  char got[ISO_TIME_BYTES];
  time_iso(cron_next(&cron, &zone, time_parse_iso(after)), got);
  g_assert_cmpstr(got, ==, wanted);
}

static void test_next(void)
{
  cron_is("* * * * *", NULL, "2026-11-21T10:00:00.000Z", "2026-11-21T10:01:00.000Z");
  cron_is("*/15 * * * *", NULL, "2026-11-21T10:59:59.999Z", "2026-11-21T11:00:00.000Z");
  /* either day field */
  cron_is("30 4 1,15 * 5", NULL, "2026-11-21T00:00:00Z", "2026-11-27T04:30:00.000Z");
  cron_is("0 0 * * 7", NULL, "2026-11-21T00:00:00Z", "2026-11-22T00:00:00.000Z");
  cron_is("5 9-17/4 * jan-mar Mon-fri", NULL, "2026-11-21T00:00:00Z", "2027-01-01T09:05:00.000Z");
  cron_is("5 9 * January,december monday-FRIDAY", NULL, "2026-11-21T00:00:00Z",
          "2026-12-01T09:05:00.000Z");
  cron_is("0 0 29 2 *", NULL, "2026-11-21T00:00:00Z", "2028-02-29T00:00:00.000Z");
  cron_is("0 0 29 2 1", NULL, "2026-11-21T00:00:00Z", "2027-02-01T00:00:00.000Z");
  cron_is("@monthly", NULL, "2026-12-31T23:59:00Z", "2027-01-01T00:00:00.000Z");
  cron_is("0 9 * * *", berlin, "2026-07-01T00:00:00Z", "2026-07-01T07:00:00.000Z");
  cron_is("0 9 * * *", "<+0330>-3:30", "2026-07-01T00:00:00Z", "2026-07-01T05:30:00.000Z");
}

static void test_spring(void)
{
  /* 2026-03-29 02:00 -> 03:00 in Berlin, at 01:00 UTC */
  cron_is("30 2 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00.000Z");
  cron_is("30 2 * * *", berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:30:00.000Z");
  cron_is("30 * * * *", berlin, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00.000Z");
}

static void test_autumn(void)
{
  /* 2026-10-25 03:00 -> 02:00 in Berlin, at 01:00 UTC */
  cron_is("30 2 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00.000Z");
  cron_is("30 2 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00.000Z");
  cron_is("30 * * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00.000Z");
}

static void test_refused(void)
{
  static const char *const bad[][2] = {{"* * * *", "4 fields"},
                                       {"60 * * * *", "minute '60'"},
                                       {"* 24 * * *", "hour"},
                                       {"* * 0 * *", "day of month"},
                                       {"* * * 13 *", "month"},
                                       {"* * * * 8", "day of week"},
                                       {"5-1 * * * *", "minute '5-1'"},
                                       {"*/0 * * * *", "minute '*/0'"},
                                       {"1,,2 * * * *", "minute"},
                                       {"* * 30 2 *", "no month has"},
                                       {"@often", "1 field;"},
                                       {"* * * * * *", "6 fields"},
                                       {"a * * * *", "minute 'a'"},
                                       {"* * * * mond", "as mon or monday"},
                                       {"* * * janu *", "as jan or january"},
                                       {"", "0 fields"}};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    Cron cron;
    g_autoptr(GError) error = NULL;
    g_assert_false(cron_parse(bad[i][0], &cron, &error));
    g_assert_true(g_error_matches(error, REEVE_ERROR, REEVE_ERROR_INVALID));
    g_assert_nonnull(strstr(error->message, bad[i][1]));
  }
  static const char *const zones[] = {"",
                                      "CE-1",
                                      "CET",
                                      "CET-1CEST",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-25",
                                      "CET-1x",
                                      "<CET-1",
                                      "CET-1CEST,J0,J300"};
  for (size_t i = 0; i < G_N_ELEMENTS(zones); i++) {
    Zone zone;
    g_assert_false(zone_parse(zones[i], &zone, NULL));
  }
}

/* Offsets agree with the C library's, hour by hour over five years, for rules of all kinds. */
static void test_against_libc(void)
{
  static const char *const rules[] = {"UTC0",
                                      "CET-1CEST,M3.5.0,M10.5.0/3",
                                      "EST5EDT,M3.2.0,M11.1.0",
                                      "AEST-10AEDT,M10.1.0,M4.1.0/3",
                                      "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                                      "IST-1GMT0,M10.5.0,M3.5.0/1",
                                      "<-03>3<-02>,M3.5.0/-1,M10.5.0/0",
                                      "XXX3YYY,J60/1,J300",
                                      "XXX3YYY,59/1,300/24"};
  for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
    Zone zone;
    g_assert_true(zone_parse(rules[i], &zone, NULL));
    setenv("TZ", rules[i], 1);
    tzset();
    for (time_t at = 1700000000; at < 1700000000 + 5 * 366 * 86400; at += 1800) {
      struct tm local;
      localtime_r(&at, &local);
      g_assert_cmpint(zone_offset(&zone, at), ==, local.tm_gmtoff);
    }
  }
}

static void test_calendar(void)
{
  for (int64_t days = -800000; days < 800000; days++) {
    int64_t year;
    int month, day;
    zone_date_of(days, &year, &month, &day);
    g_assert_cmpint(zone_days_of(year, month, day), ==, days);
  }
  g_assert_cmpint(zone_days_of(1970, 1, 1), ==, 0);
  g_assert_cmpint(zone_days_of(2000, 3, 1), ==, 11017);
}

/* Appends a header of a TZif file with that many changes and types. */
static void tzif_header(GByteArray *file, char version, uint8_t changes, uint8_t types)
{
  guint8 header[44] = "TZif";
  header[4] = (guint8)version;
  header[35] = changes;
  header[39] = types;
  header[43] = 1; /* the name of a type, empty */
  g_byte_array_append(file, header, sizeof header);
}

static void tzif_bytes(GByteArray *file, uint64_t value, int bytes)
{
  for (int i = bytes - 1; i >= 0; i--)
    g_byte_array_append(file, (const guint8[]){(guint8)(value >> (8 * i))}, 1);
}

/* A file with the types +1 h and 0, those changes (to 0, to +1 h, ...), and that footer. */
static GByteArray *tzif_of(char version, const int64_t *at_s, uint8_t n, const char *footer)
{
  GByteArray *file = g_byte_array_new();
  tzif_header(file, version, 0, 1);
  tzif_bytes(file, 0, 6 + 1);
  tzif_header(file, version, n, 2);
  for (int i = 0; i < n; i++)
    tzif_bytes(file, (uint64_t)at_s[i], 8);
  for (int i = 0; i < n; i++)
    tzif_bytes(file, i % 2 ? 0 : 1, 1);
  tzif_bytes(file, 3600, 4);
  tzif_bytes(file, 0, 2 + 6 + 1);
  g_byte_array_append(file, (const guint8 *)footer, (guint)strlen(footer));
  return file;
}

static char *tzif_rule(char version, const int64_t *at_s, uint8_t n, const char *footer)
{
  g_autoptr(GByteArray) file = tzif_of(version, at_s, n, footer);
  return zone_rule_of_tzif((const char *)file->data, file->len);
}

/* Changes that the footer does not tell are written, and none before 2025. */
static void test_tzif(void)
{
  static const int64_t none[1],
      past[] = {0, 100000}, ramadan[] = {0, 100000, 1771120800, 1774144800, 1801965600, 1804989600};
  g_autofree char *plain = tzif_rule('2', none, 0, "\n<+01>-1\n"),
                  *old = tzif_rule('2', past, 2, "\n<+01>-1\n"),
                  *dated = tzif_rule('2', ramadan, 6, "\n<+01>-1\n"),
                  *law = tzif_rule('2', ramadan + 2, 1, "\nUTC0\n");
  g_assert_cmpstr(plain, ==, "<+01>-1");
  g_assert_cmpstr(old, ==, "<+01>-1");
  g_assert_cmpstr(dated, ==,
                  "@3600 1771120800:0 1774144800:3600 1801965600:0 1804989600:3600 <+01>-1");
  /* the first type is what counts before: known to the rule only from then on */
  g_assert_cmpstr(law, ==, "UTC0");
  g_assert_null(tzif_rule('1', none, 0, "\n<+01>-1\n")); /* version 1 has no footer */
  g_assert_null(tzif_rule('2', none, 0, "\n\n"));
  g_assert_null(tzif_rule('2', none, 0, "\n<+01>-1"));
  g_autoptr(GByteArray) file = tzif_of('2', ramadan, 6, "\n<+01>-1\n");
  for (guint n = 0; n < file->len; n++) /* every part of a file is refused, or at least harmless */
    g_free(zone_rule_of_tzif((const char *)file->data, n));
  Zone zone;
  static const char *const bad[] = {"@3600 <+01>-1",   "@x 1:0 <+01>-1", "@0 5:0 5:0 UTC0",
                                    "@0 5:0",          "@0 5:0 ",        "@0 5 UTC0",
                                    "@99999 5:0 UTC0", "@0 5:99999 UTC0"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(zone_parse(bad[i], &zone, NULL));
}

/* Files of the zone database below @path, each content once. */
static void database_files(const char *path, GHashTable *seen, GPtrArray *files)
{
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
    g_autofree char *file = g_build_filename(path, name, NULL), *bytes = NULL;
    gsize length = 0;
    if (g_str_equal(name, "posix") || g_str_equal(name, "right"))
      continue;
    if (g_file_test(file, G_FILE_TEST_IS_DIR))
      database_files(file, seen, files);
    else if (g_file_get_contents(file, &bytes, &length, NULL) && g_str_has_prefix(bytes, "TZif") &&
             g_hash_table_add(
                 seen, g_compute_checksum_for_data(G_CHECKSUM_MD5, (const guchar *)bytes, length)))
      g_ptr_array_add(files, g_steal_pointer(&file));
  }
}

/* For every zone there is, our text gives the offsets that the C library reads in its file, hour by
 * hour over three years. */
static void test_database(void)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  database_files("/usr/share/zoneinfo", seen, files);
  g_assert_cmpuint(files->len, >, 200);
  for (guint i = 0; i < files->len; i++) {
    const char *path = files->pdata[i];
    g_autofree char *bytes = NULL, *rule = NULL, *name = g_strconcat(":", path, NULL);
    gsize length = 0;
    Zone zone;
    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    rule = zone_rule_of_tzif(bytes, length);
    if (!rule || !zone_parse(rule, &zone, NULL))
      g_error("%s: %s", path, rule ? rule : "no rule");
    g_assert_cmpuint(strlen(rule), <, 1400);
    setenv("TZ", name, 1);
    tzset();
    for (time_t at = 1795000000 / 3600 * 3600; at < 1795000000 + 3 * 366 * 86400; at += 3600) {
      struct tm local;
      localtime_r(&at, &local);
      if (zone_offset(&zone, at) != local.tm_gmtoff)
        g_error("%s: at %ld: %d, wanted %ld; by %s", path, (long)at, zone_offset(&zone, at),
                local.tm_gmtoff, rule);
    }
  }
}

/* Ramadan in Casablanca: an hour earlier in winter 2027, from 2027-02-07 to 2027-03-14. */
static void test_casablanca(void)
{
  g_autofree char *bytes = NULL, *rule = NULL;
  gsize length = 0;
  g_assert_true(
      g_file_get_contents("/usr/share/zoneinfo/Africa/Casablanca", &bytes, &length, NULL));
  rule = zone_rule_of_tzif(bytes, length);
  cron_is("0 9 15 2 *", rule, "2026-11-30T00:00:00Z", "2027-02-15T09:00:00.000Z");
  cron_is("0 9 15 4 *", rule, "2026-11-30T00:00:00Z", "2027-04-15T08:00:00.000Z");
  /* comes twice: at 01:30 and 02:30 UTC */
  cron_is("30 2 7 2 *", rule, "2026-11-30T00:00:00Z", "2027-02-07T01:30:00.000Z");
  /* does not come: at the change */
  cron_is("30 2 14 3 *", rule, "2026-11-30T00:00:00Z", "2027-03-14T02:00:00.000Z");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model/cron/next", test_next);
  g_test_add_func("/model/cron/spring", test_spring);
  g_test_add_func("/model/cron/autumn", test_autumn);
  g_test_add_func("/model/cron/refused", test_refused);
  g_test_add_func("/model/zone/libc", test_against_libc);
  g_test_add_func("/model/zone/calendar", test_calendar);
  g_test_add_func("/model/zone/tzif", test_tzif);
  g_test_add_func("/model/zone/database", test_database);
  g_test_add_func("/model/zone/casablanca", test_casablanca);
  return g_test_run();
}
