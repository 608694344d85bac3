/* What the process driver keeps of each instance; see process_state.h. */
#include "drivers/process_state.h"

Process *process_of(ProcessDriver *driver, const char *id, bool make)
{
  Process *process = g_hash_table_lookup(driver->processes, id);
  if (process || !make)
    return process;
  process = g_new0(Process, 1);
  process->driver = driver;
  process->id = g_strdup(id);
  process->directory = g_build_filename(driver->world.instances_dir, id, NULL);
  g_hash_table_insert(driver->processes, process->id, process);
  return process;
}

void process_tell(const Process *process, DriverNews news)
{
  const DriverWorld *world = &process->driver->world;
  news.instance = process->id;
  world->tell(world->data, &news);
}
