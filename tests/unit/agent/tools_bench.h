#pragma once
/* An agent's tools on a loop of their own, for tests: calls are waited for with a deadline. */
#include "agent/tools.h"

typedef struct Bench {
  Loop *loop;
  HttpClient *client;
  AgentFile *file;
  Tools *tools;
  LoopTimer *timer;
  int64_t until_ms;
  bool (*wanted)(struct Bench *bench);
  int calls; /* that ended */
  bool ok;
  char *text;
  size_t length;
} Bench;

/* An agent with the agent file @toml, which has no [agent] and [llm]. */
Bench *bench_new(const char *toml);
/* As bench_new, on @loop, which it takes. */
Bench *bench_new_on(Loop *loop, const char *toml);
void bench_free(Bench *bench);
/* Runs the loop until @wanted; the test fails after 30 s. */
void bench_wait(Bench *bench, bool (*wanted)(Bench *bench));
bool has_tools(Bench *bench);
bool has_no_tools(Bench *bench);
/* Calls tool @name, waits for its end, gives its text; bench->ok and bench->length tell the rest.
 */
const char *bench_call(Bench *bench, const char *name, const char *arguments, int64_t timeout_ms);
/* As bench_call, for a question that passed through @depth agents. */
const char *bench_call_at(Bench *bench, const char *name, const char *arguments, int depth);

/* A ToolDone for calls that are begun otherwise; @data is the Bench. */
void bench_on_done(const ToolResult *result, void *data);

/* The first number behind "key": in the status, whether it has @text, whether a server is ready. */
int status_number(Bench *bench, const char *key);
bool status_has(Bench *bench, const char *text);
bool is_ready(Bench *bench);
/* Fails the test, with what was said, when @text does not have @part. */
void contains(const char *text, const char *part);
