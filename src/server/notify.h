#pragma once
/* Webhooks of jobs (`notify:`): tells others when a deployment fails, is degraded, or has recovered. Nothing waits for them. */
#include "core/core.h"
#include "net/loop.h"

struct Server;
typedef struct Notify Notify;

Notify *notify_new(struct Server *server, Loop *loop);
void notify_free(Notify *notify); /* what was not delivered is lost */
/* What every deployment is at the start of the server: no news. */
void notify_begin(Notify *notify);
/* Looks at every event that leaves. */
void notify_event(Notify *notify, const Event *event);
