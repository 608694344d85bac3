#pragma once
/* What changes from one job to another, agent by agent and key by key. */
#include "model/job.h"

/* Whom the difference is for: who may only look on, or who may change the job and sees what it
 * holds. */
typedef enum DiffShown { DIFF_SHOWN_PLAIN, DIFF_SHOWN_VALUES } DiffShown;

/* The difference as JSON:
 * {"agents":[{"agent","change":"added|removed|changed|stale","replicas","keys":[{"key","before","after"}]}],
 * "job":[{"key","before","after"}]}. A key is called as in the job file. A changed agent file has
 * its unified difference in "patch", a changed list of texts what came and went in "added" and
 * "removed". @before may be NULL: everything is added. A *stale* agent is itself unchanged, but its
 * connections are others: what runs has old URLs in CONNECTED_AGENTS, while its AGENT_PEERS_FILE is
 * current. Values whose key sounds like a secret are not shown, user and password of a URL never;
 * with DIFF_SHOWN_PLAIN also of environments, commands, configurations and agent files only that
 * they changed. Caller frees. Errors: REEVE_ERROR_INVALID when a job has a cycle. */
char *plan_diff_json(const Job *before, const Job *after, DiffShown shown, GError **error);
