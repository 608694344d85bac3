#pragma once
/* Readings of logs at nodes, for requests and for the server itself. */
#include "server/state.h"

Logs *logs_new(Server *server);
void logs_free(Logs *logs);
/* A LOG_DATA or LOG_END frame of @node. */
void logs_frame(Logs *logs, const char *node, const Frame *frame);
/* @node has lost its link: what it was reading ends. */
void logs_node_gone(Logs *logs, const char *node);
/* Ends every stream. */
void logs_end(Logs *logs);
/* What an agent wrote, each stream by itself; borrowed. */
typedef void (*LogsTaken)(const char *out, const char *err, void *data);
/* Reads the last @lines lines of each instance of @deployment and then calls @taken once, now or
 * later on the loop: with what there is when a node is away or goes. Of much text the end counts.
 */
void logs_take(Logs *logs, const Deployment *deployment, int lines, LogsTaken taken, void *data);
