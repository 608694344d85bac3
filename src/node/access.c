/* Agents that run as another user than their node: whom, and what of the node's directories they
 * may reach. Two files of an instance's directory are for its agent, agent.toml and peers.json; the
 * way there is open to pass through, everything else is not. */
#include "node/access.h"

#include "base/error.h"
#include "base/fs.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ACCESS_PASS = 0711 };

/* Before anything runs: it may block. */
static bool access_user_check(const char *user, GError **error)
{
  const struct passwd *entry = getpwnam(user);
  if (!entry)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "run agents as '%s': no such user on this machine", user);
  else if (geteuid() != 0)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_DENIED,
                "run agents as '%s': only root may run them as another user", user);
  else if (entry->pw_uid == 0)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "run agents as '%s': that is root itself; name a user without privileges", user);
  return entry && geteuid() == 0 && entry->pw_uid != 0;
}

bool node_open_to_user(const Node *node, GError **error)
{
  if (!node->agents_user)
    return true;
  if (!access_user_check(node->agents_user, error) || !fs_close_to_others(node->state_dir, error))
    return false;
  const char *const way[] = {node->state_dir, node->instances_dir};
  for (size_t i = 0; i < G_N_ELEMENTS(way); i++)
    if (chmod(way[i], ACCESS_PASS) != 0) {
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "let agents pass through '%s': %s",
                  way[i], g_strerror(errno));
      return false;
    }
  return true;
}

/* Writes @path for the user @uid to read. */
static bool access_write(const Runner *runner, const char *path, uid_t uid, const char *text,
                         GError **error)
{
  bool other = uid != geteuid();
  if (!fs_write(path, text, strlen(text), other ? 0400 : 0644, false, error))
    return false;
  if (!other || (chown(path, uid, (gid_t)-1) == 0 && chmod(runner->directory, ACCESS_PASS) == 0))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "give '%s' to the user with id %u: %s",
              path, (unsigned)uid, g_strerror(errno));
  return false;
}

bool runner_write_file(const Runner *runner, const User *user, const char *name, const char *text,
                       GError **error)
{
  g_autofree char *path = g_build_filename(runner->directory, name, NULL);
  return access_write(runner, path, user ? user->uid : geteuid(), text, error);
}

bool runner_write_file_again(const Runner *runner, const char *name, const char *text,
                             GError **error)
{
  g_autofree char *path = g_build_filename(runner->directory, name, NULL);
  struct stat st;
  return lstat(path, &st) != 0 || access_write(runner, path, st.st_uid, text, error);
}
