/* The store's thread: every commit is answered once, in order, on the loop. Run under the thread sanitizer too. */
#include "store/store_thread.h"

#include <string.h>

typedef struct Run {
  Loop *loop;
  StoreThread *thread;
  GPtrArray *records;
  int answered, wanted;
} Run;

static void run_next(Run *run);

static void run_committed(const GError *error, void *data)
{
  Run *run = data;
  g_assert_null(error);
  g_assert_false(store_thread_busy(run->thread));
  g_ptr_array_set_size(run->records, 0);
  if (++run->answered == run->wanted)
    loop_stop(run->loop);
  else
    run_next(run);
}

static void run_next(Run *run)
{
  Record *record = record_new(TABLE_META);
  g_autofree char *value = g_strdup_printf("%d", run->answered);
  record_text(record, META_KEY, "n");
  record_text(record, META_VALUE, value);
  g_ptr_array_add(run->records, record);
  if (run->answered % 10 == 9)
    store_thread_probe(run->thread, run_committed, run);
  else
    store_thread_commit(run->thread, run->records, run_committed, run);
}

static void test_every_commit_is_answered(void)
{
  Run run = {.loop = loop_new(), .wanted = 500};
  run.records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  run.thread = store_thread_new(run.loop, &store_memory, store_memory.open("", NULL));
  run_next(&run);
  loop_run(run.loop);
  g_assert_cmpint(run.answered, ==, 500);
  store_thread_free(run.thread);
  g_ptr_array_unref(run.records);
  loop_free(run.loop);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/store/thread/commits", test_every_commit_is_answered);
  return g_test_run();
}
