#pragma once
/* What a job may be: every limit that a job file, the files that it names, or what its agents are
 * given can run into, once. `validate`, `plan`, `up` and the API refuse what is above with the same
 * words (limits.c), and docs/job-file.md prints the rows. Plain C without other headers, since the
 * shim reads it, too.
 *
 * To change one: read here why it is so; the tests of the limits (tests/e2e/test_job_limits.py,
 * tests/unit/plan/test_limits.c) take the numbers from the rows or name them. */

/* X(name, most, unit, what has it, why) makes NAME_MAX and LIMIT_NAME. */
#define LIMITS(X)                                                                                  \
  X(JOB_FILE_BYTES, 8 * 1024 * 1024, "bytes", "the job file", "it is read and stored as a whole")  \
  X(JOB_NAMED_FILE_BYTES, 1024 * 1024, "bytes", "an `env_file`, an agent file (`reeve.agent`)",    \
    "both become part of the stored revision")                                                     \
  X(JOB_SEND_BYTES, 40 * 1024 * 1024, "bytes", "the file and the resolved job together",           \
    "they are sent to the server as one request")                                                  \
  X(JOB_FILE_DEPTH, 64, "levels", "mappings and lists within each other", "readers recurse")       \
  X(JOB_FILE_ALIASES, 100, "aliases", "YAML aliases (`*name`)", "each is copied where it stands")  \
  X(JOB_FILE_ANCHORS, 2000, "anchors", "YAML anchors (`&name`)",                                   \
    "the parser keeps them in a list")                                                             \
  X(JOB_FILE_ALIAS_NODES, 100000, "values", "all that aliases stand for",                          \
    "a few bytes must not become gigabytes")                                                       \
  X(JOB_FILE_MAP, 2000, "keys", "one `environment`, `config`, `env_file`, or mapping with `<<`",   \
    "they are compared pairwise")                                                                  \
  X(NAME_CHARACTERS, 64, "characters", "a name: of the job, an agent, a secret",                   \
    "columns, labels, paths of sockets")                                                           \
  X(JOB_AGENTS, 50000, "agents", "a job", "so many small ones fit into one request")               \
  X(JOB_REPLICAS, 1000, "replicas", "an agent", "they differ by a number only")                    \
  X(JOB_INSTANCES, 50000, "instances", "a job: the replicas of all its agents",                    \
    "each is a process with a port of its own")                                                    \
  X(JOB_CONNECTIONS, 1000000, "connections",                                                       \
    "the topology: each instance with each instance whose URL it is given",                        \
    "a stage is started at once, with about 100 bytes for each: a mesh of 1,000")                  \
  X(JOB_NOTIFY, 16, "webhooks", "a job (`notify`)", "each event goes to each of them")             \
  X(AGENT_WORDS, 4096, "words", "`command`, `health.exec`", "the shim has room for so many")       \
  X(AGENT_VARIABLES, 4000, "variables", "the environment of an agent, of job and caller included", \
    "the shim has room for 4,096, some of them Reeve's")                                           \
  X(AGENT_TEXT_BYTES, 131071, "bytes",                                                             \
    "one word of a command, one variable with its name (also `CONNECTED_AGENTS`)",                 \
    "the kernel takes no longer ones (MAX_ARG_STRLEN)")                                            \
  X(AGENT_EXEC_BYTES, 1024 * 1024, "bytes", "a command and the environment of its agent together", \
    "the kernel takes a quarter of the stack's limit, 2 MiB by default; the rest is for secrets")  \
  X(AGENT_START_BYTES, 8 * 1024 * 1024 - 64 * 1024, "bytes",                                       \
    "what a node is told to start one instance: environment, agent file, peers",                   \
    "it must fit into one frame of 8 MiB; in JSON, where some bytes take two to six")              \
  X(JOB_START_BYTES, 128 * 1024 * 1024, "bytes",                                                   \
    "what nodes are told to start all instances of a job",                                         \
    "a stage is told at once, and is in memory until its node has read it")

enum {
#define X(name, most, unit, what, why) name##_MAX = (most),
  LIMITS(X)
#undef X
  /* One line between server and node. A frame with many items goes as several of about
   * FRAME_PAGE_BYTES, so only one item that is larger by itself cannot be sent, which is
   * AGENT_START_BYTES. */
  FRAME_BYTES_MAX = 8 * 1024 * 1024,
  FRAME_PAGE_BYTES = 256 * 1024,
  FRAME_LIST_BYTES_MAX = 64 * 1024 * 1024, /* of all pages of one hello */
  BULK_BYTES_MAX = 16 * 1024,
  /* what a node may leave unread before its link is closed: all starts of a job, and some more;
   * with less a large stage would end the link that it is sent over, again and again */
  LINK_UNREAD_BYTES_MAX = JOB_START_BYTES_MAX + 32 * 1024 * 1024,
  /* words and variables that the shim has room for; frozen with its protocol */
  EXEC_WORDS_MAX = 4096
};

typedef enum Limit {
#define X(name, most, unit, what, why) LIMIT_##name,
  LIMITS(X)
#undef X
      LIMIT_N
} Limit;
