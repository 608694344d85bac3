/* Reads the kernel's clocks and boot id; see clock.h. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t id)
{
  struct timespec ts;
  clock_gettime(id, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
  return clock_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
  return clock_ms(CLOCK_REALTIME);
}

Now clock_now(void)
{
  return (Now){.boot_ms = clock_boot_ms(), .wall_ms = clock_wall_ms()};
}

const char *clock_boot_id(void)
{
  static char id[64]; /* written once, before any thread starts */
  if (id[0])
    return id;
  const char *given = getenv("REEVE_BOOT_ID");
  if (given && given[0] && strlen(given) < sizeof id) {
    strcpy(id, given);
    return id;
  }
  strcpy(id, "unknown");
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return id;
  ssize_t n = read(fd, id, sizeof id - 1);
  close(fd);
  if (n > 0)
    id[strcspn(id, "\n")] = '\0';
  return id;
}
