#pragma once
/* Which cells of the life table were reached: for the simulator. */
typedef struct Supervisor Supervisor;
typedef void (*SuperviseCoverageFn)(int life, int event, void *data);
void supervisor_set_coverage(Supervisor *supervisor, SuperviseCoverageFn fn, void *data);
/* True when the table has an action for this cell; names for people. */
int supervise_cell_exists(int life, int event);
const char *supervise_life_name(int life);
const char *supervise_event_name(int event);
enum { SUPERVISE_LIVES = 11, SUPERVISE_EVENTS = 19 };
