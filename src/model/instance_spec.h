#pragma once
/* What a node must know to run one instance: the payload of a `start` instruction, and what the
 * node keeps in the instance's file. Made by core/ from a resolved Job and the plan;
 * self-contained. JSON keys are in docs/protocol.md "Instance spec". */
#include "model/job.h"

typedef struct InstanceSpec {
  char *deployment; /* name, for people and logs */
  char *agent;      /* agent id */
  int replica;
  /* of its plan: what a node goes by when it starts its agents without a server; -1 = it never
   * starts this one by itself */
  int stage;
  AgentKind kind;
  char **argv;        /* NULL-terminated, at least one */
  char **environment; /* "K=V", NULL-terminated; complete but for @references */
  /* "K=secret:NAME" or "K=file:PATH": fetched by the node when it starts the agent; may be NULL */
  char **references;
  /* names in @environment that are the caller's own HOME USER LOGNAME SHELL: not for an agent that
   * its node runs as another user. May be NULL */
  char **of_caller;
  char *working_dir;
  char *user; /* NULL = same */
  int port;   /* 0 = none */
  /* written beside the instance as agent.toml and named by @agent_file_env when not NULL */
  char *agent_text;
  char *peers; /* JSON text of AGENT_PEERS_FILE; never NULL ("[]") */
  HealthSpec health;
  RestartSpec restart;
  StopSpec stop;
  ResourceSpec resources;
} InstanceSpec;

/* With the defaults of a job file. Caller frees. */
InstanceSpec *instance_spec_new(void);
/* Caller frees. */
InstanceSpec *instance_spec_copy(const InstanceSpec *spec);
/* With its texts overwritten: an environment may hold secrets. NULL is fine. */
void instance_spec_free(InstanceSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceSpec, instance_spec_free)
enum { PEERS_DIGEST_BYTES = 17 }; /* 16 hexadecimal digits and a NUL */
/* By which a node tells that it has these @peers, and a server whether they are still right. */
void instance_peers_digest(const char *peers, char digest[PEERS_DIGEST_BYTES]);
/* Appends @spec as one JSON object to @out. */
void instance_spec_write(const InstanceSpec *spec, GString *out);
/* Reads it back; unknown keys ignored, missing ones default. REEVE_ERROR_INVALID names the key. */
struct json_t;
InstanceSpec *instance_spec_from_json(const struct json_t *object, GError **error);
InstanceSpec *instance_spec_parse(const char *json, size_t length, GError **error);
