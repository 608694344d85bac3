#pragma once
/* A driver on a test bench: the contract drives it through its row, and lets the bench do what
 * happens to it from outside. A new driver needs one of these, and one line in
 * test_driver_contract.c. */
#include "drivers/driver.h"

typedef enum BenchProgram {
  BENCH_SLEEPS,
  BENCH_EXITS_3, /* after a moment */
  BENCH_HOLDS,   /* ignores SIGTERM */
  BENCH_TREE,    /* sleeps, and so does a child that left its parent and session */
  BENCH_ABSENT,  /* there is no such program */
  BENCH_BUSY,    /* it cannot be started just now */
  BENCH_SAYS     /* writes "line 1" ... "line 3", then sleeps */
} BenchProgram;

typedef struct Bench {
  const char *name;
  /* Everything new, and nothing opened; @tell with @data (of the bench) takes news. */
  void (*begin)(DriverTell tell);
  void (*end)(void);
  /* The driver of the node's next life; the caller closes it. */
  Driver *(*open)(void);
  /* The instance @id is to run @program; what its node does before prepare is done. Caller frees.
   */
  InstanceSpec *(*equip)(const char *id, BenchProgram program);
  /* A little time goes by. False when it is more than anything may take. */
  bool (*step)(void);
  int (*living)(const char *id);  /* processes of its tree */
  bool (*handle)(const char *id); /* is there one? */
  void (*freeze)(const char *id);
  void (*wake)(const char *id);
  void (*kill_handle)(const char *id); /* its tree stays */
  /* What an agent or command of it may do is real: exec and logs are tried, too. */
  bool real;
} Bench;

extern const Bench process_bench, sim_bench;
