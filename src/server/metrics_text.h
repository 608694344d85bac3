#pragma once
/* The Prometheus text of the counters, and of gauges read from the core. */
#include <glib.h>

struct Server;
/* Appends everything in the Prometheus text format 0.0.4 to @out. */
void metrics_render(const struct Server *server, GString *out);
