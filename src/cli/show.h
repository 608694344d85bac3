#pragma once
/* Deployments and instances as tables. */
#include "cli/cli.h"

/* Rows for the instances of @deployment (the JSON of GET /api/deployments/NAME); @named puts the deployment's name first. */
Table *show_instances_table(const Cli *cli, bool named);
void show_instances(const Cli *cli, Table *table, const json_t *deployment, bool named);
/* GETs @name, or every deployment with its instances, as {"deployments": [...]}; caller's reference. */
json_t *show_fetch(const Cli *cli, const char *name, GError **error);
/* Prints status lines and the instance table of one deployment. */
void show_status(const Cli *cli, const json_t *deployment);
/* True when every instance that should run is healthy, or has completed. */
bool show_is_well(const json_t *deployment);
