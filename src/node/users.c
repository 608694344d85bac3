/* Who a user name stands for. A directory service may take its time to say, or never do, so one
 * thread of its own asks, and whoever waits is told on the loop. Who asks for a name that is being
 * looked up waits for the same answer; nothing is kept, so that the next one who asks hears of a
 * change. */
#include "node/users.h"

#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>

/* @USERS_TURN: how many are told in one turn of the loop. Each may start a shim. */
enum { USERS_TURN = 8 };

/* One name on its way. */
typedef struct Lookup {
  char *name;
  GPtrArray *asks; /* of UserAsk*, the loop's own; owned */
  User *user;      /* what the thread found, or */
  GError *error;   /* why not */
} Lookup;

struct UserAsk {
  Users *users;
  Lookup *lookup;
  LoopTimer *late;
  UserFound found;
  void *data;
};

/* What the thread shares with the loop. A thread that is stuck in a look-up when the node ends is
 * left behind, and frees it. */
typedef struct Asker {
  Loop *loop;
  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t wake;
  GQueue queue; /* of Lookup* */
  GQueue done;  /* of Lookup* */
  bool ending, busy;
} Asker;

struct Users {
  Loop *loop;
  int64_t longest_ms;
  Asker *asker; /* NULL until somebody asks: most nodes have no users */
  pthread_t thread;
  GHashTable *lookups; /* name -> Lookup* on its way; borrowed from the queues and the thread */
  GQueue told;         /* of Lookup*: answered, and not yet told to all who asked */
};

static void lookup_free(gpointer data)
{
  Lookup *lookup = data;
  g_ptr_array_unref(lookup->asks);
  user_free(lookup->user);
  g_clear_error(&lookup->error);
  g_free(lookup->name);
  g_free(lookup);
}

static void ask_free(gpointer data)
{
  UserAsk *ask = data;
  loop_timer_free(ask->late);
  g_free(ask);
}

static void asker_free(Asker *asker)
{
  g_queue_clear_full(&asker->queue, lookup_free);
  g_queue_clear_full(&asker->done, lookup_free);
  pthread_cond_destroy(&asker->wake);
  pthread_mutex_destroy(&asker->lock);
  g_free(asker);
}

/* ---- on the loop ---- */

/* Takes @ask off its look-up; the caller frees it. */
static void ask_take(UserAsk *ask)
{
  guint at;
  bool there = g_ptr_array_find(ask->lookup->asks, ask, &at);
  g_assert(there);
  g_ptr_array_steal_index(ask->lookup->asks, at);
}

static void ask_answer(UserAsk *ask, const User *user, const GError *error)
{
  UserFound found = ask->found;
  void *data = ask->data;
  ask_free(ask);
  found(data, user, error);
}

static void ask_on_late(void *data)
{
  UserAsk *ask = data;
  g_autoptr(GError) error =
      g_error_new(REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                  "the user database of this machine did not answer within %" G_GINT64_FORMAT " s",
                  ask->users->longest_ms / 1000);
  ask_take(ask);
  ask_answer(ask, NULL, error);
}

static void users_on_done(void *data)
{
  Users *users = data;
  Asker *asker = users->asker;
  pthread_mutex_lock(&asker->lock);
  for (Lookup *lookup = g_queue_pop_head(&asker->done); lookup;
       lookup = g_queue_pop_head(&asker->done)) {
    g_hash_table_remove(users->lookups, lookup->name); /* who asks from now on hears of a change */
    g_queue_push_tail(&users->told, lookup);
  }
  pthread_mutex_unlock(&asker->lock);
  int left = USERS_TURN;
  for (Lookup *lookup = g_queue_peek_head(&users->told); lookup;
       lookup = g_queue_peek_head(&users->told)) {
    for (; lookup->asks->len && left > 0; left--) /* what is told may take others off */
      ask_answer(g_ptr_array_steal_index(lookup->asks, 0), lookup->user, lookup->error);
    if (lookup->asks->len) {
      loop_post(users->loop, users_on_done, users);
      return;
    }
    lookup_free(g_queue_pop_head(&users->told));
  }
}

/* ---- on the thread ---- */

/* The next look-up, or NULL when the node ends. */
static Lookup *asker_next(Asker *asker)
{
  pthread_mutex_lock(&asker->lock);
  while (g_queue_is_empty(&asker->queue) && !asker->ending)
    pthread_cond_wait(&asker->wake, &asker->lock);
  Lookup *lookup = asker->ending ? NULL : g_queue_pop_head(&asker->queue);
  asker->busy = lookup != NULL;
  pthread_mutex_unlock(&asker->lock);
  return lookup;
}

typedef struct Start {
  Asker *asker;
  Users *users; /* only a name for what is posted: it may be gone */
} Start;

static void *asker_main(void *data)
{
  Start start = *(Start *)data;
  g_free(data);
  Asker *asker = start.asker;
  for (Lookup *lookup = asker_next(asker); lookup; lookup = asker_next(asker)) {
    User *user = user_look_up(lookup->name, &lookup->error);
    pthread_mutex_lock(&asker->lock);
    lookup->user = user;
    /* the node ended meanwhile, and left us behind with what is shared */
    bool alone = asker->ending;
    g_queue_push_tail(&asker->done, lookup);
    asker->busy = false;
    if (!alone)
      loop_post(asker->loop, users_on_done, start.users);
    pthread_mutex_unlock(&asker->lock);
    if (alone) {
      asker_free(asker);
      return NULL;
    }
  }
  return NULL;
}

/* ---- life ---- */

Users *users_new(Loop *loop, int64_t longest_ms)
{
  Users *users = g_new0(Users, 1);
  users->loop = loop;
  users->longest_ms = longest_ms;
  users->lookups = g_hash_table_new(g_str_hash, g_str_equal);
  g_queue_init(&users->told);
  return users;
}

static void users_begin(Users *users)
{
  Asker *asker = users->asker = g_new0(Asker, 1);
  asker->loop = users->loop;
  g_queue_init(&asker->queue);
  g_queue_init(&asker->done);
  pthread_mutex_init(&asker->lock, NULL);
  pthread_cond_init(&asker->wake, NULL);
  Start *start = g_new0(Start, 1);
  *start = (Start){.asker = asker, .users = users};
  int failed = pthread_create(&users->thread, NULL, asker_main, start);
  g_assert(!failed);
}

void users_free(Users *users)
{
  if (!users)
    return;
  Asker *asker = users->asker;
  if (asker) {
    pthread_mutex_lock(&asker->lock);
    asker->ending = true;
    bool busy = asker->busy;
    pthread_cond_signal(&asker->wake);
    pthread_mutex_unlock(&asker->lock);
    if (busy) {
      pthread_detach(users->thread); /* it may never come back */
    } else {
      pthread_join(users->thread, NULL);
      asker_free(asker);
    }
  }
  loop_post_cancel(users->loop, users);
  g_queue_clear_full(&users->told, lookup_free);
  g_hash_table_unref(users->lookups);
  g_free(users);
}

UserAsk *users_ask(Users *users, const char *name, UserFound found, void *data)
{
  if (!users->asker)
    users_begin(users);
  Lookup *lookup = g_hash_table_lookup(users->lookups, name);
  UserAsk *ask = g_new0(UserAsk, 1);
  *ask = (UserAsk){.users = users, .found = found, .data = data};
  ask->late = loop_timer_new(users->loop, ask_on_late, ask);
  loop_timer_set(ask->late, clock_boot_ms() + users->longest_ms);
  if (!lookup) {
    lookup = g_new0(Lookup, 1);
    lookup->name = g_strdup(name);
    lookup->asks = g_ptr_array_new_with_free_func(ask_free);
    g_hash_table_insert(users->lookups, lookup->name, lookup);
    pthread_mutex_lock(&users->asker->lock);
    g_queue_push_tail(&users->asker->queue, lookup);
    pthread_cond_signal(&users->asker->wake);
    pthread_mutex_unlock(&users->asker->lock);
  }
  ask->lookup = lookup;
  g_ptr_array_add(lookup->asks, ask);
  return ask;
}

void users_forget(UserAsk *ask)
{
  if (!ask)
    return;
  ask_take(ask);
  ask_free(ask);
}
