/* Rows of a batch agent's schedule, and where its time zone comes from. */
#include "formats/reader.h"
#include "model/cron.h"

#include <stddef.h>
#include <string.h>

enum { ZONE_FILE_MAX = 256 * 1024 };
static const char zone_directory[] = "/usr/share/zoneinfo/";

static const char *const overlap_words[] = {"skip", "queue", "replace", NULL};

static void row_cron(Reader *reader, const Row *row, struct fy_node *value, void *base,
                     const char *path)
{
  ScheduleSpec *schedule = base;
  Cron cron;
  g_autoptr(GError) error = NULL;
  row_text(reader, row, value, base, path);
  if (schedule->cron && !cron_parse(schedule->cron, &cron, &error))
    reader_error(reader, value, "'%s.%s': %s", path, row->key, error->message);
}

static bool zone_name_is_plain(const char *name)
{
  return name[0] && name[0] != '/' && !strstr(name, "..") && strlen(name) < 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
             strlen(name);
}

/* The rule of the zone goes into the job, so that nobody has to look it up again. */
static void row_timezone(Reader *reader, const Row *row, struct fy_node *value, void *base,
                         const char *path)
{
  ScheduleSpec *schedule = base;
  size_t length = 0;
  row_text(reader, row, value, base, path);
  const char *name = schedule->timezone;
  if (!name || strcmp(name, "UTC") == 0)
    return;
  g_autofree char *file = zone_name_is_plain(name) ? g_strconcat(zone_directory, name, NULL) : NULL;
  g_autofree char *bytes =
      file && reader->options->read_file
          ? reader->options->read_file(file, ZONE_FILE_MAX, &length, reader->options->data, NULL)
          : NULL;
  Zone zone;
  schedule->tz_rule = bytes ? zone_rule_of_tzif(bytes, length) : NULL;
  if (!schedule->tz_rule || !zone_parse(schedule->tz_rule, &zone, NULL))
    reader_error(
        reader, value,
        "'%s.%s': unknown time zone '%s'; wanted a name as in %s, for example Europe/Berlin", path,
        row->key, name, zone_directory);
}

const Row schedule_rows[] = {
    {.key = "cron",
     .read = row_cron,
     .offset = offsetof(ScheduleSpec, cron),
     .type = "five fields",
     .help = "minute, hour, day of month, month, day of week; or @hourly, @daily, ..."},
    {.key = "every",
     .read = row_seconds,
     .offset = offsetof(ScheduleSpec, every_ms),
     .low = 1,
     .high = 31536000,
     .type = "seconds",
     .help = "in place of cron: so long after the former time"},
    {.key = "timezone",
     .read = row_timezone,
     .offset = offsetof(ScheduleSpec, timezone),
     .type = "name",
     .preset = "UTC",
     .help = "of cron"},
    {.key = "overlap",
     .read = row_enum,
     .offset = offsetof(ScheduleSpec, overlap),
     .words = overlap_words,
     .type = "skip, queue, replace",
     .preset = "skip",
     .help = "what becomes of a run that is due while the former one still goes"},
    ROWS_END};

void row_schedule(Reader *reader, const Row *row, struct fy_node *value, void *base,
                  const char *path)
{
  ScheduleSpec *schedule = (ScheduleSpec *)(void *)((char *)base + row->offset);
  row_rows(reader, row, value, base, path);
  schedule->set = true;
  if ((schedule->cron != NULL) == (schedule->every_ms > 0))
    reader_error(reader, value, "'%s.schedule': wanted exactly one of cron and every", path);
}
