/* Finds processes in one look at /proc; see tree.h. */
#include "drivers/tree.h"

#include "base/fs.h"
#include "drivers/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  TREE_DEPTH = 64,
  TREE_ENVIRON_MAX = 1024 * 1024,
  TREE_LOCKS_MAX = 8 * 1024 * 1024,
  TREE_SHIM_DIR_FD = 4
};

void tree_mark(const char *directory, char mark[TREE_MARK_BYTES])
{
  struct stat st;
  mark[0] = '\0';
  if (stat(directory, &st) == 0)
    g_snprintf(mark, TREE_MARK_BYTES, "%" G_GINT64_MODIFIER "x-%" G_GUINT64_FORMAT,
               (guint64)st.st_dev, (guint64)st.st_ino);
}

/* ---- a shim by its lock ---- */

static bool tree_same_file(const char *path, const struct stat *wanted)
{
  struct stat st;
  return stat(path, &st) == 0 && st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino;
}

/* The process that a line of /proc/locks names, if it holds a file of that inode with flock; else
 * 0. */
static pid_t tree_lock_holder(const char *line, ino_t inode)
{
  int pid;
  unsigned major, minor;
  unsigned long long file;
  if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor, &file) != 4)
    return 0;
  return file == inode ? pid : 0;
}

bool tree_find_shim(const char *directory, ProcessIdentity *shim)
{
  /* earlier builds locked a file of its own */
  static const char *const locked[] = {"state", "lock"};
  struct stat dir;
  g_autofree char *text = fs_read("/proc/locks", TREE_LOCKS_MAX, NULL, NULL);
  if (!text || stat(directory, &dir) != 0)
    return false;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (size_t i = 0; i < G_N_ELEMENTS(locked); i++) {
    g_autofree char *path = g_build_filename(directory, locked[i], NULL);
    struct stat st;
    for (size_t k = 0; stat(path, &st) == 0 && lines[k]; k++) {
      pid_t pid = tree_lock_holder(lines[k], st.st_ino);
      g_autofree char *open_dir = g_strdup_printf("/proc/%d/fd/%d", (int)pid, TREE_SHIM_DIR_FD);
      ProcStat stat;
      /* inodes are told without a usable device */
      if (pid <= 0 || !tree_same_file(open_dir, &dir) || !proc_stat(pid, &stat))
        continue;
      *shim = (ProcessIdentity){.pid = pid, .start_time = stat.start_time};
      return true;
    }
  }
  return false;
}

/* ---- who belongs to whom ---- */

typedef struct TreeProc {
  pid_t pid;
  ProcStat stat;
  ProcessTree *owner; /* NULL = none of ours */
} TreeProc;

/* The mark that @pid was started with, or NULL. Only of processes that we may look into. */
static char *tree_mark_of(pid_t pid)
{
  static const char name[] = TREE_MARK_NAME "=";
  g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)pid);
  size_t length;
  g_autofree char *text = fs_read(path, TREE_ENVIRON_MAX, &length, NULL);
  for (const char *p = text; p && p < text + length; p += strlen(p) + 1)
    if (strncmp(p, name, strlen(name)) == 0)
      return g_strdup(p + strlen(name));
  return NULL;
}

static bool tree_is(const ProcessIdentity *identity, const TreeProc *proc)
{
  return identity->pid > 0 && identity->pid == proc->pid &&
         identity->start_time == proc->stat.start_time;
}

/* A session outlives its leader, and keeps its number from being given anew: unless that was given
 * to another process, it is ours. */
static bool tree_is_session(const ProcessIdentity *leader, const TreeProc *proc, GHashTable *by_pid)
{
  const TreeProc *now =
      leader->pid > 0 ? g_hash_table_lookup(by_pid, GINT_TO_POINTER(leader->pid)) : NULL;
  return leader->pid > 0 && proc->stat.session == leader->pid &&
         proc->stat.start_time >= leader->start_time && (!now || tree_is(leader, now));
}

static ProcessTree *tree_owner(const TreeProc *proc, ProcessTree *const *trees, size_t n,
                               GHashTable *by_pid)
{
  g_autofree char *mark = tree_mark_of(proc->pid);
  for (size_t i = 0; i < n; i++) {
    const ProcessTree *tree = trees[i];
    bool marked = mark && tree->mark[0] && strcmp(mark, tree->mark) == 0;
    if (marked || tree_is(&tree->main, proc) || tree_is(&tree->shim, proc) ||
        tree_is_session(&tree->main, proc, by_pid))
      return trees[i];
  }
  return NULL;
}

static void tree_proc_free(gpointer data)
{
  g_free(data);
}

static GPtrArray *tree_look(GHashTable *by_pid)
{
  GPtrArray *all = g_ptr_array_new_with_free_func(tree_proc_free);
  DIR *dir = opendir("/proc");
  for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
    TreeProc proc = {.pid = (pid_t)strtol(entry->d_name, NULL, 10)};
    if (proc.pid <= 1 || !proc_stat(proc.pid, &proc.stat))
      continue;
    TreeProc *kept = g_memdup2(&proc, sizeof proc);
    g_ptr_array_add(all, kept);
    g_hash_table_insert(by_pid, GINT_TO_POINTER(proc.pid), kept);
  }
  if (dir)
    closedir(dir);
  return all;
}

/* Of the nearest above @proc who belongs to somebody. */
static ProcessTree *tree_inherited(const TreeProc *proc, GHashTable *by_pid)
{
  for (int depth = 0; proc && depth < TREE_DEPTH; depth++) {
    if (proc->owner)
      return proc->owner;
    proc = g_hash_table_lookup(by_pid, GINT_TO_POINTER(proc->stat.parent));
  }
  return NULL;
}

void trees_kill(ProcessTree *const *trees, size_t n)
{
  g_autoptr(GHashTable) by_pid = g_hash_table_new(NULL, NULL);
  g_autoptr(GPtrArray) all = tree_look(by_pid);
  for (size_t i = 0; i < n; i++) {
    trees[i]->left = 0;
    identity_kill(&trees[i]->shim); /* first, so that it starts nothing more */
    if (trees[i]->group && cgroup_kill(trees[i]->group))
      trees[i]->left++;
  }
  for (guint i = 0; i < all->len; i++) {
    TreeProc *proc = all->pdata[i];
    proc->owner =
        proc_dead(&proc->stat) || proc->pid == getpid() ? NULL : tree_owner(proc, trees, n, by_pid);
  }
  for (guint i = 0; i < all->len; i++) {
    const TreeProc *proc = all->pdata[i];
    ProcessTree *owner =
        proc_dead(&proc->stat) || proc->pid == getpid() ? NULL : tree_inherited(proc, by_pid);
    if (!owner)
      continue;
    identity_kill(&(ProcessIdentity){.pid = proc->pid, .start_time = proc->stat.start_time});
    owner->left++;
  }
}
