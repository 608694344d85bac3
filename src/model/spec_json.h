#pragma once
/* JSON of the parts that a Job's agents and an InstanceSpec share: used by job_json.c and
 * instance_spec.c only. Readers leave a part at its default when its key is absent, and fail with
 * REEVE_ERROR_INVALID that names the key when it has another type. */
#include "model/job.h"

#include <jansson.h>

/* Member @key: a list of texts. */
void spec_write_strv(GString *out, const char *key, char *const *strings);
/* Values that come from elsewhere are {"secret": NAME} and {"file": PATH}. */
void spec_write_map(GString *out, const char *key, const StrMap *map);
void spec_write_health(GString *out, const HealthSpec *health);
void spec_write_restart(GString *out, const RestartSpec *restart);
void spec_write_stop(GString *out, const StopSpec *stop);
void spec_write_resources(GString *out, const ResourceSpec *resources);

/* A copy of member @key into @out (owned by the caller's struct); absent or null leaves @out alone.
 */
bool spec_read_text(const json_t *object, const char *key, char **out, GError **error);
bool spec_read_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out,
                   GError **error);
bool spec_read_strv(const json_t *object, const char *key, char ***out, GError **error);
bool spec_read_map(const json_t *object, const char *key, StrMap *out, GError **error);
/* also values from elsewhere */
bool spec_read_environment(const json_t *object, const char *key, StrMap *out, GError **error);
bool spec_read_health(const json_t *object, HealthSpec *out, GError **error);
bool spec_read_restart(const json_t *object, RestartSpec *out, GError **error);
bool spec_read_stop(const json_t *object, StopSpec *out, GError **error);
bool spec_read_resources(const json_t *object, ResourceSpec *out, GError **error);
bool spec_bad(GError **error, const char *key, const char *wanted);
