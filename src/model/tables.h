#pragma once
/* What the store keeps, a line a column, here and nowhere else: what it is called in the program
 * and in the database, its kind, and the member of the object that it stands for. The schema
 * (model/record.c), the writer and the reader (core/rows.c) are made of these lines. The first
 * column of a table is its key. How to add one: docs/architecture.md "How to add".
 *
 * The kinds, and what the member is:
 *   ID      char[20]; never empty
 *   NEEDED  char *, never NULL
 *   TEXT    char *, NULL = none
 *   SHARED  GRefString; NULL is read as ""
 *   INT     int, int64_t or bool; NULL is read as 0
 *   WORD    an enum, stored as its word (model/states.h)
 *   OWNER   no member: the id of the object that it belongs to, which is of that noun
 *   OTHER   no member: text that two functions of core/rows.c write and read, or know to be wrong
 */

/* clang-format off */

/* Name, name in the database, object (core/objects.h), what else TableSpec says. In load order:
 * owners before what they own, nodes before what is there. */
#define TABLES(X) \
  X(META,          "meta",          MetaEntry,    ) \
  X(NODES,         "nodes",         NodeObject,   ) \
  X(DEPLOYMENTS,   "deployments",   Deployment,   ) \
  X(REVISIONS,     "revisions",     Revision,     .index = "deployment") \
  X(INSTANCES,     "instances",     Instance,     .index = "deployment") \
  X(ROLLOUTS,      "rollouts",      Rollout,      .index = "deployment") \
  X(SCHEDULES,     "schedules",     Schedule,     .index = "deployment") \
  X(SCHEDULE_RUNS, "schedule_runs", ScheduleRun,  .index = "schedule") \
  X(TOKENS,        "tokens",        Token,        ) \
  X(SECRETS,       "secrets",       Secret,       ) \
  X(NOTICES,       "notices",       Notice,       ) \
  X(REGISTRATIONS, "registrations", Registration, ) \
  X(AUDIT,         "audit",         AuditEntry,   .index = "at", .history = true)

#define META_COLUMNS(X, T) \
  X(T, META_KEY,   "key",   NEEDED, key) \
  X(T, META_VALUE, "value", TEXT,   value)

#define DEPLOYMENTS_COLUMNS(X, T) \
  X(T, DEP_ID,         "id",         ID,     id) \
  X(T, DEP_NAME,       "name",       NEEDED, name) \
  X(T, DEP_STATUS,     "status",     WORD,   settled) \
  X(T, DEP_REVISION,   "revision",   INT,    revision) \
  X(T, DEP_ROLLOUT,    "rollout",    OTHER,  last_rollout) \
  X(T, DEP_CREATED_AT, "created_at", INT,    created_at_ms) \
  X(T, DEP_UPDATED_AT, "updated_at", INT,    updated_at_ms) \
  X(T, DEP_REASON,     "reason",     TEXT,   reason) \
  X(T, DEP_OUTCOME,    "outcome",    WORD,   outcome) \
  X(T, DEP_TOLD,       "told",       OTHER,  told)

#define REVISIONS_COLUMNS(X, T) \
  X(T, REV_ID,          "id",          ID,     id) \
  X(T, REV_DEPLOYMENT,  "deployment",  OWNER,  deployment) \
  X(T, REV_NUMBER,      "number",      INT,    number) \
  X(T, REV_SOURCE_NAME, "source_name", TEXT,   source_name) \
  X(T, REV_SOURCE,      "source",      SHARED, source) \
  X(T, REV_JOB,         "job",         SHARED, job_json) \
  X(T, REV_CREATED_AT,  "created_at",  INT,    created_at_ms) \
  X(T, REV_ACTOR,       "actor",       TEXT,   actor) \
  X(T, REV_CAUSE,       "cause",       TEXT,   cause)

#define INSTANCES_COLUMNS(X, T) \
  X(T, INS_ID,         "id",         ID,     id) \
  X(T, INS_DEPLOYMENT, "deployment", OWNER,  deployment) \
  X(T, INS_AGENT,      "agent",      NEEDED, agent) \
  X(T, INS_REPLICA,    "replica",    INT,    replica) \
  X(T, INS_NODE,       "node",       OTHER,  node) \
  X(T, INS_EPOCH,      "epoch",      INT,    epoch) \
  X(T, INS_GENERATION, "generation", INT,    generation) \
  X(T, INS_REVISION,   "revision",   INT,    revision) \
  X(T, INS_DESIRED,    "desired",    OTHER,  desired) \
  X(T, INS_STEP,       "step",       WORD,   step) \
  X(T, INS_STAGE,      "stage",      INT,    stage) \
  X(T, INS_PORT,       "port",       INT,    port) \
  X(T, INS_OUTCOME,    "outcome",    OTHER,  outcome) \
  X(T, INS_REASON,     "reason",     TEXT,   reason) \
  X(T, INS_EXIT,       "exit",       OTHER,  last_exit) \
  X(T, INS_CREATED_AT, "created_at", INT,    created_at_ms) \
  X(T, INS_ENDED_AT,   "ended_at",   INT,    ended_at_ms) \
  X(T, INS_TARGET,     "target",     INT,    target) \
  X(T, INS_SECRETS,    "secrets",    INT,    secrets_version)

#define ROLLOUTS_COLUMNS(X, T) \
  X(T, ROL_ID,         "id",            ID,    id) \
  X(T, ROL_DEPLOYMENT, "deployment",    OWNER, deployment) \
  X(T, ROL_KIND,       "kind",          WORD,  kind) \
  X(T, ROL_PHASE,      "phase",         WORD,  phase) \
  X(T, ROL_STAGE,      "stage",         INT,   stage) \
  X(T, ROL_FROM,       "from_revision", INT,   from) \
  X(T, ROL_TO,         "to_revision",   INT,   to) \
  X(T, ROL_OUTCOME,    "outcome",       WORD,  outcome) \
  X(T, ROL_CAUSE,      "cause",         TEXT,  cause) \
  X(T, ROL_STARTED_AT, "started_at",    INT,   started_at_ms) \
  X(T, ROL_STAGE_AT,   "stage_at",      INT,   stage_at_ms) \
  X(T, ROL_DURATION,   "duration",      INT,   duration_ms) \
  X(T, ROL_ENDED_AT,   "ended_at",      INT,   ended_at_ms) \
  X(T, ROL_ACTOR,      "actor",         TEXT,  actor) \
  X(T, ROL_FAILED,     "failed",        TEXT,  failed) \
  X(T, ROL_VERDICT,    "verdict",       WORD,  verdict) \
  X(T, ROL_AGENT,      "agent",         TEXT,  agent) \
  X(T, ROL_ROLLING,    "rolling",       INT,   rolling)

#define SCHEDULES_COLUMNS(X, T) \
  X(T, SCH_ID,         "id",         ID,     id) \
  X(T, SCH_DEPLOYMENT, "deployment", OWNER,  deployment) \
  X(T, SCH_AGENT,      "agent",      NEEDED, agent) \
  X(T, SCH_HANDLED_AT, "handled_at", INT,    handled_at_ms) \
  X(T, SCH_QUEUED,     "queued",     INT,    queued_due_ms) \
  X(T, SCH_SPEC,       "spec",       TEXT,   spec)

#define SCHEDULE_RUNS_COLUMNS(X, T) \
  X(T, RUN_ID,         "id",         ID,     id) \
  X(T, RUN_SCHEDULE,   "schedule",   OWNER,  schedule) \
  X(T, RUN_DUE_AT,     "due_at",     INT,    due_at_ms) \
  X(T, RUN_STARTED_AT, "started_at", INT,    started_at_ms) \
  X(T, RUN_ENDED_AT,   "ended_at",   INT,    ended_at_ms) \
  X(T, RUN_OUTCOME,    "outcome",    NEEDED, outcome) \
  X(T, RUN_REASON,     "reason",     TEXT,   reason) \
  X(T, RUN_GENERATION, "generation", INT,    generation) \
  X(T, RUN_ACTOR,      "actor",      TEXT,   actor)

#define NODES_COLUMNS(X, T) \
  X(T, NOD_ID,          "id",          NEEDED, id) \
  X(T, NOD_NAME,        "name",        TEXT,   name) \
  X(T, NOD_BOOT_ID,     "boot_id",     TEXT,   boot_id) \
  X(T, NOD_CREATED_AT,  "created_at",  INT,    created_at_ms) \
  X(T, NOD_INCARNATION, "incarnation", TEXT,   incarnation)

#define TOKENS_COLUMNS(X, T) \
  X(T, TOK_ID,         "id",         ID,     id) \
  X(T, TOK_NAME,       "name",       NEEDED, name) \
  X(T, TOK_ROLE,       "role",       WORD,   role) \
  X(T, TOK_HASH,       "hash",       NEEDED, hash) \
  X(T, TOK_CREATED_AT, "created_at", INT,    created_at_ms) \
  X(T, TOK_EXPIRES_AT, "expires_at", INT,    expires_at_ms) \
  X(T, TOK_ACTOR,      "actor",      TEXT,   actor)

#define SECRETS_COLUMNS(X, T) \
  X(T, SEC_NAME,       "name",       NEEDED, name) \
  X(T, SEC_SEALED,     "sealed",     NEEDED, sealed) \
  X(T, SEC_VERSION,    "version",    INT,    version) \
  X(T, SEC_CREATED_AT, "created_at", INT,    created_at_ms) \
  X(T, SEC_UPDATED_AT, "updated_at", INT,    updated_at_ms) \
  X(T, SEC_ACTOR,      "actor",      TEXT,   actor)

#define NOTICES_COLUMNS(X, T) \
  X(T, NTC_ID,         "id",         ID,     id) \
  X(T, NTC_DEPLOYMENT, "deployment", NEEDED, deployment) \
  X(T, NTC_URL,        "url",        NEEDED, url) \
  X(T, NTC_EVENT,      "event",      NEEDED, event) \
  X(T, NTC_BODY,       "body",       NEEDED, body) \
  X(T, NTC_CREATED_AT, "created_at", INT,    created_at_ms) \
  X(T, NTC_TRIES,      "tries",      INT,    tries) \
  X(T, NTC_NEXT_AT,    "next_at",    INT,    next_at_ms)

#define REGISTRATIONS_COLUMNS(X, T) \
  X(T, REG_INSTANCE,   "instance",   OWNER, instance) \
  X(T, REG_GENERATION, "generation", INT,   generation) \
  X(T, REG_SAID,       "said",       TEXT,  said) \
  X(T, REG_SAID_AT,    "said_at",    INT,   said_at_ms) \
  X(T, REG_HIDDEN,     "hidden",     INT,   hidden) \
  X(T, REG_ATTEMPT,    "attempt",    INT,   attempt)

#define AUDIT_COLUMNS(X, T) \
  X(T, AUD_ID,     "id",     ID,   id) \
  X(T, AUD_AT,     "at",     INT,  at_ms) \
  X(T, AUD_ACTOR,  "actor",  TEXT, actor) \
  X(T, AUD_ACTION, "action", TEXT, action) \
  X(T, AUD_OBJECT, "object", TEXT, object) \
  X(T, AUD_DETAIL, "detail", TEXT, detail)

/* clang-format on */
