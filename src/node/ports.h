#pragma once
/* Ports that are bound for instances until they start. */
#include "model/frame.h"

typedef struct PortBook PortBook;

/* Nothing is claimed yet. */
PortBook *port_book_new(void);
/* Closes what is claimed; NULL is fine. */
void port_book_free(PortBook *book);
/* Answers a RESERVE frame. @refused: instance id -> why it cannot be started here; it gets no port;
 * NULL = all can. Caller owns the result. */
Frame *port_book_reserve(PortBook *book, const Frame *reserve, GHashTable *refused);
/* What RESERVE @request claimed is free again; 0 = of every request. */
void port_book_release_request(PortBook *book, int64_t request);
/* What is claimed for instance @id, if anything, is free again. */
void port_book_release_instance(PortBook *book, const char *id);
