/* Owns the reading of POSIX time zone rules and the calendar that they need. */
#include "model/zone.h"

#include "base/error.h"

#include <string.h>

enum {
  DAY_S = 86400,
  CHANGE_AT_S = 7200,
  OFFSET_HOURS_MAX = 24,
  TIME_HOURS_MAX = 167,
  OFFSET_S_MAX = OFFSET_HOURS_MAX * 3600
};
/* 2025-01-01: no schedule of ours is older, so what was before is left out. */
#define CHANGES_FROM_S INT64_C(1735689600)
/* 100 years: farther ahead nobody looks. */
#define LOOKED_AT_S INT64_C(3155760000)

const Zone zone_utc = {0};

/* ---- calendar ---- */

int64_t zone_days_of(int64_t year, int month, int day)
{
  /* Years begin in March here, so that the leap day is the last of them; 146,097 days are 400
   * years. */
  int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400,
          of_era = y - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void zone_date_of(int64_t days, int64_t *year, int *month, int *day)
{
  int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
  int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
  *day = (int)(of_year - (153 * m + 2) / 5 + 1);
  *month = (int)(m < 10 ? m + 3 : m - 9);
  *year = y + era * 400 + (*month <= 2);
}

static bool zone_leap(int64_t year)
{
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* ---- rule ---- */

/* A number of 1 to @digits digits and at most @max; -1 when there is none. */
static int zone_number(const char **at, int digits, int max)
{
  int value = 0, n = 0;
  for (; n < digits && g_ascii_isdigit(**at); n++, (*at)++)
    value = value * 10 + **at - '0';
  return n && value <= max ? value : -1;
}

static bool zone_name(const char **at)
{
  const char *begin = *at;
  if (**at == '<') {
    while (**at && **at != '>')
      (*at)++;
    return **at == '>' && *(*at)++ && *at - begin > 2;
  }
  while (g_ascii_isalpha(**at))
    (*at)++;
  return *at - begin >= 3;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool zone_time(const char **at, int hours_max, int32_t *out)
{
  int sign = **at == '-' ? -1 : 1;
  if (**at == '-' || **at == '+')
    (*at)++;
  int parts[3] = {zone_number(at, 3, hours_max), 0, 0};
  for (int i = 1; i < 3 && **at == ':'; i++) {
    (*at)++;
    parts[i] = zone_number(at, 2, 59);
  }
  *out = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
  return parts[0] >= 0 && parts[1] >= 0 && parts[2] >= 0;
}

static bool zone_month_day(const char **at, ZoneDay *day)
{
  day->month = zone_number(at, 2, 12);
  bool ok = day->month > 0 && *(*at)++ == '.';
  day->week = ok ? zone_number(at, 1, 5) : -1;
  ok = day->week > 0 && *(*at)++ == '.';
  day->day = ok ? zone_number(at, 1, 6) : -1;
  return day->day >= 0;
}

/* ,Mm.w.d[/time] or ,Jn[/time] or ,n[/time] */
static bool zone_day(const char **at, ZoneDay *day)
{
  if (*(*at)++ != ',')
    return false;
  day->kind = **at == 'M' || **at == 'J' ? *(*at)++ : 'N';
  day->second = CHANGE_AT_S;
  if (day->kind == 'M') {
    if (!zone_month_day(at, day))
      return false;
  } else {
    day->day = zone_number(at, 3, 365);
    if (day->day < (day->kind == 'J'))
      return false;
  }
  if (**at != '/')
    return true;
  (*at)++;
  return zone_time(at, TIME_HOURS_MAX, &day->second);
}

static bool zone_read(const char *at, Zone *zone)
{
  if (!zone_name(&at) || !zone_time(&at, OFFSET_HOURS_MAX, &zone->standard_s))
    return false;
  zone->standard_s = -zone->standard_s; /* POSIX counts west of Greenwich */
  if (!*at)
    return true;
  zone->has_summer = true;
  zone->summer_s = zone->standard_s + 3600;
  if (!zone_name(&at))
    return false;
  if (*at && *at != ',') {
    if (!zone_time(&at, OFFSET_HOURS_MAX, &zone->summer_s))
      return false;
    zone->summer_s = -zone->summer_s;
  }
  return zone_day(&at, &zone->begin) && zone_day(&at, &zone->end) && !*at;
}

/* A whole number at *at within -max..max. */
static bool zone_whole(const char **at, int64_t max, int64_t *out)
{
  char *end;
  *out = g_ascii_isdigit(**at) || **at == '-' ? g_ascii_strtoll(*at, &end, 10)
                                              : (end = (char *)*at, 0);
  bool ok = end != *at && *out >= -max && *out <= max;
  *at = end;
  return ok;
}

/* "@OFFSET AT:OFFSET ... " in front of a rule, times ascending. Leaves *at at the rule. */
static bool zone_changes(const char **at, Zone *zone)
{
  int64_t offset, before = INT64_MIN;
  (*at)++;
  if (!zone_whole(at, OFFSET_S_MAX, &offset))
    return false;
  zone->first_s = (int32_t)offset;
  while (**at == ' ' && (g_ascii_isdigit((*at)[1]) || (*at)[1] == '-') &&
         zone->n_changes < ZONE_CHANGES_MAX) {
    ZoneChange *change = &zone->changes[zone->n_changes++];
    (*at)++;
    if (!zone_whole(at, INT64_C(1) << 40, &change->at_s) || *(*at)++ != ':' ||
        !zone_whole(at, OFFSET_S_MAX, &offset) || change->at_s <= before)
      return false;
    change->offset_s = (int32_t)offset;
    before = change->at_s;
  }
  return zone->n_changes > 0 && *(*at)++ == ' ';
}

bool zone_parse(const char *rule, Zone *zone, GError **error)
{
  const char *at = rule;
  *zone = (Zone){0};
  if ((*at != '@' || zone_changes(&at, zone)) && zone_read(at, zone))
    return true;
  *zone = (Zone){0};
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
              "read time zone rule '%.64s': not a POSIX rule like CET-1CEST,M3.5.0,M10.5.0/3",
              rule);
  return false;
}

/* ---- offsets ---- */

/* The local moment of @day in @year, as seconds since 1970 of a clock that shows local time. */
static int64_t zone_moment(const ZoneDay *day, int64_t year)
{
  int64_t days = zone_days_of(year, 1, 1);
  if (day->kind == 'N') {
    days += day->day;
  } else if (day->kind == 'J') {
    days += day->day - 1 + (zone_leap(year) && day->day >= 60);
  } else {
    days = zone_days_of(year, day->month, 1);
    int weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    days += (day->day - weekday + 7) % 7 + (day->week - 1) * 7;
    int64_t next =
        day->month == 12 ? zone_days_of(year + 1, 1, 1) : zone_days_of(year, day->month + 1, 1);
    while (days >= next)
      days -= 7;
  }
  return days * DAY_S + day->second;
}

static int32_t zone_rule_offset(const Zone *zone, int64_t utc_s)
{
  if (!zone->has_summer)
    return zone->standard_s;
  int64_t local = utc_s + zone->standard_s, year;
  int month, day;
  zone_date_of((local - (((local % DAY_S) + DAY_S) % DAY_S)) / DAY_S, &year, &month, &day);
  int64_t begin = zone_moment(&zone->begin, year) - zone->standard_s,
          end = zone_moment(&zone->end, year) - zone->summer_s;
  bool summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
  return summer ? zone->summer_s : zone->standard_s;
}

int32_t zone_offset(const Zone *zone, int64_t utc_s)
{
  int n = zone->n_changes;
  if (n == 0 || utc_s >= zone->changes[n - 1].at_s)
    return zone_rule_offset(zone, utc_s);
  while (n > 0 && utc_s < zone->changes[n - 1].at_s)
    n--;
  return n ? zone->changes[n - 1].offset_s : zone->first_s;
}

/* ---- files of the zone database ---- */

/* The 64-bit part of a TZif file. */
typedef struct Tzif {
  /* of @changes changes; of each its type; types of 6 bytes */
  const unsigned char *times, *kinds, *types;
  uint32_t changes, n_types;
} Tzif;

static uint64_t tzif_number(const unsigned char *at, int bytes)
{
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++)
    value = value << 8 | at[i];
  return value;
}

enum { TZIF_HEADER = 44, TZIF_COUNTS = 20 };

/* Bytes behind the header at @at whose times have @width bytes; SIZE_MAX when the numbers in it are
 * absurd. */
static size_t tzif_size(const unsigned char *at, int width)
{
  uint64_t n[6], size;
  for (int i = 0; i < 6; i++) /* isut, isstd, leap, time, type, char */
    n[i] = tzif_number(at + TZIF_COUNTS + 4 * i, 4);
  size =
      n[0] + n[1] + n[2] * (uint64_t)(width + 4) + n[3] * (uint64_t)(width + 1) + n[4] * 6 + n[5];
  return size < INT32_MAX ? (size_t)size : SIZE_MAX;
}

/* Version 2 and later: a part with 32-bit times, which is skipped, then the same again with 64
 * bits. */
static bool tzif_open(const unsigned char *bytes, size_t length, Tzif *tzif)
{
  if (length < TZIF_HEADER || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2')
    return false;
  size_t first = tzif_size(bytes, 4);
  if (first == SIZE_MAX || length < 2 * TZIF_HEADER + first)
    return false;
  const unsigned char *second = bytes + TZIF_HEADER + first;
  size_t size = tzif_size(second, 8);
  if (memcmp(second, "TZif", 4) != 0 || size == SIZE_MAX || length < 2 * TZIF_HEADER + first + size)
    return false;
  *tzif = (Tzif){.changes = (uint32_t)tzif_number(second + TZIF_COUNTS + 12, 4),
                 .n_types = (uint32_t)tzif_number(second + TZIF_COUNTS + 16, 4)};
  tzif->times = second + TZIF_HEADER;
  tzif->kinds = tzif->times + (size_t)tzif->changes * 8;
  tzif->types = tzif->kinds + tzif->changes;
  return tzif->n_types > 0;
}

static ZoneChange tzif_change(const Tzif *tzif, uint32_t i)
{
  uint32_t type = MIN(tzif->kinds[i], tzif->n_types - 1);
  return (ZoneChange){(int64_t)tzif_number(tzif->times + (size_t)i * 8, 8),
                      (int32_t)tzif_number(tzif->types + (size_t)type * 6, 4)};
}

/* Does the rule tell the offset from @change up to @end? Looked at in steps that no summer time is
 * shorter than. */
static bool tzif_rule_tells(const Zone *rule, ZoneChange change, int64_t end)
{
  end = MIN(end, CHANGES_FROM_S + LOOKED_AT_S);
  for (int64_t at = MAX(change.at_s, CHANGES_FROM_S); at < end; at += 7 * DAY_S)
    if (zone_rule_offset(rule, at) != change.offset_s)
      return false;
  return end <= CHANGES_FROM_S || zone_rule_offset(rule, end - 1) == change.offset_s;
}

/* "@OFFSET AT:OFFSET ... " of the changes up to the last that @rule does not tell, or "" when it
 * tells them all. */
static void tzif_write_changes(const Tzif *tzif, const Zone *rule, GString *out)
{
  uint32_t first = 0, end = 0; /* those to write: first <= i < end */
  int32_t before = (int32_t)tzif_number(tzif->types, 4);
  for (uint32_t i = 0; i < tzif->changes; i++) {
    ZoneChange change = tzif_change(tzif, i);
    int64_t until = i + 1 < tzif->changes ? tzif_change(tzif, i + 1).at_s : change.at_s;
    if (change.at_s <= CHANGES_FROM_S) {
      before = change.offset_s;
      first = i + 1;
    }
    if (i + 1 < tzif->changes && until > CHANGES_FROM_S && !tzif_rule_tells(rule, change, until))
      end = i + 2;
  }
  if (end <= first)
    return;
  g_string_append_printf(out, "@%d ", before);
  for (uint32_t i = first; i < MIN(end, first + ZONE_CHANGES_MAX); i++)
    g_string_append_printf(out, "%" G_GINT64_FORMAT ":%d ", tzif_change(tzif, i).at_s,
                           tzif_change(tzif, i).offset_s);
}

char *zone_rule_of_tzif(const char *bytes, size_t length)
{
  Tzif tzif;
  Zone rule;
  if (!tzif_open((const unsigned char *)bytes, length, &tzif) || bytes[length - 1] != '\n')
    return NULL;
  size_t begin = length - 1;
  while (begin > 0 && bytes[begin - 1] != '\n')
    begin--;
  g_autofree char *footer = g_strndup(bytes + begin, length - 1 - begin);
  if (begin == 0 || !footer[0] || !zone_parse(footer, &rule, NULL))
    return NULL;
  GString *out = g_string_new(NULL);
  tzif_write_changes(&tzif, &rule, out);
  return g_string_free(g_string_append(out, footer), FALSE);
}
