/* Who a user name stands for, from a database that answers at once, late, or never: the linker puts
 * it in place of the system's. */
#include "base/clock.h"
#include "base/error.h"
#include "node/users.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>

enum { LONG_MS = 60000, SHORT_MS = 50, MANY = 40 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;           /* nobody is answered */
static int begun, answered; /* look-ups */

int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *bytes, size_t n,
                      struct passwd **found);

int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *bytes, size_t n,
                      struct passwd **found)
{
  pthread_mutex_lock(&lock);
  begun++;
  pthread_cond_broadcast(&changed);
  while (held)
    pthread_cond_wait(&changed, &lock);
  answered++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  *found = NULL;
  if (strcmp(name, "large") == 0 && n < 10000)
    return ERANGE;
  if (strcmp(name, "broken") == 0)
    return EIO;
  if (strcmp(name, "nobody-here") == 0)
    return ENOENT;
  *entry = (struct passwd){.pw_name = (char *)(uintptr_t)name,
                           .pw_dir = (char *)"/home/x",
                           .pw_shell = (char *)"/bin/x",
                           .pw_uid = 4711,
                           .pw_gid = 4712};
  *found = entry;
  (void)bytes;
  return 0;
}

static void hold(bool on)
{
  pthread_mutex_lock(&lock);
  held = on;
  begun = on ? 0 : begun;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void wait_begun(void)
{
  pthread_mutex_lock(&lock);
  while (begun == 0)
    pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

typedef struct Rig {
  Loop *loop;
  Users *users;
  guint wanted; /* answers that end the run */
  guint found, unknown;
  uid_t uid;
  int code;
  char *message;
} Rig;

static void rig_found(void *data, const User *user, const GError *error)
{
  Rig *rig = data;
  g_assert_true((user == NULL) != (error == NULL));
  rig->found += user != NULL;
  rig->unknown += user == NULL;
  rig->uid = user ? user->uid : 0;
  rig->code = error ? error->code : -1;
  g_free(rig->message);
  rig->message = g_strdup(error ? error->message : user->home);
  if (rig->found + rig->unknown == rig->wanted)
    loop_stop(rig->loop);
}

static void rig_open(Rig *rig, int64_t longest_ms)
{
  *rig = (Rig){.loop = loop_new(), .wanted = 1};
  rig->users = users_new(rig->loop, longest_ms);
}

static void rig_close(Rig *rig)
{
  users_free(rig->users);
  loop_free(rig->loop);
  g_free(rig->message);
}

static void rig_ask(Rig *rig, const char *name)
{
  rig->found = rig->unknown = 0;
  users_ask(rig->users, name, rig_found, rig);
  g_assert_cmpuint(rig->found + rig->unknown, ==, 0); /* never from inside */
  loop_run(rig->loop);
}

static void test_answers(void)
{
  Rig rig;
  rig_open(&rig, LONG_MS);
  rig_ask(&rig, "somebody");
  g_assert_cmpuint(rig.uid, ==, 4711);
  g_assert_cmpstr(rig.message, ==, "/home/x");
  rig_ask(&rig, "large");
  g_assert_cmpuint(rig.found, ==, 1);
  rig_ask(&rig, "nobody-here");
  g_assert_cmpint(rig.code, ==, REEVE_ERROR_NOT_FOUND);
  g_assert_cmpstr(rig.message, ==, "no such user");
  rig_ask(&rig, "broken");
  g_assert_cmpint(rig.code, ==, REEVE_ERROR_UNAVAILABLE);
  rig_close(&rig);
}

static void stop_loop(void *loop)
{
  loop_stop(loop);
}

/* Meanwhile the loop goes on; who asks for the same name is told by the same answer; of many not
 * all in one turn. */
static void test_the_loop_goes_on(void)
{
  Rig rig;
  rig_open(&rig, LONG_MS);
  hold(true);
  rig.wanted = MANY;
  for (int i = 0; i < MANY; i++)
    users_ask(rig.users, "slow", rig_found, &rig);
  LoopTimer *timer = loop_timer_new(rig.loop, stop_loop, rig.loop);
  loop_timer_set(timer, clock_boot_ms() + SHORT_MS);
  loop_run(rig.loop);
  g_assert_cmpuint(rig.found, ==, 0);
  hold(false);
  loop_run(rig.loop);
  g_assert_cmpuint(rig.found, ==, MANY);
  g_assert_cmpint(begun, ==, 1);
  loop_timer_free(timer);
  rig_close(&rig);
}

static void test_nobody_waits_for_ever(void)
{
  Rig rig;
  rig_open(&rig, SHORT_MS);
  hold(true);
  rig_ask(&rig, "slow");
  g_assert_cmpint(rig.code, ==, REEVE_ERROR_UNAVAILABLE);
  g_assert_nonnull(strstr(rig.message, "did not answer within"));
  rig_ask(&rig, "slow"); /* joins the one that does not come back */
  g_assert_cmpint(rig.code, ==, REEVE_ERROR_UNAVAILABLE);
  hold(false);
  rig_ask(&rig, "other");
  g_assert_cmpuint(rig.found, ==, 1);
  rig_close(&rig);
}

static void never_found(void *data, const User *user, const GError *error)
{
  (void)data;
  (void)user;
  (void)error;
  g_assert_not_reached();
}

static void test_forgotten(void)
{
  Rig rig;
  rig_open(&rig, LONG_MS);
  hold(true);
  UserAsk *gone = users_ask(rig.users, "slow", never_found, NULL);
  users_ask(rig.users, "slow", rig_found, &rig);
  users_forget(gone);
  users_forget(NULL);
  hold(false);
  loop_run(rig.loop);
  g_assert_cmpuint(rig.found, ==, 1);
  rig_close(&rig);
}

/* The node ends while a look-up hangs: it does not wait, and what comes back afterwards is
 * nobody's. */
static void test_an_end_that_does_not_wait(void)
{
  Rig rig;
  rig_open(&rig, LONG_MS);
  hold(true);
  int before = answered;
  users_forget(users_ask(rig.users, "slow", never_found, NULL));
  users_forget(users_ask(rig.users, "after", never_found, NULL));
  wait_begun();
  rig_close(&rig);
  hold(false);
  pthread_mutex_lock(&lock);
  while (answered == before)
    pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/users/answers", test_answers);
  g_test_add_func("/users/the-loop-goes-on", test_the_loop_goes_on);
  g_test_add_func("/users/nobody-waits-for-ever", test_nobody_waits_for_ever);
  g_test_add_func("/users/forgotten", test_forgotten);
  g_test_add_func("/users/end", test_an_end_that_does_not_wait);
  return g_test_run();
}
