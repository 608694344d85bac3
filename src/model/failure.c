/* Which errors pass; see failure.h. */
#include "model/failure.h"

#include "base/error.h"

#include <stdbool.h>

FailureClass failure_class(const GError *error)
{
  bool passing = error->domain == REEVE_ERROR &&
                 (error->code == REEVE_ERROR_UNAVAILABLE || error->code == REEVE_ERROR_STORE_FULL);
  return passing ? FAILURE_PASSING : FAILURE_FINAL;
}
