#pragma once
/* Which cells of the life table were reached: for the simulator. */
typedef struct Supervisor Supervisor;
/* @life, @event: numbers of a cell whose action is about to run. */
typedef void (*SuperviseCoverageFn)(int life, int event, void *data);
/* Calls @fn at each step of an instance's life; NULL = nobody. */
void supervisor_set_coverage(Supervisor *supervisor, SuperviseCoverageFn fn, void *data);
/* True when the table has an action for this cell. */
int supervise_cell_exists(int life, int event);
/* Names for people; static. */
const char *supervise_life_name(int life);
/* The same of an event. */
const char *supervise_event_name(int event);
/* How many of each there are; supervisor.c checks it. */
enum { SUPERVISE_LIVES = 11, SUPERVISE_EVENTS = 22 };
