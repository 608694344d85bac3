#pragma once
/* The agents directory: DIR/NAME/agent.toml or agent.json, discovered and watched. What is found is
 * volatile; a deployed agent is an ordinary deployment of a job with one agent, named after it. For
 * the files of this room only. */
#include "formats/agent_file.h"
#include "formats/job_reader.h"
#include "net/watch.h"
#include "server/agents_config.h"
#include "server/state.h"

enum {
  AGENTS_FILE_BYTES_MAX = 1024 * 1024,
  /* directories of the agents directory; told in docs/deployment-server.md */
  AGENTS_ENTRIES_MAX = 10000,
  AGENTS_DELAY_MS = 15,
  AGENTS_RETRY_MS = 2000,
  AGENTS_RESTART_DELAY_MS = 5000
};

/* What an agent file says, checked. */
typedef struct AgentDef {
  AgentFile *file;  /* as `agent serve` will read it */
  char *text;       /* as it is handed to `agent serve`, variables unexpanded */
  char *sha256;     /* of the file, lower-case hex */
  char *md5;        /* the same, for clients that look it up so */
  bool auto_start;  /* [deployment] auto_start */
  StrMap variables; /* that the file uses, with their values now */
} AgentDef;

/* Reads the agent file @text. @dir_name: its name when a JSON file has none. @variable: values of
 * $NAME, given @data. Appends all problems; NULL when there is an error among them. */
AgentDef *agent_def_read(const char *text, size_t length, const char *file, const char *dir_name,
                         FormatVarFn variable, void *data, Problems *problems);
void agent_def_free(AgentDef *def);

/* One directory in the agents directory that has, or had, an agent file. */
typedef struct AgentEntry {
  char *directory;      /* its name, the key */
  char *name;           /* of the agent: as last read, else the directory's */
  char *path;           /* of the file; NULL = there is none */
  char *problem;        /* what is wrong with the file; NULL = nothing */
  const char *taken_by; /* directory of the agent that has its name already; NULL = nobody */
  AgentDef *def;        /* NULL when the file has errors */
  int watch;            /* -1 = not watched */
  bool distrusted;      /* its problem is that others may change it */
  int64_t stamp[4];
  bool fresh; /* just (re)read: auto_start is looked at */
} AgentEntry;

struct Agents {
  Server *server;
  const AgentsConfig *config;
  int root; /* O_PATH descriptor of the directory, -1 = it is not there */
  int root_watch;
  Watch *watch;
  /* every AGENTS_RETRY_MS: what cannot be watched, and whether the directory is still the one that
   * has the path */
  LoopTimer *retry;
  LoopTimer *later;     /* what must happen outside of a turn: automatic starts, answers */
  GHashTable *entries;  /* directory name -> AgentEntry* */
  GHashTable *by_watch; /* watch id -> AgentEntry* */
  /* agent name -> AgentEntry*, the first in order of directories among those without errors */
  GHashTable *by_name;
  GPtrArray *sorted; /* of AgentEntry* with a file, by name */
  GPtrArray *waits;  /* of AgentWait*: answers that wait for a rollout */
  bool auto_pending;
  /* there are more directories than AGENTS_ENTRIES_MAX; looked at again as soon as there is room */
  bool left_out;
};

/* --- agents_dir.c --- */
/* Reads and watches the directory of server->options->agents, which is enabled and has one. NULL
 * with @error when a required one is absent.
 */
Agents *agents_open(Server *server, GError **error);
/* NULL is fine. */
void agents_free(Agents *agents);
/* --- agents_list.c --- */
/* Something left or was committed: what waits for that goes on soon. Cheap when nothing waits; NULL
 * is fine. */
void agents_continue(Agents *agents);
/* The agent called @name, or NULL. */
const AgentEntry *agents_find(const Agents *agents, const char *name);
/* The declared name of the agent that @word means: an agent of that name, else the one whose
 * directory is called so. @word itself when there is none, or a deployment has that name. Borrowed.
 */
const char *agents_name_of(const Agents *agents, const char *word);
/* --- agents_open.c --- */
/* Opens @path below @root for reading; what leads out of it is refused (EXDEV, ELOOP). -1 with
 * errno. */
int agents_open_file(int root, const char *path);
/* The same for kernels without openat2: follows no link at all. */
int agents_open_parts(int root, const char *path);
/* Why the file open as @fd, below @root, must not be believed: it, or a directory on the way to it,
 * belongs to another user than root or ours, or others may write to it. The text names the command
 * that mends it; caller frees. NULL = it may be believed. */
char *agents_distrust(int root, int fd);
/* --- agents_deploy.c --- */
/* FormatVarFn: the server's variable @name, when agent files may read it. @data: AgentsConfig. */
const char *agents_variable(const char *name, void *data);
/* True when @deployment was made from a file of the directory. */
bool agents_owns(const Agents *agents, const Deployment *deployment);
/* Checks what stands against deploying @name. The entry, or NULL with REEVE_ERROR_NOT_FOUND,
 * INVALID or CONFLICT. */
const AgentEntry *agents_deployable(const Agents *agents, const char *name, GError **error);
/* Fills @command (deploy) and the texts it borrows. */
typedef struct AgentsDeploy {
  Job *job;
  char *job_json;
  Command command;
} AgentsDeploy;
void agents_deploy_init(AgentsDeploy *deploy, const Agents *agents, const AgentEntry *entry,
                        const char *actor);
void agents_deploy_done(AgentsDeploy *deploy);
/* Deploys agents with auto_start whose files are fresh and whose names were never deployed. */
void agents_auto_start(Agents *agents);
/* --- routes_agents.c --- */
/* Answers the requests whose rollout has ended or whose patience has. */
void agents_answer_waits(Agents *agents);
void agents_drop_waits(Agents *agents);
