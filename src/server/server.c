/* Owns the life of the control plane process: open the store, load the core, listen, start the
 * embedded node, run, drain, close. */
#include "server/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "server/agents.h"
#include "server/exec.h"
#include "server/hands.h"
#include "server/hub_link.h"
#include "server/leave.h"
#include "server/listen.h"
#include "server/logs.h"
#include "server/open.h"
#include "server/presence.h"
#include "server/registry.h"
#include "server/reload.h"
#include "server/routes.h"
#include "server/secrets.h"
#include "server/stop.h"
#include "server/turn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DRAIN_STEP_MS = 10, CONNECTIONS_MAX = 4096 };

/* What server_main holds beside the server itself. */
typedef struct ServerLife {
  Server server;
  LoopWatch *signals[3];
} ServerLife;

static bool server_drained(const Server *server)
{
  return engine_idle(server->engine) && !store_thread_busy(server->store) &&
         http_server_open(server->http) + http_server_open(server->tcp) +
                 registry_requests(server->registry) ==
             0;
}

/* Answers still on their way have no common event to wait for; leaving looks every 10 ms for them,
 * at most 5 s. */
static void server_drain(void *data)
{
  Server *server = data;
  if (server_drained(server) || clock_boot_ms() >= server->drain_until_ms)
    loop_stop(server->loop);
  else
    loop_timer_set(server->drain, clock_boot_ms() + DRAIN_STEP_MS);
}

static bool server_listen(Server *server, GError **error)
{
  g_autofree char *directory = g_path_get_dirname(server->options->socket_path);
  return fs_mkdirs(directory, 0700, error) &&
         http_server_listen_unix(server->http, server->options->socket_path, error) &&
         listen_open(server, error);
}

static bool server_watch_agents(Server *server, GError **error)
{
  const AgentsConfig *config = server->options->agents;
  if (!config || !config->enabled || !config->directory)
    return true;
  server->agents = agents_open(server, error);
  return server->agents != NULL;
}

/* ---- what nodes tell that is not the core's ---- */

static void news_log(Server *server, const char *node, const Frame *frame)
{
  logs_frame(server->logs, node, frame);
}

static void news_exec(Server *server, const char *node, const Frame *frame)
{
  execs_frame(server->execs, node, frame);
}

static void news_secret_read(Server *server, const char *node, const Frame *frame)
{
  if (engine_hears(server->engine)) /* else the node asks again when it is welcome */
    secrets_answer(server, node, frame);
}

static void news_gone(Server *server, const char *node)
{
  logs_node_gone(server->logs, node);
  execs_node_gone(server->execs, node);
}

static void news_unknown(Server *server, const char *node, const char *word)
{
  if (g_str_equal(word, frame_type_word(FRAME_EXEC)))
    execs_unknown(server->execs, node);
}

static const HubNews server_news = {.frames = {[FRAME_LOG_DATA] = news_log,
                                               [FRAME_LOG_END] = news_log,
                                               [FRAME_EXEC_DATA] = news_exec,
                                               [FRAME_EXEC_END] = news_exec,
                                               [FRAME_SECRET_READ] = news_secret_read},
                                    .gone = news_gone,
                                    .unknown = news_unknown};

/* ---- life ---- */

static bool server_carry(Server *server, GError **error)
{
  server->hub_link = hub_link_new(server->hub, server, error);
  return server->hub_link != NULL;
}

bool server_open(Server *server, const ServerOptions *options, Store *store, GError **error)
{
  g_autofree char *run =
      g_strdup_printf("%" G_GINT64_MODIFIER "x.%x", clock_wall_ms(), (unsigned)getpid());
  server->options = options;
  server->routes = routes;
  server->started_boot_ms = clock_boot_ms();
  server->store_handle = store;
  server->loop = loop_new();
  server->store = store_thread_new(server->loop, store);
  server->history = history_new(server->loop, store_beside(store->uri, NULL));
  server->drain = loop_timer_new(server->loop, server_drain, server);
  HttpServerConfig config = {.handler = routes_handle,
                             .body_limit = routes_body_limit,
                             .peer_kind = auth_peer_kind,
                             .data = server,
                             .connections_max = CONNECTIONS_MAX};
  server->http = http_server_new(server->loop, &config);
  server->tcp = http_server_new(server->loop, &config);
  server->limiter = limiter_new();
  server->events = events_new(server->loop, run);
  server->notify = notify_new(server, server->loop);
  server->logs = logs_new(server);
  server->execs = execs_new(server);
  server->hub = hub_new(server, &server_news);
  server->registry = registry_new(server, registry_handle);
  if (turn_open(server, &server_hands, error) && server_carry(server, error) &&
      server_listen(server, error) && server_watch_agents(server, error)) {
    server->presence = presence_new(server);
    registry_open(server->registry);
    return true;
  }
  server_close(server);
  return false;
}

void server_close(Server *server)
{
  http_server_close_listeners(server->http);
  http_server_close_listeners(server->tcp);
  registry_leave(server->registry);
  g_clear_pointer(&server->presence, presence_free);
  turn_drop_waiters(server);
  reload_end(server);
  g_clear_pointer(&server->agents, agents_free);
  logs_end(server->logs); /* tells nodes, so before the links go */
  execs_end(server->execs);
  hub_free(server->hub);
  hub_link_free(server->hub_link);
  logs_free(server->logs);
  execs_free(server->execs);
  events_free(server->events);
  notify_free(server->notify);
  history_free(server->history);
  store_thread_free(server->store);
  turn_close(server);
  reload_close(server);
  stop_free(server->stopping);
  http_server_free(server->http);
  http_server_free(server->tcp);
  registry_free(server->registry);
  limiter_free(server->limiter);
  g_free(server->listen_text);
  g_free(server->listen_note);
  loop_timer_free(server->drain);
  loop_free(server->loop);
  *server = (Server){.exit_code = server->exit_code};
}

static void server_on_signal(void *data)
{
  server_leave(data, 0);
}

/* A server outlives the terminal that it was started from. */
static void server_on_hangup(void *data)
{
  log_info("hangup ignored", "%s", "");
}

/* Now that the directory is ours. That it cannot be written is no reason to end. */
static void server_keep_options(const ServerOptions *options)
{
  g_autoptr(GError) error = NULL;
  if (!options->kept)
    return;
  g_autofree char *path = g_build_filename(options->data_dir, SERVER_KEPT_FILE, NULL);
  if (!options->kept[0])
    unlink(path);
  else if (!fs_write(path, options->kept, strlen(options->kept), 0600, true, &error))
    log_warn("options are not kept", "error=\"%s\"", error->message);
}

static void server_ready(const Server *server)
{
  const ServerOptions *options = server->options;
  server_keep_options(options);
  log_info("server serves", "pid=%d version=%s socket=%s listen=%s data=%s", getpid(),
           REEVE_VERSION, options->socket_path, server->listen_text ? server->listen_text : "none",
           options->data_dir);
  if (options->ready_fd < 0)
    return;
  if (write(options->ready_fd, "+", 1) != 1)
    log_warn("nobody waits for the start any more", "%s", "");
  close(options->ready_fd);
}

/* Agents of another user pass through the state directory to their own files; the rest of it is not
 * theirs to read. */
static bool server_open_to_agents(const ServerOptions *options, GError **error)
{
  umask(077); /* the store's files, say */
  if (!options->agents_user)
    return true;
  if (!fs_close_to_others(options->data_dir, error))
    return false;
  if (chmod(options->data_dir, 0711) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "let agents pass through '%s': %s",
              options->data_dir, g_strerror(errno));
  return false;
}

static bool server_begin(ServerLife *life, const ServerOptions *options, GError **error)
{
  if (!fs_mkdirs(options->data_dir, 0700, error) || !server_open_to_agents(options, error))
    return false;
  Store *store = store_open(options->data_dir, error);
  if (!store || !server_open(&life->server, options, store, error))
    return false;
  Loop *loop = life->server.loop;
  life->signals[0] = loop_signal_new(loop, SIGTERM, server_on_signal, &life->server);
  life->signals[1] = loop_signal_new(loop, SIGINT, server_on_signal, &life->server);
  life->signals[2] = loop_signal_new(loop, SIGHUP, server_on_hangup, &life->server);
  return true;
}

static void server_end(ServerLife *life)
{
  for (guint i = 0; i < G_N_ELEMENTS(life->signals); i++)
    if (life->signals[i])
      loop_watch_free(life->signals[i]);
  if (life->server.loop)
    server_close(&life->server);
}

int server_main(const ServerOptions *options)
{
  g_autoptr(GError) error = NULL;
  ServerLife life = {0};
  fs_crash_role("server");
  system_keep_memory_private();
  loop_wipe_memory();
  system_prepare_files();
  if (options->verbose)
    log_set_level(LOG_LEVEL_DEBUG);
  if (server_begin(&life, options, &error)) {
    server_ready(&life.server);
    loop_run(life.server.loop);
  } else {
    log_error("server cannot start", "code=%s error=\"%s\"", reeve_error_word(error->code),
              error->message);
    life.server.exit_code = reeve_error_exit(error->code);
  }
  int exit_code = life.server.exit_code;
  server_end(&life);
  return exit_code;
}
