#pragma once
/* Webhooks of jobs (`notify:`) on their way. The core makes the messages, stores them and decides
 * how often they are tried (core/notices.c); here they are posted and the core is told what came of
 * it. Nothing waits for them. */
#include "core/core.h"
#include "net/loop.h"

struct Server;
typedef struct Notify Notify;

Notify *notify_new(struct Server *server, Loop *loop);
void notify_free(Notify *notify); /* what was not delivered stays in the store */
/* The core was loaded: what waits there is all that waits. */
void notify_begin(Notify *notify);
/* Looks at every event that leaves: what the core says of a message is stored by then. */
void notify_event(Notify *notify, const Event *event);
