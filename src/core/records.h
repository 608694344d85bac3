#pragma once
/* Every stored object as its row; callers own what they get. What stands in them: model/tables.h.
 */
#include "core/objects.h"

/* The row of each, of the table that is named after it; the object stays as it is. */
Record *record_of_deployment(const Deployment *deployment);
Record *record_of_revision(const Deployment *deployment, const Revision *revision);
Record *record_of_instance(const Instance *instance);
Record *record_of_rollout(const Rollout *rollout);
Record *record_of_node(const NodeObject *node);
Record *record_of_schedule(const Schedule *schedule);
Record *record_of_schedule_run(const ScheduleRun *run);
Record *record_of_token(const Token *token);
Record *record_of_secret(const Secret *secret);
Record *record_of_notice(const Notice *notice);
/* @instance->registration is there. */
Record *record_of_registration(const Instance *instance);
Record *record_of_meta(const MetaEntry *meta);
Record *record_of_audit(const AuditEntry *audit);
