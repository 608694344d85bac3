#pragma once
/* Where the registries of dynamic deployments are served: HTTP on a loopback port of its own,
 * whatever --listen says. Each deployment has a URL of its own there, which its agents are given
 * when they start. The port stays over restarts of the server, in a file of the data directory, so
 * that this URL stays too. */
#include "server/state.h"

#define REGISTRY_PORT_FILE "registry.port"
#define REGISTRY_PURPOSE                                                                        \
  "registry:" /* of seal_derive; in references of instances "peer:" stands before it. The id of \
                 the deployment follows */

/* Reads which port is kept, and opens nothing yet. @server has its options; @handler gets the
 * requests, with a RegistryDoor. */
Registry *registry_new(Server *server, HttpHandler handler);
void registry_free(Registry *registry);
/* Listens at the kept port when there is one; the core must be loaded. That it cannot be had is
 * logged, told by registry_problem, and tried again now and then. */
void registry_open(Registry *registry);
/* No new connections. registry_requests counts what is still being answered. NULL is fine for both.
 */
void registry_leave(Registry *registry);
int registry_requests(const Registry *registry);
/* The URL for the agents of the deployment with @id; listens when nothing did before. Wipe and free
 * with seal_wipe: it has the key. NULL with
 * @error: no port can be had, or kept, or the key cannot be derived. */
char *registry_url(Registry *registry, const char *id, GError **error);
/* The deployment whose registry @key, the part of the URL behind /r/, opens; NULL = none, and with
 * @error when keys cannot be derived. */
const Deployment *registry_deployment_of(const Registry *registry, const char *key, GError **error);
/* "127.0.0.1:PORT" while it listens, else NULL. */
const char *registry_address(const Registry *registry);
/* Why it does not listen though it should, or NULL. */
const char *registry_problem(const Registry *registry);

/* routes_registry.c: HttpHandler. @data: RegistryDoor. */
typedef struct RegistryDoor {
  Server *server;
  Registry *registry;
  Limiter *limiter; /* of wrong keys */
  int port;         /* 0 = not chosen yet */
} RegistryDoor;
void registry_handle(HttpRequest *request, void *data);
