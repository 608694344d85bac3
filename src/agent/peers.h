#pragma once
/* The agents that this one may ask: those of its job (AGENT_PEERS_FILE, kept current by Reeve, or
 * CONNECTED_AGENTS) and [sub_agents] of its file. */
#include "formats/agent_tools.h"
#include "net/http_client.h"

enum {
  PEERS_MAX = 1000,
  PEER_URLS_MAX = 64,
  PEER_DEPTH_MAX = 8, /* agents that a question passes through, so that circles end */
  PEER_REPLY_MAX = 4 * 1024 * 1024
};

typedef struct Peers Peers;
typedef struct PeerCall PeerCall;

typedef struct Peer {
  /* never NULL; description as its card has it, "" = not known yet */
  char *name, *role, *description;
  GPtrArray *urls; /* of char*, its replicas */
  guint next;      /* the replica that is asked next */
  char *token;     /* of a sub-agent, or NULL */
  bool of_job;
  bool away;           /* a sub-agent that did not answer when its health was looked at */
  char *error;         /* why it cannot be asked at all, or NULL */
  int64_t interval_ms; /* between two looks, 0 = none */
} Peer;

/* @changed is called when something about a peer may have changed. @tools, @loop, @client outlive
 * it. */
Peers *peers_new(Loop *loop, HttpClient *client, const AgentTools *tools,
                 void (*changed)(void *data), void *data);
void peers_free(Peers *peers); /* open calls must have ended */
/* Looks whether AGENT_PEERS_FILE was replaced and reads it again then. */
void peers_refresh(Peers *peers);
/* Of Peer*; agents of the job first. Borrowed until peers_refresh. */
const GPtrArray *peers_list(const Peers *peers);

/* On the loop, exactly once unless cancelled, never from within peer_call. @text is borrowed. */
typedef void (*PeerDone)(bool ok, const char *text, size_t length, void *data);
/* Asks @peer, which is not touched after the call began: POST /query, else /prompt; the next
 * replica when one cannot be reached. @depth: how many agents the question has passed through
 * before us, 0..PEER_DEPTH_MAX-1. */
PeerCall *peer_call(Peers *peers, Peer *peer, const char *text, int depth, int64_t timeout_ms,
                    PeerDone done, void *data);
void peer_call_cancel(PeerCall *call);
