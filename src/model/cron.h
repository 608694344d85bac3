#pragma once
/* Cron expressions: five fields, minute hour day-of-month month day-of-week. Lists, ranges, steps
 * (0,30 9-17/2 * * mon-fri), names of months and days, 7 for Sunday, and @hourly @daily @weekly
 * @monthly @yearly. As in every cron, when both day fields are restricted either of them is enough.
 */
#include "model/zone.h"

typedef struct Cron {
  uint64_t minutes; /* bit n: minute n */
  /* bit n: hour n, day n (1..31), month n (1..12), weekday n (0 = Sunday) */
  uint32_t hours, days, months, weekdays;
  bool any_hour, any_day, any_weekday; /* written as * */
} Cron;

/* Reads @text. Errors: REEVE_ERROR_INVALID, naming the field and what it allows; also an expression
 * that no day ever fits (30 February). */
bool cron_parse(const char *text, Cron *cron, GError **error);
/* The first time after @after_ms (Unix time) at which @cron is due in @zone. When clocks go
 * forward, a time of day that is skipped is due at the moment of the change; when they go back, a
 * time of day that comes twice is due the first time only. An expression with * for the hour
 * follows real time instead: nothing in the gap, both in the repetition. INT64_MAX = never within
 * 30 years. */
int64_t cron_next(const Cron *cron, const Zone *zone, int64_t after_ms);
