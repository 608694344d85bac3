/* The text of a node's identity file. */
#include "model/identity.h"

#include "base/error.h"
#include "base/json.h"

char *node_identity_write(const NodeIdentity *identity)
{
  GString *out = g_string_sized_new(256);
  jw_open(out, NULL, '{');
  jw_int(out, "version", 1);
  jw_str(out, "incarnation", identity->incarnation);
  jw_int(out, "inode", (int64_t)identity->inode);
  jw_str(out, "store", identity->store[0] ? identity->store : NULL);
  jw_int(out, "term", identity->term);
  jw_int(out, "lease_ms", identity->lease_ms);
  jw_bool(out, "copied", identity->copied);
  jw_close(out, '}');
  g_string_append_c(out, '\n');
  return g_string_free(out, FALSE);
}

static bool identity_read(const json_t *object, NodeIdentity *out)
{
  const char *incarnation = jget_str(object, "incarnation", ""),
             *store = jget_str(object, "store", "");
  return json_is_object(object) &&
         g_strlcpy(out->incarnation, incarnation, sizeof out->incarnation) <
             sizeof out->incarnation &&
         g_strlcpy(out->store, store, sizeof out->store) < sizeof out->store;
}

bool node_identity_parse(const char *text, size_t length, NodeIdentity *out, GError **error)
{
  *out = (NodeIdentity){0};
  json_t *object = json_parse(text, length, error);
  if (!object)
    return false;
  bool ok = identity_read(object, out);
  if (ok) {
    out->inode = (uint64_t)jget_int(object, "inode", 0);
    out->term = jget_int(object, "term", 0);
    out->lease_ms = jget_int(object, "lease_ms", 0);
    out->copied = jget_flag(object, "copied", false);
  } else {
    *out = (NodeIdentity){0};
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                        "not an object with a valid 'incarnation' and 'store'");
  }
  json_decref(object);
  return ok;
}
