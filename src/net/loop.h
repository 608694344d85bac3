#pragma once
/* One event loop a process (libevent), with what every room of the left column needs from it:
 * timers on the boot clock, readable descriptors, posts from other threads by eventfd, signals.
 * Single-threaded except loop_post. */
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef void (*LoopFn)(void *data);

/* From the first loop on what libevent held, bytes of peers among it, is overwritten when it is
 * freed. Call before any loop is made. */
void loop_wipe_memory(void);
/* Ignores SIGPIPE, creates the base. Aborts only when the kernel refuses epoll, a timer or an
 * eventfd. Caller frees. */
Loop *loop_new(void);
/* Timers and watches must be freed before; posts that were not called are dropped. NULL is fine. */
void loop_free(Loop *loop);
/* libevent's own, for bufferevents and the like; borrowed. */
struct event_base *loop_base(Loop *loop);
/* Runs until loop_stop. A callback may run it once more. */
void loop_run(Loop *loop);
/* Ends loop_run after the callback that is running; on the loop's thread. */
void loop_stop(Loop *loop);
/* Calls @fn(@data) on the loop's thread soon; from any thread; in order. */
void loop_post(Loop *loop, LoopFn fn, void *data);
/* No post with @data is called any more: before @data is freed, once no other thread posts it. On
 * the loop's thread. */
void loop_post_cancel(Loop *loop, const void *data);

/* A one-shot timer that can be set again and again. */
typedef struct LoopTimer LoopTimer;
/* Not armed yet; caller frees. */
LoopTimer *loop_timer_new(Loop *loop, LoopFn fn, void *data);
/* @fn is not called any more; may be called from inside it. NULL is fine. */
void loop_timer_free(LoopTimer *timer);
/* Fires once at @at_boot_ms (CLOCK_BOOTTIME; when past, in the next turn of the loop), and is then
 * disarmed. INT64_MAX disarms. Timers of one millisecond fire in any order. */
void loop_timer_set(LoopTimer *timer, int64_t at_boot_ms);

/* A descriptor or a signal that the loop listens to. */
typedef struct LoopWatch LoopWatch;
/* Calls @fn whenever @fd is readable, until loop_watch_free; the descriptor stays the caller's, who
 * closes it after that. Caller frees. */
LoopWatch *loop_watch_new(Loop *loop, int fd, LoopFn fn, void *data);
/* @fn is not called any more; may be called from inside it. NULL is fine. Also of loop_signal_new.
 */
void loop_watch_free(LoopWatch *watch);
/* Calls @fn on the loop whenever @signal comes, until loop_watch_free; caller frees. */
LoopWatch *loop_signal_new(Loop *loop, int signal, LoopFn fn, void *data);
