#pragma once
/* How a server treats the agents of its directory: the `deployment` block of the configuration
 * file, and its defaults. */
#include "base/problems.h"

#include <stdint.h>

enum { AGENTS_CONFIG_BYTES_MAX = 1024 * 1024, AGENTS_PORT_BASE = 8100, AGENTS_MAX = 10 };

typedef struct AgentsConfig {
  bool given;                 /* the file has a deployment block */
  bool enabled;               /* default true; false: no directory, whatever else is said */
  char *host;                 /* default localhost: where the API listens when api_port is given */
  int api_port;               /* 0 = not given: no TCP listener on behalf of this block */
  int base_port;              /* first automatic port; default 8100 */
  int max_agents;             /* of the directory, deployed at the same time; default 10 */
  int64_t health_interval_ms; /* default 30,000 */
  bool restart_on_failure;    /* default true */
  int max_restarts;           /* default 3; an agent file may say otherwise */
  bool auto_discover_port;    /* default true: a port that something holds is passed over */
  /* of agents whose file names none: a model, and where Ollama is; NULL = what the agent takes */
  char *default_model;
  char *default_model_url;
  char *directory;         /* absolute; NULL = none */
  bool directory_required; /* named on the command line: a server without it does not start */
  /* of char*: NAME or PREFIX*, which agent files may read; NULL = all but REEVE_* */
  GPtrArray *variables;
  GPtrArray *not_honoured; /* of char*: keys that this version does not act on */
} AgentsConfig;

/* True when agent files may read the server's variable @name. */
bool agents_config_may_read(const AgentsConfig *config, const char *name);

AgentsConfig *agents_config_new(void);
void agents_config_free(AgentsConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentsConfig, agents_config_free)
/* Reads @text, a JSON object with the member "deployment", into @config. @file: for messages,
 * interned; @base_dir: absolute, what a relative agents_directory starts from. Appends all
 * problems; false when there is an error among them. */
bool agents_config_read(AgentsConfig *config, const char *text, size_t length, const char *file,
                        const char *base_dir, Problems *problems);
