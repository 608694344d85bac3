/* Cron expressions and time zone rules: what they say, what they refuse, and the two nights of the year. */
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
  cron_is("30 4 1,15 * 5", NULL, "2026-11-21T00:00:00Z", "2026-11-27T04:30:00.000Z"); /* either day field */
  cron_is("0 0 * * 7", NULL, "2026-11-21T00:00:00Z", "2026-11-22T00:00:00.000Z");
  cron_is("5 9-17/4 * jan-mar Mon-fri", NULL, "2026-11-21T00:00:00Z", "2027-01-01T09:05:00.000Z");
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
  static const char *const bad[][2] = {{"* * * *", "4 fields"},         {"60 * * * *", "minute '60'"},
                                       {"* 24 * * *", "hour"},          {"* * 0 * *", "day of month"},
                                       {"* * * 13 *", "month"},         {"* * * * 8", "day of week"},
                                       {"5-1 * * * *", "minute '5-1'"}, {"*/0 * * * *", "minute '*/0'"},
                                       {"1,,2 * * * *", "minute"},      {"* * 30 2 *", "no month has"},
                                       {"@often", "1 fields"},          {"* * * * * *", "6 fields"},
                                       {"a * * * *", "minute 'a'"},     {"", "0 fields"}};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    Cron cron;
    g_autoptr(GError) error = NULL;
    g_assert_false(cron_parse(bad[i][0], &cron, &error));
    g_assert_true(g_error_matches(error, REEVE_ERROR, REEVE_ERROR_INVALID));
    g_assert_nonnull(strstr(error->message, bad[i][1]));
  }
  static const char *const zones[] = {"",       "CE-1",   "CET",    "CET-1CEST",        "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-25", "CET-1x", "<CET-1", "CET-1CEST,J0,J300"};
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

static void test_tzif(void)
{
  char bytes[64] = "TZif2";
  memcpy(bytes + 50, "\nCET-1\n", 7);
  g_autofree char *rule = zone_rule_of_tzif(bytes, 57);
  g_assert_cmpstr(rule, ==, "CET-1");
  g_assert_null(zone_rule_of_tzif(bytes, 56));
  g_assert_null(zone_rule_of_tzif(bytes, 20));
  bytes[4] = 0; /* version 1 has no footer */
  g_assert_null(zone_rule_of_tzif(bytes, 57));
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
  return g_test_run();
}
