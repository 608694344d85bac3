/* Owns the reading of cron expressions and the search for the next due time. */
#include "model/cron.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum { DAY_S = 86400, CRON_BYTES_MAX = 256, DAYS_SEARCHED = 366 * 30 };

typedef struct CronField {
  const char *name;
  int low, high;
  const char *const *words; /* for low, low + 1, ... */
} CronField;

/* As written, or their first three letters. */
static const char *const month_words[] = {"january",  "february", "march",  "april",     "may",
                                          "june",     "july",     "august", "september", "october",
                                          "november", "december", NULL};
static const char *const day_words[] = {"sunday",   "monday", "tuesday",  "wednesday",
                                        "thursday", "friday", "saturday", NULL};
static const CronField fields[] = {{"minute", 0, 59, NULL},
                                   {"hour", 0, 23, NULL},
                                   {"day of month", 1, 31, NULL},
                                   {"month", 1, 12, month_words},
                                   {"day of week", 0, 7, day_words}};

static const char *const cron_names[][2] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                                            {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                                            {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                                            {"@annually", "0 0 1 1 *"}};

/* A number or a word of @field at *@at, or -1. */
static int cron_value(const CronField *field, const char **at)
{
  size_t letters = strspn(*at, G_CSET_A_2_Z G_CSET_a_2_z);
  for (int i = 0; field->words && field->words[i]; i++)
    if ((letters == 3 || letters == strlen(field->words[i])) &&
        g_ascii_strncasecmp(*at, field->words[i], letters) == 0) {
      *at += letters;
      return field->low + i;
    }
  int value = 0, digits = 0;
  for (; digits < 3 && g_ascii_isdigit(**at); digits++, (*at)++)
    value = value * 10 + **at - '0';
  return digits && value >= field->low && value <= field->high ? value : -1;
}

/* One member of a list: *, n, n-m, each with an optional /step; adds its bits. */
static bool cron_member(const CronField *field, const char *at, uint64_t *bits)
{
  int low = field->low, high = field->high, step = 1;
  bool star = *at == '*', range = false;
  if (star) {
    at++;
    high -= field->words == day_words; /* 7 is 0 again */
  } else {
    low = high = cron_value(field, &at);
    range = *at == '-';
    if (range) {
      at++;
      high = cron_value(field, &at);
    }
  }
  if (*at == '/') {
    at++;
    step = 0;
    for (int digits = 0; digits < 3 && g_ascii_isdigit(*at); digits++, at++)
      step = step * 10 + *at - '0';
    high = star || range ? high : field->high;
  }
  if (low < 0 || high < low || step < 1 || *at)
    return false;
  for (int i = low; i <= high; i += step)
    *bits |= UINT64_C(1) << i;
  return true;
}

static bool cron_field(const CronField *field, const char *text, uint64_t *bits, GError **error)
{
  g_auto(GStrv) members = g_strsplit(text, ",", -1);
  for (int i = 0; members[i]; i++) {
    if (cron_member(field, members[i], bits))
      continue;
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "cron: %s '%s': wanted %d to %d%s, as *, 5, 1-5, */10 or a list of those",
                field->name, text, field->low, field->high,
                field->words == day_words ? " or a name as mon or monday"
                : field->words            ? " or a name as jan or january"
                                          : "");
    return false;
  }
  return true;
}

static bool cron_day_exists(const Cron *cron)
{
  static const int longest[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int month = 1; month <= 12; month++)
    for (int day = 1; day <= longest[month]; day++)
      if ((cron->months >> month & 1) && (cron->days >> day & 1))
        return true;
  return !cron->any_weekday;
}

bool cron_parse(const char *text, Cron *cron, GError **error)
{
  *cron = (Cron){0};
  for (size_t i = 0; i < G_N_ELEMENTS(cron_names); i++)
    if (strcmp(text, cron_names[i][0]) == 0)
      text = cron_names[i][1];
  g_autofree char *plain = g_strndup(text, CRON_BYTES_MAX);
  g_strdelimit(plain, "\t", ' ');
  g_auto(GStrv) words = g_strsplit(g_strstrip(plain), " ", -1);
  const char *parts[G_N_ELEMENTS(fields)];
  size_t n = 0;
  for (int i = 0; words[i]; i++) {
    if (words[i][0] && n < G_N_ELEMENTS(fields))
      parts[n] = words[i];
    n += words[i][0] != '\0';
  }
  if (n != G_N_ELEMENTS(fields) || strlen(text) > CRON_BYTES_MAX) {
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_INVALID,
        "cron: '%.64s' has %zu field%s; wanted five: minute hour day-of-month month day-of-week",
        text, n, text_plural((int64_t)n));
    return false;
  }
  uint64_t bits[G_N_ELEMENTS(fields)] = {0};
  for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
    if (!cron_field(&fields[i], parts[i], &bits[i], error))
      return false;
  *cron = (Cron){.minutes = bits[0],
                 .hours = (uint32_t)bits[1],
                 .days = (uint32_t)bits[2],
                 .months = (uint32_t)bits[3],
                 .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
                 .any_hour = parts[1][0] == '*',
                 .any_day = parts[2][0] == '*',
                 .any_weekday = parts[4][0] == '*'};
  if (cron_day_exists(cron))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "cron: '%.64s': no month has such a day",
              text);
  return false;
}

static bool cron_day_fits(const Cron *cron, int64_t days)
{
  int64_t year;
  int month, day, weekday = (int)(((days + 4) % 7 + 7) % 7);
  zone_date_of(days, &year, &month, &day);
  if (!(cron->months >> month & 1))
    return false;
  bool by_day = cron->days >> day & 1, by_weekday = cron->weekdays >> weekday & 1;
  return cron->any_day || cron->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first moment after @after_s at which local time @local_s is due, INT64_MAX = none. */
static int64_t cron_moment(const Cron *cron, const Zone *zone, int64_t local_s, int64_t after_s)
{
  /* at most one change a day */
  int32_t before = zone_offset(zone, local_s - DAY_S), after = zone_offset(zone, local_s + DAY_S);
  int32_t early = MAX(before, after), late = MIN(before, after);
  int64_t first = local_s - early, second = local_s - late;
  bool first_is = zone_offset(zone, first) == early, second_is = zone_offset(zone, second) == late;
  if (!first_is && !second_is) { /* clocks jump over it */
    if (cron->any_hour)
      return INT64_MAX;
    int64_t low = first - 1, high = second;
    while (high - low > 1) {
      int64_t middle = low + (high - low) / 2;
      *(zone_offset(zone, middle) == zone_offset(zone, first - 1) ? &low : &high) = middle;
    }
    return high > after_s ? high : INT64_MAX;
  }
  if (first_is && first > after_s)
    return first;
  bool repeats = !first_is || cron->any_hour;
  return second_is && repeats && second > after_s ? second : INT64_MAX;
}

static int64_t cron_next_of_day(const Cron *cron, const Zone *zone, int64_t days, int64_t after_s)
{
  int64_t next = INT64_MAX;
  for (int hour = 0; hour < 24; hour++)
    for (int minute = 0; (cron->hours >> hour & 1) && minute < 60; minute++)
      if (cron->minutes >> minute & 1)
        next =
            MIN(next, cron_moment(cron, zone, days * DAY_S + hour * 3600 + minute * 60, after_s));
  return next;
}

int64_t cron_next(const Cron *cron, const Zone *zone, int64_t after_ms)
{
  int64_t after_s = after_ms >= 0 ? after_ms / 1000 : -((-after_ms + 999) / 1000);
  int64_t local = after_s + zone_offset(zone, after_s),
          today = (local - ((local % DAY_S + DAY_S) % DAY_S)) / DAY_S;
  for (int64_t days = today - 1; days < today + DAYS_SEARCHED; days++) {
    int64_t next =
        cron_day_fits(cron, days) ? cron_next_of_day(cron, zone, days, after_s) : INT64_MAX;
    if (next != INT64_MAX)
      return next * 1000;
  }
  return INT64_MAX;
}
