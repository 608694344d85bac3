/* Owns the counting of what happens in this run; see metrics.h. */
#include "server/metrics.h"

#include "base/json.h"

#include <string.h>

const int metrics_statuses[METRICS_STATUS_MAX] = {200, 201, 202, 400, 401, 403, 404, 405,
                                                  409, 413, 422, 429, 500, 503, 504, 507};

void metrics_count(Metrics *metrics, guint route, int status)
{
  guint slot = 0;
  while (slot < METRICS_STATUS_MAX && metrics_statuses[slot] != status)
    slot++;
  metrics->requests[route][slot]++;
}

void metrics_event(Metrics *metrics, const Event *event)
{
  if (!g_str_equal(event->type, "rollout"))
    return;
  json_t *data = json_parse(event->data, strlen(event->data), NULL);
  int outcome = rollout_outcome_parse(jget_str(data, "outcome", NULL));
  if (outcome > OUTCOME_OPEN)
    metrics->rollouts[outcome]++;
  json_decref(data);
}
