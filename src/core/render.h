#pragma once
/* JSON of the core's objects as the API and the events show them (api/openapi.yaml). Appends to
 * @out; no trees, since GETs are hot. */
#include "core/objects.h"

/* RENDER_FULL adds what only its reader needs and what costs the parsed job: the entry point. */
typedef enum RenderDepth { RENDER_BRIEF, RENDER_INSTANCES, RENDER_FULL } RenderDepth;

/* One object each. */
void render_deployment(GString *out, const Deployment *deployment, RenderDepth depth);
void render_rollout(GString *out, const Rollout *rollout);
void render_instance(GString *out, const Instance *instance);
/* "stale_environment": ids of the agents of @deployment (may be NULL) that run with an old secret.
 */
void render_stale(GString *out, const Deployment *deployment);
/* One schedule with its runs, the newest first. */
void render_schedule(GString *out, const Schedule *schedule);
void render_schedule_run(GString *out, const ScheduleRun *run);
void render_node(GString *out, const NodeObject *node);
