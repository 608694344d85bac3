#pragma once
/* A thread for what may block on the disk: instance files, with one sync for all that wait, and
 * what must come after them. */
#include "node/state.h"

/* Starts the thread. */
Writer *writer_new(Node *node);
/* Ends the thread once everything is written, and tells the node of the last of it. Nothing can be
 * stored after it. */
void writer_finish(Writer *writer);
/* Finishes it if that was not done; NULL is fine. */
void writer_free(Writer *writer);
/* Writes and syncs the file of instance @id, all copied; STORED or STORE_FAILED follow, in the
 * order in which files came. */
void writer_store(Writer *writer, const char *id, const char *directory, int64_t generation,
                  const char *text);
typedef void (*WriterFn)(void *data);
/* @work on the thread, after everything that was stored before; then @done on the loop, which owns
 * @data from then on. */
void writer_do(Writer *writer, WriterFn work, WriterFn done, void *data);
