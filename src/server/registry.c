/* Owns the listener of the registries, the port that it keeps, and the keys in its URLs; see
 * registry.h. A kept port that something else holds is not replaced while an agent may run that was
 * given it: its URL would be wrong for good, and nobody would see why. */
#include "server/registry.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/objects.h"
#include "server/seal.h"

#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

enum {
  REGISTRY_AGAIN_MS = 5000,
  REGISTRY_BODY_MAX = REGISTRY_SAID_MAX,
  REGISTRY_KEY_DIGITS = 2 * SEAL_KEY_BYTES
};
static const char REGISTRY_HOST[] = "127.0.0.1";

struct Registry {
  RegistryDoor door; /* its port is that of the file */
  HttpServer *http;
  LoopTimer *again;
  char *address; /* NULL = does not listen */
  char *problem;
  bool leaving;
};

/* ---- the port ---- */

/* 0 = none is kept. */
static int registry_read_port(const Registry *registry)
{
  g_autofree char *path =
      g_build_filename(registry->door.server->options->data_dir, REGISTRY_PORT_FILE, NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *text = fs_read(path, 64, NULL, &error);
  gint64 port = 0;
  if (text && g_ascii_string_to_signed(g_strchomp(text), 10, 1, 65535, &port, NULL))
    return (int)port;
  if (text || !g_error_matches(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND))
    log_error(
        "port of the registry cannot be read, another is chosen; agents that run have the old one until they are restarted",
        "file=%s error=\"%s\"", path, error ? error->message : "no port number");
  return 0;
}

static bool registry_write_port(const Registry *registry, int port, GError **error)
{
  g_autofree char *path =
      g_build_filename(registry->door.server->options->data_dir, REGISTRY_PORT_FILE, NULL);
  g_autofree char *text = g_strdup_printf("%d\n", port);
  return fs_write(path, text, strlen(text), 0600, true, error);
}

/* May a process run that was given the kept port? One of which its node has not told yet may. */
static bool registry_may_be_used(const Registry *registry)
{
  if (engine_core_state(registry->door.server->engine) != CORE_STATE_READY)
    return true; /* nobody knows */
  const GPtrArray *deployments = core_deployments(engine_core(registry->door.server->engine));
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      bool runs = instance->sight.present
                      ? instance->pid > 0 && instance->sight.seen_generation == instance->generation
                      : instance->generation > 0;
      const Revision *revision = runs && instance->desired_running
                                     ? deployment_revision(deployment, instance->revision)
                                     : NULL;
      const Job *job = revision_job(revision);
      if (revision && (!job || job_has_registry(job))) /* of one that cannot be read nobody knows */
        return true;
    }
  }
  return false;
}

/* Listens at @port, 0 = any, and keeps what it got. */
static bool registry_listen_at(Registry *registry, int port, GError **error)
{
  int got = http_server_listen_tcp(registry->http, REGISTRY_HOST, port, error);
  if (got < 0)
    return false;
  if (got != registry->door.port && !registry_write_port(registry, got, error)) {
    http_server_close_listeners(registry->http); /* a URL that does not stay is given to nobody */
    return false;
  }
  registry->door.port = got;
  registry->address = g_strdup_printf("%s:%d", REGISTRY_HOST, got);
  return true;
}

static void registry_failed(Registry *registry, const GError *error)
{
  if (g_strcmp0(registry->problem, error->message) != 0)
    log_error("the registry of dynamic deployments does not answer; it is tried again every 5 s",
              "error=\"%s\"", error->message);
  g_free(registry->problem);
  registry->problem = g_strdup(error->message);
  loop_timer_set(registry->again, clock_boot_ms() + REGISTRY_AGAIN_MS);
}

static bool registry_listen(Registry *registry, GError **error)
{
  g_autoptr(GError) failed = NULL;
  int kept = registry->door.port;
  if (registry->address)
    return true;
  if (registry->leaving) {
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server is stopping");
    return false;
  }
  bool listens = registry_listen_at(registry, kept, &failed);
  if (!listens && kept && !registry_may_be_used(registry)) {
    log_warn("kept port of the registry is taken, another is chosen", "port=%d error=\"%s\"", kept,
             failed->message);
    g_clear_error(&failed);
    listens = registry_listen_at(registry, 0, &failed);
  }
  if (!listens) {
    registry_failed(registry, failed);
    g_propagate_error(error, g_steal_pointer(&failed));
    return false;
  }
  g_clear_pointer(&registry->problem, g_free);
  loop_timer_set(registry->again, INT64_MAX);
  log_info("registry of dynamic deployments listens", "address=%s", registry->address);
  return true;
}

static void registry_again(void *data)
{
  registry_listen(data, NULL);
}

void registry_open(Registry *registry)
{
  if (registry->door.port)
    registry_listen(registry, NULL);
}

const char *registry_address(const Registry *registry)
{
  return registry->address;
}

const char *registry_problem(const Registry *registry)
{
  return registry->problem;
}

/* ---- URLs and keys ---- */

char *registry_url(Registry *registry, const char *id, GError **error)
{
  if (!registry_listen(registry, registry->door.port ? NULL : error) && !registry->door.port)
    return NULL; /* with a kept port the URL is right, and answers when that is free again */
  g_autofree char *purpose = g_strconcat(REGISTRY_PURPOSE, id, NULL);
  char *digits = seal_derive(registry->door.server->options->data_dir, purpose, error);
  g_autofree char *place =
      g_strdup_printf("http://%s:%d/r/%s-", REGISTRY_HOST, registry->door.port, id);
  char *url = digits ? g_strconcat(place, digits, NULL) : NULL;
  seal_wipe(digits);
  return url;
}

const Deployment *registry_deployment_of(const Registry *registry, const char *key, GError **error)
{
  const char *dash = strrchr(key, '-');
  g_autofree char *id = dash ? g_strndup(key, (gsize)(dash - key)) : NULL;
  const Deployment *deployment =
      id ? core_deployment(engine_core(registry->door.server->engine), id) : NULL;
  if (!deployment || strcmp(deployment->id, id) != 0 || strlen(dash + 1) != REGISTRY_KEY_DIGITS)
    return NULL;
  g_autofree char *purpose = g_strconcat(REGISTRY_PURPOSE, id, NULL);
  char *digits = seal_derive(registry->door.server->options->data_dir, purpose, error);
  bool same = digits && CRYPTO_memcmp(digits, dash + 1, REGISTRY_KEY_DIGITS) == 0;
  seal_wipe(digits);
  return same ? deployment : NULL;
}

/* ---- life ---- */

Registry *registry_new(Server *server, HttpHandler handler)
{
  Registry *registry = g_new0(Registry, 1);
  registry->door = (RegistryDoor){.server = server, .registry = registry, .limiter = limiter_new()};
  registry->door.port = registry_read_port(registry);
  HttpServerConfig config = {
      .handler = handler, .body_bytes_max = REGISTRY_BODY_MAX, .data = &registry->door};
  registry->http = http_server_new(server->loop, &config);
  registry->again = loop_timer_new(server->loop, registry_again, registry);
  return registry;
}

void registry_leave(Registry *registry)
{
  if (!registry)
    return;
  registry->leaving = true;
  http_server_close_listeners(registry->http);
}

int registry_requests(const Registry *registry)
{
  return registry ? http_server_open(registry->http) : 0;
}

void registry_free(Registry *registry)
{
  if (!registry)
    return;
  http_server_free(registry->http);
  loop_timer_free(registry->again);
  limiter_free(registry->door.limiter);
  g_free(registry->address);
  g_free(registry->problem);
  g_free(registry);
}
