#pragma once
/* The real clocks. Left column only: the core and the supervisor are given their Now. */
#include "base/time.h"

Now clock_now(void);
int64_t clock_boot_ms(void);
int64_t clock_wall_ms(void);
/* /proc/sys/kernel/random/boot_id without line end, read once; REEVE_BOOT_ID overrides it in tests.
 * Static. */
const char *clock_boot_id(void);
