/* The event loop: libevent's base, one timerfd on CLOCK_BOOTTIME for all timers (so that a suspend
 * counts), and posts from other threads.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/system.h"

#include <errno.h>
#include <glib.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

typedef struct LoopPost {
  LoopFn fn;
  void *data;
} LoopPost;

struct LoopTimer {
  Loop *loop;
  LoopFn fn;
  void *data;
  int64_t at_boot_ms; /* INT64_MAX = not armed */
  HeapNode armed;     /* in Loop.timers */
};

struct LoopWatch {
  struct event *event;
  LoopFn fn;
  void *data;
};

struct Loop {
  struct event_base *base;
  Heap timers; /* of LoopTimer by at_boot_ms: those that are armed */
  int timer_fd;
  struct event *timer_event;
  int64_t timer_set_ms; /* what timer_fd is armed for */
  int post_fd;
  struct event *post_event;
  pthread_mutex_t lock; /* guards posts */
  GArray *posts;        /* of LoopPost */
  GArray *running;      /* those that are being called, or NULL */
};

/* ---- timers ---- */

static int loop_timer_compare(const HeapNode *a, const HeapNode *b)
{
  int64_t x = HEAP_OWNER(a, LoopTimer, armed)->at_boot_ms,
          y = HEAP_OWNER(b, LoopTimer, armed)->at_boot_ms;
  return (x > y) - (x < y);
}

/* The timer that fires next, or NULL. */
static LoopTimer *loop_timer_first(const Loop *loop)
{
  HeapNode *first = heap_first(&loop->timers);
  return first ? HEAP_OWNER(first, LoopTimer, armed) : NULL;
}

/* Sets the timerfd for the first timer, when that has moved: most timers that are set are not the
 * first, and cost no system call. */
static void loop_arm(Loop *loop)
{
  const LoopTimer *first = loop_timer_first(loop);
  int64_t first_ms = first ? first->at_boot_ms : INT64_MAX;
  if (first_ms == loop->timer_set_ms)
    return;
  loop->timer_set_ms = first_ms;
  int64_t at = MAX(first_ms, 1); /* 0 would disarm it */
  struct itimerspec when = {0};
  if (first)
    when.it_value = (struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
  timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void loop_on_timer(evutil_socket_t fd, short what, void *data)
{
  (void)what;
  Loop *loop = data;
  uint64_t times;
  if (read(fd, &times, sizeof times) < 0 && errno != EAGAIN)
    return;
  int64_t now = clock_boot_ms();
  loop->timer_set_ms = 0; /* spent: arm again below */
  for (LoopTimer *timer = loop_timer_first(loop); timer && timer->at_boot_ms <= now;
       timer = loop_timer_first(loop)) {
    heap_remove(&loop->timers, &timer->armed);
    timer->at_boot_ms = INT64_MAX;
    timer->fn(timer->data); /* may set it again, free it, or do so with any other */
  }
  loop_arm(loop);
}

LoopTimer *loop_timer_new(Loop *loop, LoopFn fn, void *data)
{
  LoopTimer *timer = g_new0(LoopTimer, 1);
  *timer = (LoopTimer){.loop = loop, .fn = fn, .data = data, .at_boot_ms = INT64_MAX};
  return timer;
}

void loop_timer_free(LoopTimer *timer)
{
  if (!timer)
    return;
  loop_timer_set(timer, INT64_MAX);
  g_free(timer);
}

void loop_timer_set(LoopTimer *timer, int64_t at_boot_ms)
{
  if (timer->at_boot_ms == at_boot_ms)
    return;
  Loop *loop = timer->loop;
  timer->at_boot_ms = at_boot_ms;
  if (at_boot_ms == INT64_MAX)
    heap_remove(&loop->timers, &timer->armed);
  else if (heap_has(&timer->armed))
    heap_update(&loop->timers, &timer->armed);
  else
    heap_insert(&loop->timers, &timer->armed);
  loop_arm(loop);
}

/* ---- posts ---- */

/* The list is taken out first: what is posted by a callback is called in the next turn, so that
 * posts which beget posts starve nobody. */
static void loop_on_post(evutil_socket_t fd, short what, void *data)
{
  (void)what;
  Loop *loop = data;
  uint64_t count;
  if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
    return;
  pthread_mutex_lock(&loop->lock);
  GArray *posts = loop->posts;
  loop->posts = g_array_new(FALSE, FALSE, sizeof(LoopPost));
  pthread_mutex_unlock(&loop->lock);
  GArray *outer = loop->running; /* a callback may run the loop */
  loop->running = posts;
  for (guint i = 0; i < posts->len; i++) {
    LoopPost post = g_array_index(posts, LoopPost, i);
    if (post.fn)
      post.fn(post.data);
  }
  loop->running = outer;
  g_array_unref(posts);
}

void loop_post(Loop *loop, LoopFn fn, void *data)
{
  LoopPost post = {.fn = fn, .data = data};
  pthread_mutex_lock(&loop->lock);
  bool wake = loop->posts->len == 0; /* else the eventfd is set already */
  g_array_append_val(loop->posts, post);
  pthread_mutex_unlock(&loop->lock);
  uint64_t one = 1;
  while (wake && write(loop->post_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

static void loop_drop_posts(GArray *posts, const void *data)
{
  for (guint i = 0; posts && i < posts->len; i++) {
    LoopPost *post = &g_array_index(posts, LoopPost, i);
    if (post->data == data)
      post->fn = NULL;
  }
}

void loop_post_cancel(Loop *loop, const void *data)
{
  pthread_mutex_lock(&loop->lock);
  loop_drop_posts(loop->posts, data);
  pthread_mutex_unlock(&loop->lock);
  loop_drop_posts(loop->running, data);
}

/* ---- descriptors and signals ---- */

static void loop_on_watch(evutil_socket_t fd, short what, void *data)
{
  (void)fd;
  (void)what;
  LoopWatch *watch = data;
  watch->fn(watch->data);
}

static LoopWatch *loop_watch_event(Loop *loop, int fd, short what, LoopFn fn, void *data)
{
  LoopWatch *watch = g_new0(LoopWatch, 1);
  watch->fn = fn;
  watch->data = data;
  watch->event = event_new(loop->base, fd, (short)(what | EV_PERSIST), loop_on_watch, watch);
  event_add(watch->event, NULL);
  return watch;
}

LoopWatch *loop_watch_new(Loop *loop, int fd, LoopFn fn, void *data)
{
  return loop_watch_event(loop, fd, EV_READ, fn, data);
}

LoopWatch *loop_signal_new(Loop *loop, int signal, LoopFn fn, void *data)
{
  return loop_watch_event(loop, signal, EV_SIGNAL, fn, data);
}

void loop_watch_free(LoopWatch *watch)
{
  if (!watch)
    return;
  event_free(watch->event);
  g_free(watch);
}

/* ---- life ---- */

/* A realloc that leaves no copy behind: the C library's may move the bytes and free the old ones.
 */
static void *loop_realloc_wiped(void *memory, size_t size)
{
  void *moved = size ? malloc(size) : NULL;
  if (moved && memory)
    memcpy(moved, memory, MIN(size, malloc_usable_size(memory)));
  if (moved || !size)
    system_free_wiped(memory);
  return moved;
}

void loop_wipe_memory(void)
{
  event_set_mem_functions(malloc, loop_realloc_wiped, system_free_wiped);
}

Loop *loop_new(void)
{
  signal(SIGPIPE, SIG_IGN);
  Loop *loop = g_new0(Loop, 1);
  /* without precise timers, which would cost a system call each turn: ours are on timer_fd */
  loop->base = event_base_new();
  loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  loop->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_assert(loop->base && loop->timer_fd >= 0 && loop->post_fd >= 0);
  heap_init(&loop->timers, loop_timer_compare);
  loop->timer_set_ms = INT64_MAX;
  loop->posts = g_array_new(FALSE, FALSE, sizeof(LoopPost));
  pthread_mutex_init(&loop->lock, NULL);
  loop->timer_event =
      event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, loop_on_timer, loop);
  loop->post_event = event_new(loop->base, loop->post_fd, EV_READ | EV_PERSIST, loop_on_post, loop);
  event_add(loop->timer_event, NULL);
  event_add(loop->post_event, NULL);
  return loop;
}

void loop_free(Loop *loop)
{
  if (!loop)
    return;
  event_free(loop->timer_event);
  event_free(loop->post_event);
  event_base_free(loop->base);
  close(loop->timer_fd);
  close(loop->post_fd);
  heap_done(&loop->timers);
  g_array_unref(loop->posts);
  pthread_mutex_destroy(&loop->lock);
  g_free(loop);
}

struct event_base *loop_base(Loop *loop)
{
  return loop->base;
}

void loop_run(Loop *loop)
{
  event_base_dispatch(loop->base);
}

void loop_stop(Loop *loop)
{
  event_base_loopbreak(loop->base);
}
