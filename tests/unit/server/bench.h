#pragma once
/* The server's parts together on a memory store, over its real socket, with a fake node link.
 * Commits and loads of the store can be held at a gate. */
#include "net/http_client.h"
#include "server/hub.h"
#include "server/leave.h"
#include "server/logs.h"
#include "server/open.h"
#include "server/routes.h"

enum { DEADLINE_MS = 20000 };

typedef struct Bench {
  char *dir, *socket, *node_socket;
  ServerOptions options;
  Server server;
  Store *store;
  HttpClient *client;
  LoopTimer *deadline;
  HubPeer *peer;
  GPtrArray *sent; /* of char*: frames to the node */
  int links;       /* how often the node dialled in */
  bool closed;     /* the hub closed the link */
  int status;
  GString *body; /* of the last answer */
  bool answered;
  GString *stream;
} Bench;

/* One turn of the loop at a time until @done says so. */
void bench_until(Bench *bench, bool (*done)(Bench *bench));
/* While a gate is closed the store's thread waits at it; probes are commits. */
void bench_close_commits(void);
void bench_open_commits(void);
void bench_close_loads(void);
void bench_open_loads(void);
/* From now on loads fail, or do not. */
void bench_break_loads(bool broken);
/* How often the loop itself came to the closed gate of loads; it went through, else nothing would
 * ever happen again. */
int bench_loads_on_loop(void);

/* Opens the server; node processes dial in at @node_socket, a name in its directory, or NULL. */
void bench_open_at(Bench *bench, const char *node_socket);
void bench_open(Bench *bench);
void bench_done(Bench *bench);
/* The last request has its answer: status and body. */
bool bench_answered(Bench *bench);
/* Sends a request and does not wait. */
void bench_ask(Bench *bench, const char *method, const char *path, const char *body);
/* Asks and waits; the status must be @status, the body must contain @part. */
void bench_call(Bench *bench, const char *method, const char *path, const char *body, int status,
                const char *part);
/* Sends @frame (ownership moves) as the fake node. */
void bench_tell(Bench *bench, Frame *frame);
/* The fake node dials in and says hello: from a machine that came up as @boot_id, where @runs (NULL
 * = nothing) runs; or as at first. */
void bench_hello_from(Bench *bench, const char *boot_id, const Instruction *runs);
void bench_hello(Bench *bench);
/* The same over the link that it has. */
void bench_say_hello(Bench *bench, const char *boot_id, const Instruction *runs);
/* The first frame of @type that was sent to the node; taken out of the list. NULL = none. */
Frame *bench_take(Bench *bench, FrameType type);
/* Is there a frame of @type? */
bool bench_has(Bench *bench, FrameType type);
bool bench_welcome_sent(Bench *bench);
bool bench_relist_sent(Bench *bench);
/* Reports the instance of @instruction as the node would. */
void bench_report(Bench *bench, const Instruction *instruction, InstanceState state, Health health);
/* Plays the node for one deployment of one instance until it runs and is healthy; returns the
 * instance's id. */
char *bench_run_instance(Bench *bench);
/* Deployment 'one' runs, and that is stored. */
bool bench_running(Bench *bench);
/* The body that deploys 'one'; its webhooks go to @url, or NULL. */
char *bench_deploy_notifying(const char *url);
char *bench_deploy_body(void);
bool bench_stream_data(const char *bytes, size_t length, void *data);
void bench_stream_over(const HttpResult *result, void *data);
bool bench_stream_ended(Bench *bench);
/* Follows a stream into bench->stream, which ends with "<end>". @header may be NULL. */
void bench_follow(Bench *bench, const char *path, const char *header);
