#pragma once
/* Can this spec be started here, and why did it not start? */
#include "drivers/shim_message.h"

/* Why @spec could not be started here, or NULL; caller frees. @no_user: why its user is not there;
 * NULL = it is. */
char *check_spec(const InstanceSpec *spec, const char *no_user);
/* Why a start of @spec (NULL = not known) failed, as its shim says: not "start 'x'", which the
 * caller puts in front. Caller frees. */
char *check_start_failed(const ShimMessage *message, const InstanceSpec *spec);
