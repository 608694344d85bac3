/* One question to the user database; see user.h. */
#include "drivers/user.h"

#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

enum { USER_BYTES_FIRST = 4096, USER_BYTES_MAX = 1024 * 1024 };

void user_free(User *user)
{
  if (!user)
    return;
  g_free(user->name);
  g_free(user->home);
  g_free(user->shell);
  g_free(user);
}

static User *user_of(const struct passwd *entry)
{
  User *user = g_new0(User, 1);
  *user = (User){.name = g_strdup(entry->pw_name),
                 .home = g_strdup(entry->pw_dir),
                 .shell = g_strdup(entry->pw_shell),
                 .uid = entry->pw_uid,
                 .gid = entry->pw_gid};
  int n = USER_GROUPS_MAX;
  user->n_groups = getgrouplist(user->name, user->gid, user->groups, &n) >= 0 ? n : 0;
  return user;
}

User *user_look_up(const char *name, GError **error)
{
  struct passwd entry, *found = NULL;
  g_autofree char *bytes = NULL;
  int code = ERANGE;
  for (size_t n = USER_BYTES_FIRST; code == ERANGE && n <= USER_BYTES_MAX; n *= 2) {
    g_free(bytes);
    bytes = g_malloc(n);
    code = getpwnam_r(name, &entry, bytes, n, &found);
  }
  if (found)
    return user_of(found);
  /* Of somebody who does not exist, databases say nothing, or one of these: getpwnam(3). */
  if (code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "no such user");
  else
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "the user database cannot be asked: %s", g_strerror(code));
  return NULL;
}
