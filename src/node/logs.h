#pragma once
/* Log requests of the server. */
#include "node/state.h"

/* None is open yet. */
NodeLogs *node_logs_new(Node *node);
/* Open requests end without a word; NULL is fine. */
void node_logs_free(NodeLogs *logs);
/* LOG_READ, LOG_CREDIT or LOG_CANCEL; LOG_DATA frames follow by credit, and one LOG_END. */
void node_logs_frame(NodeLogs *logs, const Frame *frame);
/* Nobody waits for open requests any more. */
void node_logs_link_down(NodeLogs *logs);
