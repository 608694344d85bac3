#pragma once
/* What a node remembers of itself and of whom it obeys, across its own restarts: node.json of its
 * state directory (docs/protocol.md "Identity"). The node writes it, and `reeve restore` for the
 * embedded node of the store that it restores. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The file's name in the state directory; and that of releases before it, which held the store's id
 * alone. */
#define NODE_IDENTITY_FILE   "node.json"
#define NODE_IDENTITY_FORMER "store"

enum {
  INCARNATION_BYTES = 33,  /* 32 hexadecimal digits and a NUL */
  STORE_ID_BYTES = 65,     /* of a store's id, with its NUL */
  NODE_IDENTITY_MAX = 4096 /* bytes of the file */
};

typedef struct NodeIdentity {
  /* Of the state directory, drawn when the node first uses it: a directory that was copied, or made
   * anew, has another one. "" = not drawn yet. */
  char incarnation[INCARNATION_BYTES];
  /* Inode of the state directory when @incarnation was drawn: how a copy shows itself. */
  uint64_t inode;
  char store[STORE_ID_BYTES]; /* what is held belongs to this store; "" = to none yet */
  int64_t term;               /* highest that a server of @store has shown; 0 = none */
  int64_t lease_ms;           /* as the last server told it; 0 = none has */
  /* Its directory was copied, and no server has taken this incarnation in since. Until one does,
   * the node starts and ends nothing: what its files name may live where it was copied from. */
  bool copied;
} NodeIdentity;

/* @identity as the text of its file; caller frees. */
char *node_identity_write(const NodeIdentity *identity);
/* Reads it back into @out; members that are not there are zero. False with REEVE_ERROR_INVALID, and
 * @out zero, when @text is not such a file. */
bool node_identity_parse(const char *text, size_t length, NodeIdentity *out, GError **error);
