#pragma once
/* Ends trees without a shim, by what is known of them; on a thread of its own. */
#include "drivers/identity.h"
#include "net/loop.h"

typedef struct Ends Ends;
typedef struct End End;

/* On the loop; @was: the main process of the last attempt, pid 0 = not known. */
typedef void (*EndedFn)(void *data, const ProcessIdentity *was);
typedef struct EndSpec {
  const char *directory; /* of the shim */
  const char *group;     /* its control group (copied); NULL = none */
  bool with_shim;        /* its shim too, should there be one */
  bool remove;           /* the directory when nothing is left */
  EndedFn ended;         /* NULL = nobody waits */
  void *data;
} EndSpec;

/* Starts the thread that looks for them. */
Ends *ends_new(Loop *loop);
/* Ends the thread; what has not ended by then goes on living. Nobody is told any more. */
void ends_free(Ends *ends);
/* Goes on until nothing is left. The End is valid until @ended was called, and only if that is not
 * NULL. */
End *ends_tree(Ends *ends, const EndSpec *spec);
/* Nobody waits any more; it goes on all the same. NULL is fine. */
void end_forget(End *end);
