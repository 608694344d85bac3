#pragma once
/* The probes of an attempt that runs. */
#include "supervise/instance.h"

/* An attempt runs: probes it as its spec says, or lets it settle. */
void probes_begin(NodeInstance *instance);
/* No probe any more; an answer that is on its way is not listened to. */
void probes_end(NodeInstance *instance);
/* It is probe_boot_ms. */
void probes_due(NodeInstance *instance);
/* A PROBE event. Returns why the attempt must be ended, or NULL; caller frees. */
char *probes_result(NodeInstance *instance, const NodeEvent *event);
