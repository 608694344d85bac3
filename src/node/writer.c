/* Instance files, durable before their shims start. One thread writes what waits and syncs once: a
 * batch of starts costs one flush. A batch has a bound, so that the first of many start while the
 * files of the others are written. What else may block on the disk comes in its turn. */
#include "node/writer.h"

#include "base/error.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* @WRITER_TURN: how many are told in one turn of the loop. Each may start a shim, and what the
 * shims before it say waits meanwhile. */
enum { WRITER_BATCH = 50, WRITER_TURN = 8 };

typedef struct WriterItem {
  char *id, *directory, *text;
  int64_t generation;
  GError *error;
  WriterFn work, done; /* instead of a file */
  void *data;
} WriterItem;

struct Writer {
  Node *node;
  pthread_t thread;
  pthread_mutex_t lock; /* guards queue, done, ending, posted */
  pthread_cond_t wake;
  GQueue queue; /* of WriterItem* */
  GQueue done;  /* of WriterItem* */
  bool ending, posted;
  bool finished; /* the thread is gone */
};

static void writer_item_free(WriterItem *item)
{
  g_free(item->id);
  g_free(item->directory);
  g_free(item->text);
  g_clear_error(&item->error);
  g_free(item);
}

/* Tells the node of up to @most that are done, in their order, and asks for another turn when there
 * are more. */
static void writer_tell(Writer *writer, guint most);

static void writer_on_done(void *data)
{
  writer_tell(data, WRITER_TURN);
}

static void writer_tell(Writer *writer, guint most)
{
  GQueue told = G_QUEUE_INIT;
  pthread_mutex_lock(&writer->lock);
  while (!g_queue_is_empty(&writer->done) && told.length < most)
    g_queue_push_tail(&told, g_queue_pop_head(&writer->done));
  writer->posted = !g_queue_is_empty(&writer->done);
  bool post = writer->posted;
  pthread_mutex_unlock(&writer->lock);
  if (post)
    loop_post(writer->node->loop, writer_on_done, writer);
  for (WriterItem *item = g_queue_pop_head(&told); item; item = g_queue_pop_head(&told)) {
    if (item->work) {
      item->done(item->data);
      writer_item_free(item);
      continue;
    }
    NodeEvent event = {.type = item->error ? NODE_EVENT_STORE_FAILED : NODE_EVENT_STORED,
                       .instance = item->id,
                       .generation = item->generation,
                       .text = item->error ? item->error->message : NULL,
                       .failure = item->error ? failure_class(item->error) : FAILURE_FINAL};
    node_event(writer->node, &event, NULL);
    writer_item_free(item);
  }
}

/* Writes one file. With @sync it is durable afterwards: of a new directory that takes a sync of the
 * one above it, too. */
static void writer_write(WriterItem *item, bool sync)
{
  bool fresh = access(item->directory, F_OK) != 0;
  if (!fs_mkdirs(item->directory, 0755, &item->error))
    return;
  g_autofree char *path = g_build_filename(item->directory, "instance.json", NULL);
  if (!fs_write(path, item->text, strlen(item->text), 0600, sync, &item->error) || !sync || !fresh)
    return;
  g_autofree char *parent = g_path_get_dirname(item->directory);
  fs_sync_directory(parent, &item->error);
}

/* The file system that all of the batch is on. What it does not confirm was not stored. */
static void writer_sync(const GPtrArray *files)
{
  const WriterItem *any = files->pdata[0];
  int dir = open(any->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = dir >= 0 && syncfs(dir) == 0;
  int e = errno;
  if (dir >= 0)
    close(dir);
  for (guint i = 0; i < files->len && !ok; i++) {
    WriterItem *item = files->pdata[i];
    errno = e;
    if (!item->error)
      fs_set_error(&item->error, "sync", item->directory);
  }
}

/* In the order in which it came: files of one instance, the removal of its directory, and files of
 * its next life. */
static void writer_work(const GPtrArray *batch)
{
  g_autoptr(GPtrArray) files = g_ptr_array_sized_new(batch->len);
  for (guint i = 0; i < batch->len; i++)
    if (!((WriterItem *)batch->pdata[i])->work)
      g_ptr_array_add(files, batch->pdata[i]);
  for (guint i = 0; i < batch->len; i++) {
    WriterItem *item = batch->pdata[i];
    if (item->work)
      item->work(item->data);
    else
      writer_write(item, files->len == 1);
  }
  if (files->len > 1)
    writer_sync(files);
}

/* Waits for work and takes a batch of it; empty when everything is written and the writer ends. */
static GPtrArray *writer_take(Writer *writer)
{
  GPtrArray *batch = g_ptr_array_sized_new(WRITER_BATCH);
  pthread_mutex_lock(&writer->lock);
  while (g_queue_is_empty(&writer->queue) && !writer->ending)
    pthread_cond_wait(&writer->wake, &writer->lock);
  while (!g_queue_is_empty(&writer->queue) && batch->len < WRITER_BATCH)
    g_ptr_array_add(batch, g_queue_pop_head(&writer->queue));
  pthread_mutex_unlock(&writer->lock);
  return batch;
}

static void writer_give(Writer *writer, const GPtrArray *batch)
{
  pthread_mutex_lock(&writer->lock);
  for (guint i = 0; i < batch->len; i++)
    g_queue_push_tail(&writer->done, batch->pdata[i]);
  bool post = !writer->posted;
  writer->posted = true;
  pthread_mutex_unlock(&writer->lock);
  if (post)
    loop_post(writer->node->loop, writer_on_done, writer);
}

static void *writer_main(void *data)
{
  Writer *writer = data;
  for (;;) {
    g_autoptr(GPtrArray) batch = writer_take(writer);
    if (batch->len == 0)
      return NULL;
    writer_work(batch);
    writer_give(writer, batch);
  }
}

Writer *writer_new(Node *node)
{
  Writer *writer = g_new0(Writer, 1);
  writer->node = node;
  g_queue_init(&writer->queue);
  g_queue_init(&writer->done);
  pthread_mutex_init(&writer->lock, NULL);
  pthread_cond_init(&writer->wake, NULL);
  int failed = pthread_create(&writer->thread, NULL, writer_main, writer);
  g_assert(!failed);
  return writer;
}

void writer_finish(Writer *writer)
{
  pthread_mutex_lock(&writer->lock);
  writer->ending = true;
  pthread_cond_signal(&writer->wake);
  pthread_mutex_unlock(&writer->lock);
  pthread_join(writer->thread, NULL);
  writer->finished = true;
  writer_tell(writer, G_MAXUINT);
}

void writer_free(Writer *writer)
{
  if (!writer)
    return;
  if (!writer->finished)
    writer_finish(writer);
  g_assert(g_queue_is_empty(&writer->queue));
  loop_post_cancel(writer->node->loop, writer);
  pthread_cond_destroy(&writer->wake);
  pthread_mutex_destroy(&writer->lock);
  g_free(writer);
}

static void writer_put(Writer *writer, WriterItem *item)
{
  pthread_mutex_lock(&writer->lock);
  g_queue_push_tail(&writer->queue, item);
  pthread_cond_signal(&writer->wake);
  pthread_mutex_unlock(&writer->lock);
}

void writer_store(Writer *writer, const char *id, const char *directory, int64_t generation,
                  const char *text)
{
  WriterItem *item = g_new0(WriterItem, 1);
  *item = (WriterItem){.id = g_strdup(id),
                       .directory = g_strdup(directory),
                       .text = g_strdup(text),
                       .generation = generation};
  writer_put(writer, item);
}

void writer_do(Writer *writer, WriterFn work, WriterFn done, void *data)
{
  WriterItem *item = g_new0(WriterItem, 1);
  *item = (WriterItem){.work = work, .done = done, .data = data};
  writer_put(writer, item);
}
