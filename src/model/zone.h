#pragma once
/* A time zone as text that a stored job carries, so that nobody has to look up a file later: a
 * POSIX rule (IEEE Std 1003.1, TZ; the footer of a TZif file) with the offset from UTC and, if any,
 * when summer time begins and ends; before it, where the zone database says other than the rule,
 * the dated changes of the offset: "@3600 1771120800:0 1774144800:3600 <+01>-1" (Ramadan in
 * Casablanca). Pure. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ZoneDay {
  /* 'J' day 1..365 without 29 February, 'N' day 0..365 with it, 'M' month week weekday */
  char kind;
  int month, week, day; /* of 'M': 1..12, 1..5 (5 = last), 0..6 (0 = Sunday); else only day */
  int32_t second;       /* of the local day at which it happens */
} ZoneDay;

/* From @at_s on (Unix time) the offset is @offset_s. */
typedef struct ZoneChange {
  int64_t at_s;
  int32_t offset_s;
} ZoneChange;

/* Two a year for the 30 years that a schedule looks ahead. */
enum { ZONE_CHANGES_MAX = 64 };

typedef struct Zone {
  int32_t standard_s, summer_s; /* seconds east of UTC */
  bool has_summer;
  ZoneDay begin, end; /* of summer time, in the local time that ends */
  /* before changes[0], when there are changes; the rule counts from the last change on */
  int32_t first_s;
  int n_changes;
  ZoneChange changes[ZONE_CHANGES_MAX]; /* in order of time */
} Zone;

extern const Zone zone_utc;

/* Reads @rule: "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "UTC0", with or without changes.
 * Errors: REEVE_ERROR_INVALID. */
bool zone_parse(const char *rule, Zone *zone, GError **error);
/* Seconds east of UTC at @utc_s. */
int32_t zone_offset(const Zone *zone, int64_t utc_s);
/* The text that zone_parse() reads, of a TZif file (RFC 9636) of @length bytes: its footer, and
 * those of its changes from 2025 on that the footer does not tell. NULL when it is no such file or
 * has no footer. Caller frees. */
char *zone_rule_of_tzif(const char *bytes, size_t length);

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back; @month 1..12,
 * @day 1..31. */
int64_t zone_days_of(int64_t year, int month, int day);
void zone_date_of(int64_t days, int64_t *year, int *month, int *day);
