#pragma once
/* Whom an agent runs as, as the user database of this machine says. A shim knows numbers only. */
#include <glib.h>
#include <sys/types.h>

enum { USER_GROUPS_MAX = 64 };

typedef struct User {
  char *name, *home, *shell;
  uid_t uid;
  gid_t gid;
  gid_t groups[USER_GROUPS_MAX];
  int n_groups; /* 0 when there are more than a shim takes */
} User;

/* Looks @name up. Blocks for as long as the database takes, which may be a directory service: not
 * for the loop, and from any thread. Caller frees; NULL with REEVE_ERROR_NOT_FOUND "no such user",
 * or REEVE_ERROR_UNAVAILABLE when it cannot be asked. */
User *user_look_up(const char *name, GError **error);
/* NULL is fine. */
void user_free(User *user);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(User, user_free)
