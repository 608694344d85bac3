#pragma once
/* A node without a world: the test plays disk, shims, agents and clock, and reads from a log what
 * the supervisor wants done. */
#include "supervise/instance.h"

typedef struct Rig {
  Supervisor *node;
  NodeActions *actions;
  Now now;
  GString *log;          /* "store g1; prepare g1; start a1; probe a1; ..." since rig_wants */
  GString *files;        /* text of the last STORE */
  GPtrArray *frames;     /* of Frame*: sent since rig_wants */
  int stores;            /* STORE actions not answered yet */
  NodeIdentity identity; /* as it was kept last */
} Rig;

/* A node that a server of term 1 has known, whose store is not known. */
Rig *rig_new(const char *boot_id);
Rig *rig_new_as(const char *boot_id, const NodeIdentity *identity);
void rig_free(Rig *rig);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)

/* Applies one event of the instance "ins_1" (or of the node as a whole for events without one). */
void rig_event(Rig *rig, NodeEvent event);
/* The clocks move; the supervisor is woken each time that it asked for within @ms. */
void rig_pass(Rig *rig, int64_t ms);
/* A frame of @type with one instruction for "ins_1"; @spec (borrowed) may be NULL. */
void rig_frame(Rig *rig, FrameType type, int64_t epoch, int64_t generation,
               const InstanceSpec *spec);
/* Answers every STORE that is still unanswered; @generation of all of them. */
void rig_stored(Rig *rig, int64_t generation);
/* What was wanted since the last call is exactly @log; forgets it and the frames. */
void rig_wants(Rig *rig, const char *log);
void rig_forget(Rig *rig);
/* State, health, attempt, restarts and reason as reported now: "running healthy a1 r0 -". */
void rig_is(const Rig *rig, const char *report);

/* A service with a HTTP probe each 1,000 ms (2 retries), back-off 100 ms up to 300 ms, 2 restarts,
 * stable after 10,000 ms, grace 500 ms. */
InstanceSpec *rig_spec(void);
/* Link up and files done, then @spec started and up as attempt 1, pid 101; not probed yet. Log and
 * frames are empty. */
Rig *rig_running(const InstanceSpec *spec);
