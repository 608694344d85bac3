#pragma once
/* Deployments and instances as tables. */
#include "cli/target.h"

/* Rows for the instances of @deployment (the JSON of GET /api/deployments/NAME); @named puts the
 * deployment's name first. */
Table *show_instances_table(const Cli *cli, bool named);
void show_instances(const Cli *cli, Table *table, const json_t *deployment, bool named);
/* How @instance is, for people: a scheduled agent that rests is "scheduled", neither pending nor
 * done for good. Borrowed from it. */
const char *show_state(const json_t *instance);
/* GETs the deployment of @target with the instances that it names; caller's reference. */
json_t *show_fetch_one(const Cli *cli, const Target *target, GError **error);
/* Is there what @target names? True also when it names nothing; else false with @error: an unknown
 * name is neither an empty list nor a silent stream. */
bool show_is_there(const Cli *cli, const Target *target, GError **error);
/* The same as {"deployments": [...]}; every deployment when @target is empty. */
json_t *show_fetch(const Cli *cli, const Target *target, GError **error);
/* Prints status lines and the instance table of one deployment. */
void show_status(const Cli *cli, const json_t *deployment);
/* True when every instance that should run is healthy, or has completed. */
bool show_is_well(const json_t *deployment);
/* The same of the instances alone, whatever the deployment is called. */
bool show_instances_well(const json_t *deployment);
