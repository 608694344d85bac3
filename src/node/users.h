#pragma once
/* Who a user name stands for. */
#include "drivers/user.h"
#include "net/loop.h"

typedef struct Users Users;
typedef struct UserAsk UserAsk;

/* Nobody waits longer than @longest_ms. */
Users *users_new(Loop *loop, int64_t longest_ms);
/* Everybody who asked has forgotten it. Does not wait for a look-up that does not come back. NULL
 * is fine. */
void users_free(Users *users);
/* On the loop, later; @user NULL with @error as of user_look_up, or REEVE_ERROR_UNAVAILABLE when
 * that takes too long; both borrowed. */
typedef void (*UserFound)(void *data, const User *user, const GError *error);
/* Asks who @name is. The ask is valid until @found was called. */
UserAsk *users_ask(Users *users, const char *name, UserFound found, void *data);
/* Nobody waits any more. NULL is fine. */
void users_forget(UserAsk *ask);
