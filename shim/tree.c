/* Every descendant of this process. As child subreaper we inherit what forks away, so the walk
 * below us finds all. */
#include "shim.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TREE_PIDS_MAX = 16384, TREE_TEXT = 65536 };

static pid_t tree_pids[TREE_PIDS_MAX]; /* a queue; untouched pages cost nothing */
static char tree_text[TREE_TEXT];

static void tree_add_children(const char *path, int *n)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  ssize_t length = read(fd, tree_text, sizeof tree_text - 1);
  close(fd);
  if (length <= 0)
    return;
  tree_text[length] = '\0';
  for (char *p = tree_text; *p;) {
    char *rest;
    long pid = strtol(p, &rest, 10);
    if (rest == p)
      break;
    if (pid > 0 && *n < TREE_PIDS_MAX)
      tree_pids[(*n)++] = (pid_t)pid;
    p = rest;
  }
}

/* Children belong to threads: ask each of them. */
static void tree_add(pid_t pid, int *n)
{
  char path[300];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *dir = opendir(path);
  if (!dir)
    return;
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
      continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, entry->d_name);
    tree_add_children(path, n);
  }
  closedir(dir);
}

void tree_signal(int signal, pid_t but)
{
  int n = 0;
  tree_add(getpid(), &n);
  for (int i = 0; i < n; i++)
    tree_add(tree_pids[i], &n);
  for (int i = 0; i < n; i++)
    if (!but || getpgid(tree_pids[i]) != but)
      kill(tree_pids[i], signal);
}
