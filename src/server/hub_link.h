#pragma once
/* What carries node links: the memory link to the embedded node, or a unix socket where node
 * processes dial in. */
#include "server/hub.h"

/* Makes the carrier that the options of @server ask for. NULL with @error when the socket cannot be
 * had. */
HubLink *hub_link_new(Hub *hub, Server *server, GError **error);
void hub_link_free(HubLink *link);
/* Binds the socket again when it is not there any more. */
void hub_link_look(HubLink *link);
