#pragma once
/* One server and its parts, for the files of this room only; what each part does stands in its
 * header. Everything runs on the loop; the store's thread is behind store_thread.h. */
#include "core/core.h"
#include "core/engine.h"
#include "core/objects.h"
#include "net/http_server.h"
#include "server/agents_config.h"
#include "server/auth.h"
#include "server/events.h"
#include "server/metrics.h"
#include "server/notify.h"
#include "server/server.h"
#include "store/history.h"
#include "store/store_thread.h"

typedef struct Server Server;
typedef struct Hub Hub;
typedef struct HubLink HubLink;
typedef struct Logs Logs;
typedef struct Execs Execs;
typedef struct Stopping Stopping;
typedef struct Agents Agents;
typedef struct Presence Presence;
typedef struct Registry Registry;

typedef struct CoreLoad CoreLoad;

struct Server {
  const ServerOptions *options;
  const struct Route *routes; /* the table, for what stands below it; routes.h */
  Loop *loop;
  Store *store_handle; /* owned by @store; used directly only to load at the start */
  StoreThread *store;
  History *history;
  Engine *engine;      /* the core, and the path from a command to its effects */
  CoreLoad *load;      /* what the store's thread has of the core, or NULL */
  LoopTimer *wake;     /* when the core wants a tick */
  LoopTimer *probe;    /* armed only while the store is not OK */
  GHashTable *waiters; /* token -> Waiter*: requests whose answer waits for a commit */
  uint64_t next_token;
  /* of requests that wait for the next core: reads whose batch failed, and what came since */
  GPtrArray *held;
  bool leaving; /* no new work; ends when everything has left */
  LoopTimer *drain;
  int64_t drain_until_ms;
  int exit_code;
  GString *scratch; /* for rendering answers */
  HttpServer *http; /* on the control socket */
  /* its connections are counted apart: who fills them up holds nobody off the control socket */
  HttpServer *tcp;
  Limiter *limiter;
  char *listen_text; /* "127.0.0.1:7373", NULL = no TCP */
  char *listen_note; /* why the default address could not be had, or NULL */
  int listen_port;
  bool listen_local; /* only this machine reaches it: the Host header is checked */
  Hub *hub;
  HubLink *hub_link; /* what carries its links */
  Events *events;
  Notify *notify;
  Logs *logs;
  Execs *execs;
  Stopping *stopping;
  Agents *agents; /* NULL = no agents directory */
  Presence *presence;
  Registry *registry;
  Metrics metrics;
  int64_t started_boot_ms;
};
