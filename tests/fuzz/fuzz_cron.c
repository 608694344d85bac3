/* Any bytes as a cron expression, a line end, and the rule of a time zone; what is read has a next
 * time that lies ahead. */
#include "model/cron.h"

#include <string.h>

enum { AFTER_MS_MAX = 2000000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  /* any bytes as a file of the zone database */
  g_free(zone_rule_of_tzif((const char *)data, size));
  char *line = strchr(text, '\n');
  Cron cron;
  Zone zone = zone_utc;
  if (line) {
    *line++ = '\0';
    if (!zone_parse(line, &zone, NULL))
      zone = zone_utc;
  }
  int64_t after = (int64_t)(size * 7919 % AFTER_MS_MAX) * 1000;
  if (cron_parse(text, &cron, NULL))
    g_assert(cron_next(&cron, &zone, after) > after);
  return 0;
}
