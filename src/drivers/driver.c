/* What every driver shares: the check of its row, and the defaults of what it does not have. Knows
 * no loop, so that the simulator links it as it is. */
#include "drivers/driver.h"

#include "base/error.h"

Driver *driver_open(const DriverOps *ops, const DriverWorld *world, GError **error)
{
  g_assert(ops->name && ops->open && ops->close && ops->limits && ops->find && ops->sweep);
  g_assert(ops->check && ops->prepare && ops->start && ops->signal && ops->kill && ops->release);
  g_assert(ops->clear && ops->forget && ops->exec && ops->exec_signal && ops->exec_free);
  g_assert(ops->log_open && ops->log_read && ops->log_free);
  Driver *driver = ops->open(world, error);
  g_assert(!driver || driver->ops == ops);
  return driver;
}

const char *driver_news_word(DriverNewsType type)
{
  static const char *const words[DRIVER_NEWS_N] = {[DRIVER_FOUND] = "found",
                                                   [DRIVER_ABSENT] = "absent",
                                                   [DRIVER_CREATED] = "created",
                                                   [DRIVER_PREPARED] = "prepared",
                                                   [DRIVER_PREPARE_FAILED] = "prepare-failed",
                                                   [DRIVER_STARTED] = "started",
                                                   [DRIVER_START_FAILED] = "start-failed",
                                                   [DRIVER_EXITED] = "exited",
                                                   [DRIVER_VANISHED] = "vanished",
                                                   [DRIVER_UNREACHABLE] = "unreachable",
                                                   [DRIVER_REACHABLE] = "reachable",
                                                   [DRIVER_CLEARED] = "cleared"};
  return words[type];
}

const char *driver_no_limits(const Driver *driver, const char **unenforced)
{
  (void)driver;
  *unenforced = "memory cpu pids";
  return NULL;
}

DriverExec *driver_no_exec(Driver *driver, const DriverCommand *command, const DriverExecNews *news,
                           void *data, GError **error)
{
  (void)command, (void)news, (void)data;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "what '%s' runs takes no commands",
              driver->ops->name);
  return NULL;
}

void driver_no_exec_signal(DriverExec *exec, int signal)
{
  (void)exec, (void)signal;
}

void driver_no_exec_free(DriverExec *exec)
{
  (void)exec;
}

DriverLog *driver_no_log(Driver *driver, const char *id, const DriverLogFrom *from,
                         void (*grown)(void *data), void *data)
{
  (void)driver, (void)id, (void)from, (void)grown, (void)data;
  return NULL;
}

size_t driver_no_log_read(DriverLog *log, char *block, size_t size)
{
  (void)log, (void)block, (void)size;
  return 0;
}

void driver_no_log_free(DriverLog *log)
{
  (void)log;
}
