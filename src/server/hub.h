#pragma once
/* Node links as the hub sees them, whatever carries them. The carrier (hub_link.c; a fake in tests)
 * attaches a peer when a node dials in, hands over each line that arrives, and detaches it when the
 * link is gone. */
#include "server/internal.h"

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
