/* Looks processes up in /proc; see identity.h. */
#include "drivers/identity.h"

#include "base/clock.h"
#include "base/fs.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

bool proc_stat(pid_t pid, ProcStat *out)
{
  char path[64], text[1024];
  g_snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = '\0';
  char *p = strrchr(text, ')'); /* the name may hold blanks and parentheses */
  if (!p || !p[1])
    return false;
  g_auto(GStrv) fields = g_strsplit(p + 2, " ", 24);
  if (g_strv_length(fields) < 20)
    return false;
  const char *name = strchr(text, '(');
  g_snprintf(out->name, sizeof out->name, "%.*s", name && name < p ? (int)(p - name - 1) : 0,
             name ? name + 1 : "");
  out->state = fields[0][0];
  out->parent = (pid_t)strtol(fields[1], NULL, 10);
  out->session = (pid_t)strtol(fields[3], NULL, 10);
  out->start_time = strtoull(fields[19], NULL, 10);
  return true;
}

bool identity_read(const char *directory, ProcessIdentity *identity)
{
  g_autofree char *path = g_build_filename(directory, "state", NULL);
  g_autofree char *text = fs_read(path, 4096, NULL, NULL);
  char boot[64];
  int pid;
  unsigned long long start;
  *identity = (ProcessIdentity){0};
  if (!text || sscanf(text, "attempt=%d pid=%d start=%llu boot=%63s", &identity->attempt, &pid,
                      &start, boot) != 4)
    return false;
  identity->pid = pid;
  identity->start_time = start;
  const char *generation = strstr(text, " generation=");
  identity->generation = generation ? strtoll(generation + strlen(" generation="), NULL, 10) : 0;
  /* a test that plays a reboot changes ours, not the shim's */
  const char *ours = g_getenv("REEVE_BOOT_ID") ? NULL : clock_boot_id();
  return !ours || strcmp(boot, ours) == 0;
}

int64_t identity_started_boot_ms(const ProcessIdentity *identity)
{
  return (int64_t)(identity->start_time * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

bool proc_dead(const ProcStat *stat)
{
  return stat->state == 'Z' || stat->state == 'X';
}

bool identity_alive(const ProcessIdentity *identity)
{
  ProcStat stat;
  return identity->pid > 0 && proc_stat(identity->pid, &stat) &&
         stat.start_time == identity->start_time && !proc_dead(&stat);
}

bool identity_kill(const ProcessIdentity *identity)
{
  int fd = identity->pid > 0 ? pidfd_open(identity->pid, 0) : -1;
  if (fd < 0)
    return false;
  /* looked at while @fd keeps the number from being given anew */
  bool ours = identity_alive(identity);
  bool sent = ours && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
  close(fd);
  return sent;
}
