/* Owns the reading of the core from the store, as a hand of the engine: once at the start, and
 * again whenever the one that we have is ahead of what is stored. A million rows take seconds, so
 * the second is done on the store's thread; meanwhile the old core stays where it is, since much
 * points to it, but nothing is answered from it: requests wait here for the new one. */
#include "server/reload.h"
#include "base/clock.h"
#include "base/error.h"

enum { HELD_MAX = 256 }; /* new requests that wait; their bodies are in memory */

/* A core on its way. The store's thread has it while it is at work. */
struct CoreLoad {
  CoreConfig config;
  int64_t absent_ms;
  gint ends;        /* atomic: nobody wants it any more */
  Core *core;       /* being made, or to be freed */
  Effects *effects; /* what the new core wants to say first */
};

/* A request that waits for the core. Those that leave meanwhile take themselves off the list. */
typedef struct Held {
  GPtrArray *list;
  HttpRequest *request;
} Held;

/* ---- the core ---- */

static CoreLoad *load_new(const Server *server, int64_t absent_ms)
{
  const AgentsConfig *agents = server->options->agents;
  CoreLoad *load = g_new0(CoreLoad, 1);
  load->absent_ms = absent_ms;
  load->config = (CoreConfig){.lease_ms = 35000,
                              .lost_ms = 60000,
                              .heartbeat_ms = 10000,
                              .port_base = agents ? agents->base_port : AGENTS_PORT_BASE,
                              .ports_fixed = agents && !agents->auto_discover_port,
                              .version = REEVE_VERSION};
  return load;
}

static void load_free(CoreLoad *load)
{
  if (!load)
    return;
  core_free(load->core);
  effects_free(load->effects);
  g_free(load);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CoreLoad, load_free)

static bool load_row(TableId table, const Value *values, void *data, GError **error)
{
  CoreLoad *load = data;
  if (!g_atomic_int_get(&load->ends))
    return core_load_row(load->core, table, values, error);
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server ends");
  return false;
}

/* Makes the core of what is stored: on the store's thread, or at the start. */
static bool load_run(Store *store, void *data, GError **error)
{
  CoreLoad *load = data;
  load->core = core_new(&load->config);
  if (!store->driver->load(store, load_row, load, error))
    return false;
  Now now = clock_now();
  now.boot_ms -= load->absent_ms;
  load->effects = effects_new();
  core_load_done(load->core, now, load->effects);
  return true;
}

/* Frees a core on the store's thread: that takes long too when there are many rows. */
static bool load_drop(Store *store, void *data, GError **error)
{
  (void)store;
  (void)error;
  g_clear_pointer(&((CoreLoad *)data)->core, core_free);
  return true;
}

bool reload_first(Server *server, GError **error)
{
  g_autoptr(CoreLoad) load = load_new(server, 0);
  server->held = g_ptr_array_new_with_free_func(g_free);
  if (!load_run(server->store_handle, load, error))
    return false;
  engine_loaded(server->engine, g_steal_pointer(&load->core), g_steal_pointer(&load->effects));
  return true;
}

/* ---- requests that wait ---- */

static void held_gone(void *data)
{
  Held *held = data;
  g_ptr_array_remove(held->list, held);
}

void reload_hold(Server *server, HttpRequest *request)
{
  Held *held = g_new0(Held, 1);
  *held = (Held){.list = server->held, .request = request};
  g_ptr_array_add(server->held, held);
  http_request_on_gone(request, held_gone, held);
}

bool reload_holds(Server *server, HttpRequest *request)
{
  if (engine_core_state(server->engine) != CORE_STATE_LOADING || server->held->len >= HELD_MAX)
    return false;
  reload_hold(server, request);
  return true;
}

static HttpRequest *held_take(GPtrArray *list)
{
  const Held *held = list->pdata[0];
  HttpRequest *request = held->request;
  http_request_on_gone(request, NULL, NULL);
  g_ptr_array_remove_index(list, 0);
  return request;
}

void reload_answer_held(Server *server)
{
  while (server->held->len && engine_core_state(server->engine) != CORE_STATE_LOADING)
    http_request_again(held_take(server->held));
}

/* ---- loading again ---- */

static void reload_loaded(const GError *error, void *data)
{
  Server *server = data;
  g_autoptr(CoreLoad) load = g_steal_pointer(&server->load);
  if (error)
    engine_load_failed(server->engine, error);
  else
    engine_loaded(server->engine, g_steal_pointer(&load->core), g_steal_pointer(&load->effects));
}

void reload_load(Server *server, int64_t absent_ms)
{
  server->load = load_new(server, absent_ms);
  store_thread_work(server->store, &(StoreWork){.run = load_run, .data = server->load},
                    reload_loaded, server);
}

static void reload_dropped(const GError *error, void *data)
{
  (void)error;
  Server *server = data;
  g_clear_pointer(&server->load, load_free);
  engine_dropped(server->engine);
}

void reload_drop(Server *server, Core *core)
{
  server->load = g_new0(CoreLoad, 1);
  server->load->core = core;
  store_thread_work(server->store, &(StoreWork){.run = load_drop, .data = server->load},
                    reload_dropped, server);
}

/* ---- the end ---- */

void reload_end(Server *server)
{
  if (server->load)
    g_atomic_int_set(&server->load->ends, 1);
}

void reload_close(Server *server)
{
  g_clear_pointer(&server->load, load_free);
  while (server->held && server->held->len)
    held_take(server->held);
  g_clear_pointer(&server->held, g_ptr_array_unref);
}
