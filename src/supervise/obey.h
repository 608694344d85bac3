#pragma once
/* Whom the node obeys: servers of the store that what it holds belongs to, and of those none that
 * was replaced by one of a later term. It is kept on its disk (NODE_ACTION_KEEP_IDENTITY), so that
 * a restart of the node forgets none of it. */
#include "supervise/instance.h"

/* True when @frame is to be followed. What it shows of its server is kept before. */
bool obey_frame(Supervisor *supervisor, const Frame *frame);
/* The server does not take this node: it says @why (NULL = nothing). Its agents go on as they are,
 * and it is asked again in a while. */
void obey_refused(Supervisor *supervisor, const char *why);
/* Is it time to ask a server that refused us again? It may be another one by now. */
bool obey_asks_again(Supervisor *supervisor);
