#pragma once
/* What a rollout does, as lines on stderr: stages, instances with pid, URL and time, the reason
 * when it fails. */
#include "cli/cli.h"

typedef struct Progress {
  const Cli *cli;
  char *deployment, *rollout;
  int stage;         /* the last one printed, -1 = none */
  GHashTable *shown; /* instance id -> how it was when last looked at */
  char *outcome;     /* NULL while open */
  char *cause;
  char *kind;   /* of the rollout, NULL = not seen yet */
  int from, to; /* its revisions, 0 = none */
  bool back;    /* it was said that it is on its way back */
  int64_t start_ms;
} Progress;

/* @rollout NULL: any rollout of @deployment. */
void progress_init(Progress *progress, const Cli *cli, const char *deployment, const char *rollout);
void progress_done(Progress *progress);
/* Prints what @type and @data (an event, or the reset with its snapshot) change; sets outcome when
 * the rollout has ended. */
void progress_event(Progress *progress, const char *type, const json_t *data);
/* The last line: how it ended, and why. */
void progress_end(const Progress *progress);
