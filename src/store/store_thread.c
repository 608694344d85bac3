/* One thread that may block on the disk; see store_thread.h. */
#include "store/store_thread.h"

#include "base/error.h"
#include "base/log.h"

#include <pthread.h>

typedef enum Work { WORK_NONE, WORK_COMMIT, WORK_PROBE, WORK_OTHER } Work;

struct StoreThread {
  Loop *loop;
  const StoreDriver *driver;
  Store *store; /* the thread's own */
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

/* Notes that another program holds the store. False when the thread is to end. */
static bool thread_waits(StoreThread *thread, const GError *error, bool first)
{
  pthread_mutex_lock(&thread->lock);
  bool goes_on = !thread->ending;
  thread->waits += first;
  pthread_mutex_unlock(&thread->lock);
  if (first)
    log_warn("another program holds the store, the commit waits for it", "error=\"%s\"",
             error->message);
  return goes_on;
}

/* That another program holds the store says nothing against the store: the commit is tried until it
 * is through. */
static void thread_commit(StoreThread *thread, const GPtrArray *records, GError **error)
{
  for (bool first = true; !thread->driver->commit(thread->store, records, error); first = false) {
    if ((*error)->code != REEVE_ERROR_UNAVAILABLE || !thread_waits(thread, *error, first))
      return;
    g_clear_error(error);
  }
}

static void thread_do(StoreThread *thread, Work work, GError **error)
{
  switch (work) {
  case WORK_COMMIT:
    thread_commit(thread, thread->records, error);
    break;
  case WORK_PROBE:
    thread->driver->probe(thread->store, error);
    break;
  default:
    thread->other.run(thread->driver, thread->store, thread->other.data, error);
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
  thread->driver->close(thread->store);
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
