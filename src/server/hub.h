#pragma once
/* Node links as the hub sees them, whatever carries them. The carrier (hub_link.c; a fake in tests)
 * attaches a peer when a node dials in, hands over each line that arrives, and detaches it when the
 * link is gone. */
#include "server/state.h"

typedef struct HubPeer HubPeer;

typedef struct HubCarrier {
  /* one line of JSON; never calls back into the hub's peer as gone */
  void (*send)(void *link, const char *frame);
  void (*close)(void *link);              /* ends the link; hub_detach is not needed after it */
  void (*pause)(void *link, bool paused); /* stop and resume reading; NULL = cannot */
} HubCarrier;

/* A node dialled in on @link. @node: its id when the carrier vouches for it, NULL = the id that its
 * hello names. */
HubPeer *hub_attach(Hub *hub, const HubCarrier *carrier, void *link, const char *node);
/* One line from the node. */
void hub_receive(HubPeer *peer, const char *text, size_t length);
/* The link broke; @peer is gone after it. */
void hub_detach(HubPeer *peer);

/* Who stands above the hub and hears of frames that are not the core's; each with the node that
 * sent them. Wired by server.c. */
typedef struct HubNews {
  /* LOG_DATA, LOG_END, EXEC_DATA, EXEC_END, SECRET_READ; NULL = the type is unknown here */
  void (*frames[FRAME_N])(Server *server, const char *node, const Frame *frame);
  /* what is read from @node, or run there for somebody, ends: its link is gone, or about to be */
  void (*gone)(Server *server, const char *node);
  /* @node does not know frames of type @word, which was sent to it */
  void (*unknown)(Server *server, const char *node, const char *word);
} HubNews;

/* @news (borrowed) hears what is not the core's. Caller frees. */
Hub *hub_new(Server *server, const HubNews *news);
/* Closes every link. NULL is fine. */
void hub_free(Hub *hub);
/* Sends one line of JSON to @node; false when it has no link. */
bool hub_send(Hub *hub, const char *node, const char *frame);
bool hub_linked(const Hub *hub, const char *node);
/* Asks every node that has said hello to say it again, to the core as it is now. */
void hub_relist(Hub *hub);
/* Handles what arrived during a turn or while the queue was full. */
void hub_drain(Hub *hub);
