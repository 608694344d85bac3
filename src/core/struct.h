#pragma once
/* What a core is made of. Known to state.c, which owns the objects, and to turn.c, which owns what
 * one turn leaves behind; every other file asks these two. */
#include "core/state.h"
#include "core/turn.h"

/* A dispatch queue: objects that a later phase of the turn has to look at, in the order in which
 * they were marked. */
typedef struct TurnQueue {
  GPtrArray *objects;
  guint next; /* index of the first that was not taken yet */
} TurnQueue;

struct Core {
  CoreConfig config;
  /* The next number of an id, of whatever kind of object. Numbers are taken in blocks: stored, in
   * meta, is the end of the present one, and a core that is loaded goes on from there. */
  uint64_t next_id, block_end;
  uint64_t stored_block_end; /* as last written */
  int64_t next_request;      /* of reserves (volatile) */
  int64_t term;
  /* of the store that this core was loaded from; NULL = it has none (an older release, a test) */
  char *store_id;
  GPtrArray *deployments;        /* of Deployment*, sorted by name; owned */
  GHashTable *by_key;            /* name and id -> Deployment* */
  GHashTable *loading;           /* id -> Schedule*, while rows are loaded */
  GHashTable *instances;         /* id -> Instance* */
  GPtrArray *nodes;              /* of NodeObject*; owned */
  GHashTable *nodes_by_id;       /* id -> NodeObject* */
  GPtrArray *lists[CORE_LIST_N]; /* see CoreList */
  Heap deadlines[DEADLINE_N];    /* of Deadline, by time */
  uint64_t restarts;             /* that nodes made since this core was loaded (volatile) */
  CoreCoverageFn coverage;
  void *coverage_data;
  /* the present turn */
  Now now;
  int64_t clocks_ms; /* wall - boot, when the wall clock was found to be set last */
  Effects *effects;  /* NULL between turns */
  TurnQueue queues[TURN_QUEUE_N];
  GPtrArray *removed; /* of Record*: deletions */
};
