#pragma once
/* A time zone by its POSIX rule (IEEE Std 1003.1, TZ; the footer of a TZif file): offset from UTC and, if any, when summer time begins and
 * ends. Pure: the rule comes as text, so a stored schedule needs no file of the machine it runs on. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ZoneDay {
  char kind;            /* 'J' day 1..365 without 29 February, 'N' day 0..365 with it, 'M' month week weekday */
  int month, week, day; /* of 'M': 1..12, 1..5 (5 = last), 0..6 (0 = Sunday); else only day */
  int32_t second;       /* of the local day at which it happens */
} ZoneDay;

typedef struct Zone {
  int32_t standard_s, summer_s; /* seconds east of UTC */
  bool has_summer;
  ZoneDay begin, end; /* of summer time, in the local time that ends */
} Zone;

extern const Zone zone_utc;

/* Reads @rule: "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "UTC0". Errors: REEVE_ERROR_INVALID. */
bool zone_parse(const char *rule, Zone *zone, GError **error);
/* Seconds east of UTC at @utc_s. */
int32_t zone_offset(const Zone *zone, int64_t utc_s);
/* The rule in the footer of a TZif file (RFC 9636) of @length bytes, or NULL when there is none. Caller frees. */
char *zone_rule_of_tzif(const char *bytes, size_t length);

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back; @month 1..12, @day 1..31. */
int64_t zone_days_of(int64_t year, int month, int day);
void zone_date_of(int64_t days, int64_t *year, int *month, int *day);
