/* Reading, drawing and keeping the identity of a state directory. */
#include "node/identity.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool node_identity_keep(const char *state_dir, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename(state_dir, NODE_IDENTITY_FILE, NULL);
  return fs_write(path, text, strlen(text), 0600, true, error);
}

/* Releases before the identity file kept the id of the store alone. */
static bool identity_read_former(const char *state_dir, NodeIdentity *out, GError **error)
{
  g_autofree char *path = g_build_filename(state_dir, NODE_IDENTITY_FORMER, NULL);
  g_autoptr(GError) cause = NULL;
  g_autofree char *store = fs_read(path, STORE_ID_BYTES, NULL, &cause);
  if (store) {
    g_strlcpy(out->store, g_strstrip(store), sizeof out->store);
    return true;
  }
  if (cause->code == REEVE_ERROR_NOT_FOUND)
    return true;
  g_propagate_error(error, g_steal_pointer(&cause));
  return false;
}

static bool identity_read(const char *state_dir, NodeIdentity *out, GError **error)
{
  g_autofree char *path = g_build_filename(state_dir, NODE_IDENTITY_FILE, NULL);
  g_autoptr(GError) cause = NULL;
  size_t length = 0;
  g_autofree char *text = fs_read(path, NODE_IDENTITY_MAX, &length, &cause);
  *out = (NodeIdentity){0};
  if (!text && cause->code == REEVE_ERROR_NOT_FOUND)
    return identity_read_former(state_dir, out, error);
  if (text && node_identity_parse(text, length, out, &cause))
    return true;
  g_propagate_prefixed_error(
      error, g_steal_pointer(&cause),
      "node identity '%s' (if it is lost, 'reeve node reset' makes a new one): ", path);
  return false;
}

/* A directory that was copied has another inode than the one that the incarnation was drawn for. */
static bool identity_draw(const char *state_dir, uint64_t inode, NodeIdentity *out, GError **error)
{
  out->copied = out->incarnation[0] != '\0';
  if (out->copied)
    log_warn("node directory was copied or moved to another disk: a new incarnation of it begins",
             "state_dir=%s former=%s", state_dir, out->incarnation);
  system_random_hex(out->incarnation, INCARNATION_BYTES - 1);
  out->inode = inode;
  g_autofree char *text = node_identity_write(out);
  if (!node_identity_keep(state_dir, text, error))
    return false;
  g_autofree char *former = g_build_filename(state_dir, NODE_IDENTITY_FORMER, NULL);
  unlink(former); /* it says nothing any more, should it stay */
  return true;
}

bool node_identity_open(const char *state_dir, bool anew, NodeIdentity *out, GError **error)
{
  struct stat status;
  if (stat(state_dir, &status) != 0) {
    fs_set_error(error, "look at", state_dir);
    return false;
  }
  if (!identity_read(state_dir, out, anew ? NULL : error)) {
    if (!anew)
      return false;
    *out = (NodeIdentity){0};
  }
  return (out->incarnation[0] && out->inode == status.st_ino) ||
         identity_draw(state_dir, status.st_ino, out, error);
}
