/* Owns the core that is read from the store: once at the start, and again whenever the one that we
 * have is ahead of what is stored. A million rows take seconds, so the second is done on the
 * store's thread; meanwhile the old core stays where it is, since much points to it, but nothing is
 * answered from it: requests wait here for the new one.
 *
 *   READY --reload_begin--> LOADING --loaded--> READY
 *                              \-----failed--> UNREADABLE (the server leaves) */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/internal.h"

enum { HELD_MAX = 256 }; /* new requests that wait; their bodies are in memory */

/* A core on its way. The store's thread has it while it is at work. */
struct CoreLoad {
  CoreConfig config;
  int64_t absent_ms;
  gint ends;        /* atomic: nobody wants it any more */
  Core *core;       /* being made; then the old one, to be freed */
  Effects *effects; /* what the new core wants to say first */
};

/* A request that waits for the core. Those that leave meanwhile take themselves off the list. */
typedef struct Held {
  GPtrArray *list;
  HttpRequest *request;
} Held;

/* ---- the core ---- */

static CoreLoad *load_new(const Server *server)
{
  const AgentsConfig *agents = server->options->agents;
  CoreLoad *load = g_new0(CoreLoad, 1);
  load->absent_ms = server->absent_ms;
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

/* Deployments whose stored jobs cannot be read are left alone: a person must act. */
static void reload_tell_unreadable(const Core *core)
{
  const GPtrArray *deployments = core_deployments(core);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    if (deployment->unreadable)
      log_error("deployment cannot be read", "deployment=%s reason=\"%s\"", deployment->name,
                deployment->unreadable);
  }
}

/* From now on the core of @load counts; @load has the old one after it. */
static void reload_swap(Server *server, CoreLoad *load)
{
  Core *old = server->core;
  server->core = load->core;
  load->core = old;
  server->core_state = CORE_STATE_READY;
  reload_tell_unreadable(server->core);
  turn_release(server, g_steal_pointer(&load->effects));
}

bool reload_first(Server *server, GError **error)
{
  g_autoptr(CoreLoad) load = load_new(server);
  server->held = g_ptr_array_new_with_free_func(g_free);
  if (!load_run(server->store_handle, load, error))
    return false;
  reload_swap(server, load);
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
  if (server->core_state != CORE_STATE_LOADING || server->held->len >= HELD_MAX)
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

static void reload_answer_held(Server *server)
{
  while (server->held->len && server->core_state != CORE_STATE_LOADING)
    http_request_again(held_take(server->held));
}

/* ---- loading again ---- */

static void reload_loaded(const GError *error, void *data);

/* Loads as soon as the store's thread is free. */
static void reload_start(Server *server)
{
  if (server->core_state != CORE_STATE_LOADING || store_thread_busy(server->store))
    return;
  server->load = load_new(server);
  store_thread_work(server->store, &(StoreWork){.run = load_run, .data = server->load},
                    reload_loaded, server);
}

/* The old core is gone: what comes next is a probe, or a core that is needed already. */
static void reload_dropped(const GError *error, void *data)
{
  (void)error;
  Server *server = data;
  g_clear_pointer(&server->load, load_free);
  reload_continue(server);
}

static void reload_failed(Server *server, const GError *error)
{
  server->core_state = CORE_STATE_UNREADABLE;
  log_error("state cannot be read again, leaving", "error=\"%s\"", error->message);
  server_leave(server, reeve_error_exit(error->code));
}

static void reload_loaded(const GError *error, void *data)
{
  Server *server = data;
  if (error) {
    reload_failed(server, error);
    g_clear_pointer(&server->load, load_free);
  } else {
    reload_swap(server, server->load);
    store_thread_work(server->store, &(StoreWork){.run = load_drop, .data = server->load},
                      reload_dropped, server);
    notify_begin(server->notify);
    if (server->load_listens)
      hub_listen(server->hub);
  }
  reload_answer_held(server);
  turn_after(server);
}

void reload_begin(Server *server, bool listens)
{
  server->metrics.reloads++;
  server->core_state = CORE_STATE_LOADING;
  server->load_listens = listens;
  turn_sleep(server);
  hub_reset(server->hub);
  reload_start(server);
}

void reload_continue(Server *server)
{
  if (server->core_state == CORE_STATE_LOADING)
    reload_start(server);
  else if (server->core_state == CORE_STATE_READY)
    turn_probe_later(server);
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
