/* What the node has bound: a port is held for its instance from reserve until its start, then by
 * the agent. */
#include "sim.h"

#include <string.h>

enum { PORT_LAST = 65535 };

typedef struct Reserved {
  char instance[20];
  int64_t request;
} Reserved;

bool sim_port_free(const Sim *sim, int port)
{
  if (g_hash_table_contains(sim->foreign, GINT_TO_POINTER(port)) ||
      g_hash_table_contains(sim->reserved, GINT_TO_POINTER(port)))
    return false;
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, sim->shims);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Proc *proc = &((const SimShim *)value)->proc;
    if (proc->alive && proc->port == port)
      return false;
  }
  return true;
}

typedef struct Releasing {
  const char *instance; /* NULL = by request */
  int64_t request;
} Releasing;

static gboolean ports_matches(gpointer port, gpointer value, gpointer data)
{
  (void)port;
  const Reserved *reserved = value;
  const Releasing *releasing = data;
  return releasing->instance ? strcmp(reserved->instance, releasing->instance) == 0
                             : releasing->request == 0 || reserved->request == releasing->request;
}

void sim_release_request(Sim *sim, int64_t request)
{
  Releasing releasing = {.request = request};
  g_hash_table_foreach_remove(sim->reserved, ports_matches, &releasing);
}

void sim_release_instance(Sim *sim, const char *id)
{
  Releasing releasing = {.instance = id};
  g_hash_table_foreach_remove(sim->reserved, ports_matches, &releasing);
}

static int ports_take(Sim *sim, const Frame *reserve, const Instruction *instruction)
{
  int port = instruction->spec->port;
  for (int next = reserve->port_base;
       !sim_port_free(sim, port) && !instruction->port_fixed && next <= PORT_LAST; next++)
    port = next;
  if (!sim_port_free(sim, port))
    return 0;
  Reserved *reserved = g_new0(Reserved, 1);
  g_strlcpy(reserved->instance, instruction->id, sizeof reserved->instance);
  reserved->request = reserve->request;
  g_hash_table_insert(sim->reserved, GINT_TO_POINTER(port), reserved);
  return port;
}

char *sim_reserve(Sim *sim, const Frame *reserve)
{
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  answer->request = reserve->request;
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const Instruction *instruction = reserve->instructions->pdata[i];
    if (!instruction->spec)
      continue;
    sim_release_instance(sim, instruction->id);
    g_autofree char *refused = sim->driver->ops->check(sim->driver, instruction->spec, NULL);
    int port = refused || !instruction->spec->port ? 0 : ports_take(sim, reserve, instruction);
    const char *error = refused                            ? refused
                        : instruction->spec->port && !port ? "port is in use"
                                                           : NULL;
    if (error)
      sim_say(sim, "reserve of %s refused: %s", instruction->id, error);
    g_ptr_array_add(answer->reservations, reservation_new(instruction->id, port, error));
  }
  return frame_write(answer);
}
