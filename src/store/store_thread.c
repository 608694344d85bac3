/* One thread that may block on the disk; see store_thread.h. */
#include "store/store_thread.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <pthread.h>
#include <time.h>

enum { PAUSE_MS = 20 }; /* between two tries */

typedef enum Work { WORK_NONE, WORK_COMMIT, WORK_PROBE, WORK_OTHER } Work;

struct StoreThread {
  Loop *loop;
  /* the thread's own */
  Store *store;
  int64_t batch;  /* the number that was used last */
  bool unsettled; /* what became of that batch is not known */
  pthread_t thread;
  pthread_mutex_t lock; /* guards work, ending, error, waits */
  pthread_cond_t wake;
  Work work;
  bool ending; /* leave when there is no work */
  /* of the work: the loop's until it is given, then the thread's until it is answered */
  const GPtrArray *records;
  StoreWork other;
  GError *error;
  guint64 waits;
  bool busy; /* the loop's own */
  StoreCommitted done;
  void *data;
};

static void thread_on_done(void *data)
{
  StoreThread *thread = data;
  pthread_mutex_lock(&thread->lock);
  g_autoptr(GError) error = g_steal_pointer(&thread->error);
  pthread_mutex_unlock(&thread->lock);
  thread->busy = false;
  thread->done(error, thread->data);
}

/* A moment between two tries. False when the thread is to end. */
static bool thread_pause(StoreThread *thread)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += PAUSE_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&thread->lock);
  int waited = 0;
  while (!thread->ending && waited == 0)
    waited = pthread_cond_timedwait(&thread->wake, &thread->lock, &until);
  bool goes_on = !thread->ending;
  pthread_mutex_unlock(&thread->lock);
  return goes_on;
}

static void thread_count_wait(StoreThread *thread, const GError *error)
{
  pthread_mutex_lock(&thread->lock);
  thread->waits++;
  pthread_mutex_unlock(&thread->lock);
  log_warn("another program holds the store, the commit waits for it", "error=\"%s\"",
           error->message);
}

/* Finds out what became of the last batch. True when that is settled: it is durable, or it never
 * happened and @error, when it is set, says why. False with @error when it cannot be told now. */
static bool thread_settle(StoreThread *thread, GError **error)
{
  g_autoptr(GError) cause = NULL, why = NULL;
  int64_t until_ms = clock_boot_ms() + STORE_SETTLE_MS;
  if (*error)
    cause = g_error_copy(*error);
  log_warn("what became of a commit is not known, the store is asked",
           "batch=%" G_GINT64_FORMAT " error=\"%s\"", thread->batch, cause ? cause->message : "");
  for (;;) {
    g_clear_error(&why);
    StoreOutcome outcome = thread->store->driver->settle(thread->store, thread->batch, &why);
    if (outcome == STORE_DONE || outcome == STORE_NOT) {
      log_info("what became of a commit is known now", "batch=%" G_GINT64_FORMAT " stored=%d",
               thread->batch, outcome == STORE_DONE);
      thread->unsettled = false;
      if (outcome == STORE_DONE)
        g_clear_error(error);
      return true;
    }
    bool over = outcome == STORE_UNKNOWN && clock_boot_ms() >= until_ms;
    if (over || !thread_pause(thread))
      break;
  }
  g_clear_error(error);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
              "%s; whether the change was made is not known, look before you try again",
              cause ? cause->message : why->message);
  return false;
}

/* That another program holds the store says nothing against the store: the commit is tried until it
 * is through. */
static void thread_commit(StoreThread *thread, const GPtrArray *records, GError **error)
{
  const StoreDriver *driver = thread->store->driver;
  int64_t held_at_ms = 0, number = ++thread->batch;
  StoreOutcome outcome;
  while ((outcome = driver->commit(thread->store, records, number, error)) == STORE_BUSY) {
    if (!held_at_ms)
      thread_count_wait(thread, *error);
    held_at_ms = held_at_ms ? held_at_ms : clock_boot_ms();
    if (!thread_pause(thread))
      return;
    g_clear_error(error);
  }
  if (held_at_ms)
    log_info("the store is no longer held, the commit goes on", "waited_ms=%" G_GINT64_FORMAT,
             clock_boot_ms() - held_at_ms);
  thread->unsettled = outcome == STORE_UNKNOWN;
  if (thread->unsettled)
    thread_settle(thread, error);
}

static void thread_do(StoreThread *thread, Work work, GError **error)
{
  if (thread->unsettled && !thread_settle(thread, error))
    return;
  switch (work) {
  case WORK_COMMIT:
    thread_commit(thread, thread->records, error);
    break;
  case WORK_PROBE:
    thread->store->driver->probe(thread->store, error);
    break;
  default:
    thread->other.run(thread->store, thread->other.data, error);
  }
}

static void *thread_main(void *data)
{
  StoreThread *thread = data;
  for (;;) {
    pthread_mutex_lock(&thread->lock);
    while (thread->work == WORK_NONE && !thread->ending)
      pthread_cond_wait(&thread->wake, &thread->lock);
    Work work = thread->work;
    thread->work = WORK_NONE;
    pthread_mutex_unlock(&thread->lock);
    if (work == WORK_NONE)
      return NULL;
    GError *error = NULL;
    thread_do(thread, work, &error);
    pthread_mutex_lock(&thread->lock);
    thread->error = error;
    pthread_mutex_unlock(&thread->lock);
    loop_post(thread->loop, thread_on_done, thread);
  }
}

StoreThread *store_thread_new(Loop *loop, Store *store)
{
  StoreThread *thread = g_new0(StoreThread, 1);
  thread->loop = loop;
  thread->store = store;
  thread->batch = store->last_batch;
  pthread_mutex_init(&thread->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&thread->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  int failed = pthread_create(&thread->thread, NULL, thread_main, thread);
  g_assert(!failed);
  return thread;
}

/* Takes the one place there is for work; what belongs to it is set after this. */
static void thread_claim(StoreThread *thread, StoreCommitted done, void *data)
{
  g_assert(!thread->busy);
  thread->busy = true;
  thread->done = done;
  thread->data = data;
}

static void thread_give(StoreThread *thread, Work work)
{
  pthread_mutex_lock(&thread->lock);
  thread->work = work;
  pthread_cond_signal(&thread->wake);
  pthread_mutex_unlock(&thread->lock);
}

void store_thread_free(StoreThread *thread)
{
  if (!thread)
    return;
  pthread_mutex_lock(&thread->lock);
  thread->ending = true;
  pthread_cond_signal(&thread->wake);
  pthread_mutex_unlock(&thread->lock);
  pthread_join(thread->thread, NULL);
  loop_post_cancel(thread->loop, thread);
  store_close(thread->store);
  g_clear_error(&thread->error);
  pthread_cond_destroy(&thread->wake);
  pthread_mutex_destroy(&thread->lock);
  g_free(thread);
}

void store_thread_commit(StoreThread *thread, const GPtrArray *records, StoreCommitted done,
                         void *data)
{
  thread_claim(thread, done, data);
  thread->records = records;
  thread_give(thread, WORK_COMMIT);
}

void store_thread_probe(StoreThread *thread, StoreCommitted done, void *data)
{
  thread_claim(thread, done, data);
  thread_give(thread, WORK_PROBE);
}

void store_thread_work(StoreThread *thread, const StoreWork *work, StoreCommitted done, void *data)
{
  thread_claim(thread, done, data);
  thread->other = *work;
  thread_give(thread, WORK_OTHER);
}

guint64 store_thread_waits(StoreThread *thread)
{
  pthread_mutex_lock(&thread->lock);
  guint64 waits = thread->waits;
  pthread_mutex_unlock(&thread->lock);
  return waits;
}

bool store_thread_busy(const StoreThread *thread)
{
  return thread->busy;
}
