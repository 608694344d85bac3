#pragma once
/* Failures by what helps against them. */
#include <glib.h>

/* Does it help to try again what has failed? */
typedef enum FailureClass {
  FAILURE_FINAL,  /* the same would happen again: the spec or the machine must change first */
  FAILURE_PASSING /* the machine had no room or was busy, and soon it may not be: tried again */
} FailureClass;

/* Passing: no room, or the machine is busy (REEVE_ERROR_UNAVAILABLE, STORE_FULL). */
FailureClass failure_class(const GError *error);
