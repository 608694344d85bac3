#pragma once
/* The real clocks. Left column only: the core and the supervisor are given their Now. */
#include "base/time.h"

/* Both clocks at one moment. */
Now clock_now(void);
/* CLOCK_BOOTTIME, which counts while the machine is suspended and is never set. */
int64_t clock_boot_ms(void);
/* Since 1970, as people see it; may be set. */
int64_t clock_wall_ms(void);
/* /proc/sys/kernel/random/boot_id without line end, read once; REEVE_BOOT_ID overrides it in tests.
 * Static. */
const char *clock_boot_id(void);
