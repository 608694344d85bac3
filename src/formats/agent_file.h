#pragma once
/* agent.toml and agent.json: what an agent served by Reeve is. JSON comes flat or nested; both are
 * read. */
#include "base/problems.h"
#include "formats/agent_tools.h"
#include "model/job.h"

#include <stdbool.h>
#include <stdint.h>

/* Of auto_restart, max_restarts and restart_delay_ms. */
enum { AGENT_NOT_SET = -2 };

/* Who needs a key at the doors: whoever does not come over loopback, everybody, nobody. */
typedef enum AgentAuth { AGENT_AUTH_DEFAULT, AGENT_AUTH_KEY, AGENT_AUTH_NONE } AgentAuth;
/* The brain of an agent whose file names none: a model of an Ollama server. */
#define AGENT_DEFAULT_MODEL "llama3.2"
#define AGENT_DEFAULT_URL   "http://127.0.0.1:11434"

typedef struct AgentFile {
  char *name, *version, *description, *author;
  GPtrArray *capabilities; /* of char* */
  /* "command", "ollama", "openai", or another word, of which nothing more is known; never NULL */
  char *llm_provider;
  char **llm_command; /* argv, or NULL */
  char *llm_model, *system_prompt;
  char *base_url; /* of a model server, without slash at its end; set for ollama and openai */
  bool default_model, default_url; /* llm_model, base_url are the defaults: the file names none */
  double temperature, top_p;       /* NAN = not given */
  /* the same under the name that the model server wants; 0 = not given */
  int max_tokens, max_completion_tokens;
  int64_t request_timeout_ms; /* 0 = not given */
  int64_t idle_timeout_ms;    /* between two pieces of an answer; 0 = not given */
  int concurrency;            /* [llm] concurrency; 0 = not given */
  char *api_key_env, *api_key_file, *api_key_secret; /* where the key is, at most one of them */
  int64_t timeout_ms;                                /* [resources] timeout; 0 = not given */
  int max_concurrent_requests;                       /* 0 = not given */
  double cpu_limit;           /* cores, for whoever starts it; 0 = not given */
  int64_t memory_bytes;       /* memory_limit, for whoever starts it; 0 = not given */
  int64_t health_interval_ms; /* 0 = not given */
  int auto_restart;           /* [deployment]: 0, 1 or AGENT_NOT_SET */
  int max_restarts;           /* -1 = no limit */
  int64_t restart_delay_ms;
  int port;              /* [deployment] port; 0 = automatic */
  char *server_key_env;  /* [server]: the variable that has the key of the doors, or NULL */
  char *server_key_file; /* [server]: the file that has it, or NULL */
  AgentAuth server_auth; /* [server] auth */
  /* [server] public_url: by which others reach it, "https://agent.example" without slash at its
   * end; NULL = unknown */
  char *server_public_url;
  GPtrArray *server_names; /* [server] host_names, of char*: what a request may call it */
  /* [server] allowed_origins, of char*: pages of other origins that may call it */
  GPtrArray *server_origins;
  AgentTools *tools;       /* [mcp_servers], [sub_agents]; never NULL */
  GPtrArray *not_honoured; /* of char*: sections and keys that this version does not act on */
} AgentFile;

/* Values of llm.provider, NULL-terminated: each has a brain in agent/brains.c. */
extern const char *const agent_llm_providers[];

/* Reads @length bytes (a NUL behind them), TOML or (beginning with '{') JSON. Appends all problems;
 * NULL when there is an error among them.
 */
AgentFile *agent_file_read(const char *text, size_t length, const char *file_name,
                           Problems *problems);
/* NULL is allowed. */
void agent_file_free(AgentFile *file);
/* Puts @model and @url (NULL or "" = the default stays) in place of what the file does not name
 * itself: REEVE_MODEL and REEVE_MODEL_URL, which problems are told about. */
void agent_file_set_default(AgentFile *file, const char *model, const char *url,
                            Problems *problems);
/* Writes into @agent of a job what @file asks for and the job does not say itself: port, resources
 * and the secret of api_key_secret each; the restart and the health interval when it says nothing
 * about them. */
void agent_file_fold(const AgentFile *file, bool has_restart, bool has_health, AgentSpec *agent);
