#pragma once
/* Shared by the files that read job files: positions, rows of keys, and the reader of a mapping by
 * its rows. Values reach the rows parsed and checked by job_tree.h. */
#include "formats/job_reader.h"

#include <libfyaml.h>

typedef struct Reader {
  const JobReadOptions *options;
  Problems *problems;
  Job *job;
  GHashTable *ignored; /* names in job->not_honoured, so that each is there once */
  struct fy_node *topology, *agents;
  SourcePos entry_point_pos;
  HealthSpec health_default; /* of deployment.health_check, for agents without health */
} Reader;

typedef struct Row Row;
typedef void (*RowFn)(Reader *reader, const Row *row, struct fy_node *value, void *base,
                      const char *path);

/* One key: how it is read, where it goes, what people are told of it. */
struct Row {
  const char *key;
  RowFn read;
  size_t offset;            /* in the struct being filled */
  double low, high;         /* numbers */
  const char *const *words; /* of an enum, NULL-terminated; value = index */
  const Row *rows;          /* of a nested mapping, ended by a row without key */
  const char *type;         /* for people */
  const char *preset;       /* default, for people; NULL = none */
  const char *help;
};

/* Where @node stands in the job file. */
SourcePos reader_pos(const Reader *reader, struct fy_node *node);
/* Notes that what stands at @at is wrong, or may be. */
void reader_error(Reader *reader, struct fy_node *at, const char *format, ...) G_GNUC_PRINTF(3, 4);
void reader_warn(Reader *reader, struct fy_node *at, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Reads every pair of @node by @rows into @base; unknown keys are named with the nearest known one.
 * @path: "agents[2].health". */
void reader_mapping(Reader *reader, struct fy_node *node, const Row *rows, void *base,
                    const char *path);
/* Text of a scalar with its variables (caller frees), or NULL after an error that says what was
 * wanted at @path.@key (@key may be NULL). */
char *reader_text(Reader *reader, struct fy_node *node, const char *path, const char *key,
                  const char *wanted);
/* The same as it is written: keys know no variables. */
char *reader_key(Reader *reader, struct fy_node *node, const char *path, const char *key,
                 const char *wanted);
/* Any value as text, with its variables: scalars as they are, lists and maps as JSON. Caller frees.
 */
char *reader_any(Reader *reader, struct fy_node *node);
/* @text as an absolute path: from the home directory where it begins with ~, else from the job
 * file's directory. Caller frees. */
char *reader_path(const Reader *reader, const char *text);
/* An agent that does not exist, with the nearest that does. */
void reader_unknown_agent(Reader *reader, SourcePos pos, const char *path, const char *id);
/* Notes once that the file asks for @name and Reeve does not do it, and warns at @at why. */
void reader_ignore(Reader *reader, struct fy_node *at, const char *name, const char *why);
/* The same without a warning, for what was warned about elsewhere. */
void reader_note_ignored(Reader *reader, const char *name);
/* The text of @path, at most @max bytes of UTF-8, or NULL after an error at @at that begins with
 * @what. Caller frees. */
char *reader_load(Reader *reader, struct fy_node *at, const char *what, const char *path,
                  size_t max);
/* Nothing, null or ~. */
bool reader_is_null(struct fy_node *node);
/* True when @node is a mapping of at most JOB_FILE_MAP_MAX keys; else an error names @path.@key. */
bool reader_is_map(Reader *reader, struct fy_node *node, const char *path, const char *key,
                   const char *wanted);
/* Is @text one finite number and nothing else? */
bool reader_number(const char *text, double *out);
/* "@path.@key", or @key alone when @path is "". Caller frees. */
char *reader_join(const char *path, const char *key);

/* Kinds of values; offset leads to the type in the comment. */
void row_text(Reader *, const Row *, struct fy_node *, void *, const char *);    /* char* */
void row_bool(Reader *, const Row *, struct fy_node *, void *, const char *);    /* bool */
void row_int(Reader *, const Row *, struct fy_node *, void *, const char *);     /* int */
void row_count(Reader *, const Row *, struct fy_node *, void *, const char *);   /* int64_t */
void row_real(Reader *, const Row *, struct fy_node *, void *, const char *);    /* double */
void row_seconds(Reader *, const Row *, struct fy_node *, void *, const char *); /* int64_t ms */
void row_memory(Reader *, const Row *, struct fy_node *, void *, const char *);  /* int64_t bytes */
void row_words(Reader *, const Row *, struct fy_node *, void *, const char *);   /* char** */
void row_environment(Reader *, const Row *, struct fy_node *, void *, const char *); /* StrMap */
void row_enum(Reader *, const Row *, struct fy_node *, void *, const char *);        /* int */
/* the struct at offset */
void row_rows(Reader *, const Row *, struct fy_node *, void *, const char *);
void row_schedule(Reader *, const Row *, struct fy_node *, void *, const char *); /* ScheduleSpec */
void row_reeve(Reader *, const Row *, struct fy_node *, void *, const char *);    /* AgentSpec */
void row_notify(Reader *, const Row *, struct fy_node *, void *, const char *);   /* Job */
/* named as not honoured */
void row_ignored(Reader *, const Row *, struct fy_node *, void *, const char *);

extern const Row job_rows[];      /* job_schema.c */
extern const Row schedule_rows[]; /* job_schedule.c */
extern const Row notify_rows[];   /* job_notify.c */
extern const Row reeve_rows[];    /* job_agent_file.c */
/* job_life.c */
extern const Row health_rows[], health_check_rows[], restart_rows[], stop_rows[], resource_rows[];
extern const Row agent_rows[];    /* job_agents.c */
extern const Row topology_rows[]; /* job_topology.c */
#define ROWS_END \
  {              \
    .key = NULL  \
  }
/* job_agents.c: reads the list @node into job->agents, each with what its agent file says. */
void reader_agents(Reader *reader, struct fy_node *node);

/* job_agent_file.c: what the agent file of @agent says, after all of @node was read, for what the
 * job says counts wherever it stands. */
void reader_agent_file(Reader *reader, struct fy_node *node, AgentSpec *agent);
/* job_topology.c: fills job->topology once all agents are known, checks references and cycles. */
void reader_topology(Reader *reader, struct fy_node *node);
/* job_checks.c: what only the whole shows: ports, entry point. */
void reader_checks(Reader *reader);
