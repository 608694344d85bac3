/* Reaps every child on SIGCHLD and tells whoever asked; see reaper.h. */
#include "drivers/reaper.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <sys/wait.h>

typedef struct ReaperRow {
  ReaperFn fn;
  void *data;
} ReaperRow;

struct Reaper {
  LoopWatch *signal;
  GHashTable *rows; /* pid -> ReaperRow* */
};

static void reaper_on_child(void *data)
{
  Reaper *reaper = data;
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR)
      continue;
    if (pid <= 0)
      return;
    ReaperRow *row = g_hash_table_lookup(reaper->rows, GINT_TO_POINTER(pid));
    ReaperRow copy = row ? *row : (ReaperRow){0};
    g_hash_table_remove(reaper->rows, GINT_TO_POINTER(pid));
    if (copy.fn)
      copy.fn(pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0, copy.data);
  }
}

Reaper *reaper_new(Loop *loop)
{
  Reaper *reaper = g_new0(Reaper, 1);
  reaper->rows = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  reaper->signal = loop_signal_new(loop, SIGCHLD, reaper_on_child, reaper);
  return reaper;
}

void reaper_free(Reaper *reaper)
{
  if (!reaper)
    return;
  loop_watch_free(reaper->signal);
  g_hash_table_unref(reaper->rows);
  g_free(reaper);
}

void reaper_watch(Reaper *reaper, pid_t pid, ReaperFn fn, void *data)
{
  ReaperRow *row = g_new0(ReaperRow, 1);
  *row = (ReaperRow){.fn = fn, .data = data};
  g_hash_table_replace(reaper->rows, GINT_TO_POINTER(pid), row);
}
