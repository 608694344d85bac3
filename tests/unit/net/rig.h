#pragma once
/* A server on a loop of this very thread, and raw peers: everything goes on while a test waits for
 * a state, and only then. */
#include "net/http_server.h"

typedef struct Rig {
  Loop *loop;
  HttpServer *server;
  char *dir, *path;  /* of the unix socket */
  int handled;       /* requests that reached the handler */
  HttpRequest *held; /* of GET /hold, /stream: not answered yet */
  bool gone, drained;
} Rig;

/* Paths: /echo answers "METHOD PATH q=... BODY", /headers some headers too, /big 64 KiB, /hold and
 * /stream are held. */
Rig *rig_new(const HttpServerConfig *limits);
void rig_free(Rig *rig);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)
/* One round of the loop, without waiting longer than a millisecond. */
void rig_turn(Rig *rig);
/* Turns until @condition; fails the test after ten seconds. */
#define RIG_UNTIL(rig, condition)                                              \
  do {                                                                         \
    gint64 rig_end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;             \
    while (!(condition)) {                                                     \
      if (g_get_monotonic_time() > rig_end)                                    \
        g_error("%s:%d: not within 10 s: %s", __FILE__, __LINE__, #condition); \
      rig_turn(rig);                                                           \
    }                                                                          \
  } while (0)

typedef struct Peer {
  Rig *rig;
  int fd;
  GString *got;
  bool ended; /* the server closed */
} Peer;

Peer *peer_new(Rig *rig);
void peer_free(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_free)
/* Sends what fits; returns how much. */
size_t peer_send(Peer *peer, const char *bytes, size_t length);
void peer_say(Peer *peer, const char *text);
/* Takes what has come. */
void peer_take(Peer *peer);
/* Whole answers in what came: heads whose Content-Length follows. */
int peer_answers(Peer *peer);
/* Says @text and waits for one answer; returns its status. @got holds it all. */
int peer_ask(Peer *peer, const char *text);
