/* One thread that may block on the disk; see store_thread.h. */
#include "store/store_thread.h"

#include "base/error.h"
#include "base/log.h"

#include <pthread.h>

typedef enum Work { WORK_NONE, WORK_COMMIT, WORK_PROBE } Work;

struct StoreThread {
  Loop *loop;
  const StoreDriver *driver;
  Store *store; /* the thread's own */
  pthread_t thread;
  pthread_mutex_t lock; /* guards work, ending, records, error, waits */
  pthread_cond_t wake;
  Work work;
  bool ending; /* leave when there is no work */
  const GPtrArray *records;
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

/* Notes that another program holds the store. False when the thread is to end. */
static bool thread_waits(StoreThread *thread, const GError *error, bool first)
{
  pthread_mutex_lock(&thread->lock);
  bool goes_on = !thread->ending;
  thread->waits += first;
  pthread_mutex_unlock(&thread->lock);
  if (first)
    log_warn("another program holds the store, the commit waits for it", "error=\"%s\"", error->message);
  return goes_on;
}

/* That another program holds the store says nothing against the store: the commit is tried until it is through. */
static void thread_commit(StoreThread *thread, const GPtrArray *records, GError **error)
{
  for (bool first = true; !thread->driver->commit(thread->store, records, error); first = false) {
    if ((*error)->code != REEVE_ERROR_UNAVAILABLE || !thread_waits(thread, *error, first))
      return;
    g_clear_error(error);
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
    const GPtrArray *records = thread->records;
    thread->work = WORK_NONE;
    pthread_mutex_unlock(&thread->lock);
    if (work == WORK_NONE)
      return NULL;
    GError *error = NULL;
    if (work == WORK_COMMIT)
      thread_commit(thread, records, &error);
    else
      thread->driver->probe(thread->store, &error);
    pthread_mutex_lock(&thread->lock);
    thread->error = error;
    pthread_mutex_unlock(&thread->lock);
    loop_post(thread->loop, thread_on_done, thread);
  }
}

StoreThread *store_thread_new(Loop *loop, const StoreDriver *driver, Store *store)
{
  StoreThread *thread = g_new0(StoreThread, 1);
  thread->loop = loop;
  thread->driver = driver;
  thread->store = store;
  pthread_mutex_init(&thread->lock, NULL);
  pthread_cond_init(&thread->wake, NULL);
  int failed = pthread_create(&thread->thread, NULL, thread_main, thread);
  g_assert(!failed);
  return thread;
}

static void thread_give(StoreThread *thread, Work work, const GPtrArray *records)
{
  pthread_mutex_lock(&thread->lock);
  thread->work = work;
  thread->records = records;
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
  thread->driver->close(thread->store);
  g_clear_error(&thread->error);
  pthread_cond_destroy(&thread->wake);
  pthread_mutex_destroy(&thread->lock);
  g_free(thread);
}

void store_thread_commit(StoreThread *thread, const GPtrArray *records, StoreCommitted done, void *data)
{
  g_assert(!thread->busy);
  thread->busy = true;
  thread->done = done;
  thread->data = data;
  thread_give(thread, WORK_COMMIT, records);
}

void store_thread_probe(StoreThread *thread, StoreCommitted done, void *data)
{
  g_assert(!thread->busy);
  thread->busy = true;
  thread->done = done;
  thread->data = data;
  thread_give(thread, WORK_PROBE, NULL);
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
