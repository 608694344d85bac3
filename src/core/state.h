#pragma once
/* The objects of a core: where they are found, added and taken out. Everything here is a look-up or
 * a list; what an object does stands in the header of its noun. */
#include "base/id.h"
#include "core/coverage.h"
#include "core/objects.h"

/* Lists that one file each keeps in order. */
typedef enum CoreList {
  CORE_OPEN,      /* of Rollout*: those that are not done (volatile); rollout.c */
  CORE_UNPLACED,  /* of Rollout*: those that any node may help (volatile); core_set_unplaced */
  CORE_SCHEDULES, /* of Schedule*: those in force (volatile); schedule.c */
  CORE_TOKENS,    /* of Token*, sorted by name; owned; tokens.c */
  CORE_SECRETS,   /* of Secret*, sorted by name; owned; secrets.c */
  CORE_NOTICES,   /* of Notice*, the oldest first; owned; notices.c */
  CORE_LIST_N
} CoreList;

/* The time of the present turn. */
Now core_now(const Core *core);
const CoreConfig *core_config(const Core *core);
/* Id of the store that the core was loaded from; NULL = it has none. Borrowed. */
const char *core_store_id(const Core *core);
/* A list, borrowed, for its one owner to change and for everybody to read. */
GPtrArray *core_list(const Core *core, CoreList list);

/* A new id of the noun that @prefix stands for ("ins"): see base/id.h. */
void core_new_id(Core *core, char out[ID_BYTES], const char *prefix);
/* The bare number of the next id, used up. */
uint64_t core_next_number(Core *core);
/* The first number that no id of this store has; every lower one may have been given. */
uint64_t core_numbers_end(const Core *core);
/* The end of the block that numbers are taken from, which is what is stored. */
uint64_t core_block_end(const Core *core);
/* Of the next reserve; never 0. Not stored: after a reload the answers to former ones are unknown.
 */
int64_t core_next_request(Core *core);
void core_count_restarts(Core *core, uint64_t n);
/* Tells the simulator that a cell of a state table was reached. */
void core_cover(Core *core, const char *table, int state, int event);

/* When the core is to look at the object of @deadline, of kind @kind: boot clock, INT64_MAX = not.
 */
void core_wake_at(Core *core, DeadlineKind kind, Deadline *deadline, int64_t at_boot_ms);
/* Takes out the earliest of @kind whose time has come; NULL when there is none. */
Deadline *core_next_due(Core *core, DeadlineKind kind);
/* The earliest of all; INT64_MAX = none. */
int64_t core_next_wake(const Core *core);

/* Deployment by name or id; NULL when there is none, and of NULL. */
Deployment *core_find(const Core *core, const char *key);
/* Takes @deployment, whose name and id are new. */
void core_add_deployment(Core *core, Deployment *deployment);
/* Frees @deployment and all that belongs to it. */
void core_remove_deployment(Core *core, Deployment *deployment);
/* NULL when there is none. */
Instance *core_find_instance(const Core *core, const char *id);
/* @instance, owned by its deployment, is found by its id from now on. */
void core_add_instance(Core *core, Instance *instance);
/* Frees @instance and takes it out of its deployment and its node. */
void core_remove_instance(Core *core, Instance *instance);
/* @instance is at @node (NULL = nowhere) from now on. */
void core_place_instance(Core *core, Instance *instance, NodeObject *node);
/* Some slots of @rollout have no node that can be asked: whichever comes may help. */
void core_set_unplaced(Core *core, Rollout *rollout, bool unplaced);
/* Takes @node, whose id is new. */
void core_add_node(Core *core, NodeObject *node);

/* ---- while rows are loaded ---- */

/* A row of meta; keys that a core does not know are passed by. */
void core_load_meta(Core *core, const char *key, const char *value);
/* Like core_add_deployment, in whatever order; core_load_sort follows. */
void core_load_deployment(Core *core, Deployment *deployment);
void core_load_schedule(Core *core, Schedule *schedule);
/* NULL when no such schedule was loaded, and of NULL. */
Schedule *core_loaded_schedule(const Core *core, const char *id);
/* Every deployment is there: they get their order. */
void core_load_sort(Core *core);
