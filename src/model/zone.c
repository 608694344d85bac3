/* Owns the reading of POSIX time zone rules and the calendar that they need. */
#include "model/zone.h"

#include "base/error.h"

#include <string.h>

enum { DAY_S = 86400, CHANGE_AT_S = 7200, OFFSET_HOURS_MAX = 24, TIME_HOURS_MAX = 167 };

const Zone zone_utc = {0};

/* ---- calendar ---- */

int64_t zone_days_of(int64_t year, int month, int day)
{
  /* Years begin in March here, so that the leap day is the last of them; 146,097 days are 400 years. */
  int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
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

bool zone_parse(const char *rule, Zone *zone, GError **error)
{
  *zone = (Zone){0};
  if (zone_read(rule, zone))
    return true;
  *zone = (Zone){0};
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "read time zone rule '%.64s': not a POSIX rule like CET-1CEST,M3.5.0,M10.5.0/3",
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
    int64_t next = day->month == 12 ? zone_days_of(year + 1, 1, 1) : zone_days_of(year, day->month + 1, 1);
    while (days >= next)
      days -= 7;
  }
  return days * DAY_S + day->second;
}

int32_t zone_offset(const Zone *zone, int64_t utc_s)
{
  if (!zone->has_summer)
    return zone->standard_s;
  int64_t local = utc_s + zone->standard_s, year;
  int month, day;
  zone_date_of((local - (((local % DAY_S) + DAY_S) % DAY_S)) / DAY_S, &year, &month, &day);
  int64_t begin = zone_moment(&zone->begin, year) - zone->standard_s, end = zone_moment(&zone->end, year) - zone->summer_s;
  bool summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
  return summer ? zone->summer_s : zone->standard_s;
}

char *zone_rule_of_tzif(const char *bytes, size_t length)
{
  if (length < 46 || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2' || bytes[length - 1] != '\n')
    return NULL;
  size_t begin = length - 1;
  while (begin > 0 && bytes[begin - 1] != '\n')
    begin--;
  return begin > 0 && begin < length - 1 ? g_strndup(bytes + begin, length - 1 - begin) : NULL;
}
