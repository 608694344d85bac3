#pragma once
/* One server and its parts, for the files of this room only. Everything runs on the loop; the
 * store's thread is behind store_thread.h. */
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
typedef struct Logs Logs;
typedef struct Execs Execs;
typedef struct Stopping Stopping;
typedef struct Agents Agents;
typedef struct Presence Presence;
typedef struct Registry Registry;

typedef struct CoreLoad CoreLoad;

struct Server {
  const ServerOptions *options;
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

/* --- server.c --- */
/* Opens everything but the embedded node on @store (ownership moves on success): core loaded,
 * socket listening. NULL members of @server are set. False with @error: nothing stays. */
bool server_open(Server *server, const ServerOptions *options, Store *store, GError **error);
/* Ends streams, closes links, store and sockets. Agents stay. */
void server_close(Server *server);
/* Begins to leave: no new connections; the loop stops once every answer and commit is through, at
 * the latest after 5 s. */
void server_leave(Server *server, int exit_code);

/* --- turn.c: requests and the engine --- */
/* Makes the engine and gives it the core that is stored. */
bool turn_open(Server *server, GError **error);
/* Lets go of the requests whose commit is still on its way when the server ends. They get no
 * answer, since nobody knows yet what it will be; their connections are closed. */
void turn_drop_waiters(Server *server);
void turn_close(Server *server);
/* Called with the JSON of an answer when it may leave; @request NULL = the peer has gone. */
typedef void (*TurnLeaveFn)(Server *server, HttpRequest *request, const char *body, void *data);
/* A change asked for by @request: refused while the store is not OK, the queue is full or the
 * server leaves. Sets the reply token. */
void turn_change(Server *server, Command *command, HttpRequest *request);
/* The same, but @leave answers when the change is accepted and stored: @body is the core's reply. A
 * refusal is answered as ever; @leave is then called with @request NULL, so that it frees @data. */
void turn_change_then(Server *server, Command *command, HttpRequest *request, TurnLeaveFn leave,
                      void *data);
/* The server's buffer for one answer, empty. */
GString *turn_scratch(Server *server);
/* Answers @request with @body as soon as nothing that it may have seen is uncommitted: at once when
 * nothing is. What was seen of a core that is thrown away by now is seen again. */
void turn_answer(Server *server, HttpRequest *request, int status, const char *content_type,
                 const GString *body);
/* Like turn_answer, but @leave is called instead of answering; it must free @data. */
void turn_leave_later(Server *server, HttpRequest *request, const GString *body, TurnLeaveFn leave,
                      void *data);
/* Sends @message (ownership moves) as soon as nothing that it may have seen is uncommitted. */
void turn_send_later(Server *server, Message *message);

/* --- reload.c: the core that is read from the store --- */
/* At the start, on the loop. */
bool reload_first(Server *server, GError **error);
/* Hands of the engine: both on the store's thread, and answered by it. */
void reload_load(Server *server, int64_t absent_ms);
void reload_drop(Server *server, Core *core);
/* There is a core, or there will be none: whoever waits is answered. */
void reload_answer_held(Server *server);
/* @request, of which nothing was answered, goes to its handler once more when there is a core; when
 * its peer leaves before, it is forgotten. */
void reload_hold(Server *server, HttpRequest *request);
/* The same for a request that has just come. False when it can be answered now, one way or another:
 * the core is not LOADING, or too many wait. */
bool reload_holds(Server *server, HttpRequest *request);
/* The server ends: a load need not come to its end. */
void reload_end(Server *server);
/* After the store's thread, before the connections of those who wait. */
void reload_close(Server *server);

/* --- hub.c: node links --- */
Hub *hub_new(Server *server);
void hub_free(Hub *hub);
/* Listens for node processes, or makes the link to the embedded node, as the options say. */
bool hub_open(Hub *hub, GError **error);
/* Sends one line of JSON to @node; false when it has no link. */
bool hub_send(Hub *hub, const char *node, const char *frame);
bool hub_linked(const Hub *hub, const char *node);
/* Asks every node that has said hello to say it again, to the core as it is now. */
void hub_relist(Hub *hub);
/* Binds the socket of node processes again when it was removed. */
void hub_look(Hub *hub);
/* Handles what arrived during a turn or while the queue was full. */
void hub_drain(Hub *hub);

/* --- routes_logs.c: log requests to nodes --- */
Logs *logs_new(Server *server);
void logs_free(Logs *logs);
/* A LOG_DATA or LOG_END frame of @node. */
void logs_frame(Logs *logs, const char *node, const Frame *frame);
/* @node has lost its link: what it was reading ends. */
void logs_node_gone(Logs *logs, const char *node);
/* Ends every stream. */
void logs_end(Logs *logs);
/* What an agent wrote, each stream by itself; borrowed. */
typedef void (*LogsTaken)(const char *out, const char *err, void *data);
/* Reads the last @lines lines of each instance of @deployment and then calls @taken once, now or
 * later on the loop: with what there is when a node is away or goes. Of much text the end counts.
 */
void logs_take(Logs *logs, const Deployment *deployment, int lines, LogsTaken taken, void *data);

/* --- routes_exec.c: commands beside agents --- */
Execs *execs_new(Server *server);
void execs_free(Execs *execs);
/* An EXEC_DATA or EXEC_END frame of @node. */
void execs_frame(Execs *execs, const char *node, const Frame *frame);
/* @node has lost its link, or does not know commands. */
void execs_node_gone(Execs *execs, const char *node);
void execs_unknown(Execs *execs, const char *node);
/* Ends every stream and its command. */
void execs_end(Execs *execs);
/* --- agents_dir.c: the agents directory; see agents.h --- */
void agents_continue(Agents *agents);
void agents_free(Agents *agents);

/* --- stop.c: POST /api/server/stop --- */
/* Appends "deployment/agent" of every instance that runs, or is meant to, as a JSON list. Returns
 * how many. */
guint stop_running_agents(const Server *server, GString *out, const char *key);
/* Something left: the orderly stop goes on. */
void stop_continue(Server *server);
void stop_free(Stopping *stopping);
