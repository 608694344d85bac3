/* Control groups, v2 and v1; see cgroup.h. */
#include "drivers/cgroup.h"

#include "base/fs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

typedef enum CgroupKind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 } CgroupKind;

static CgroupKind cgroup_kind(void)
{
  if (access(CGROUP_ROOT "/cgroup.controllers", F_OK) == 0)
    return access(CGROUP_ROOT "/cgroup.subtree_control", W_OK) == 0 ? CGROUP_V2 : CGROUP_NONE;
  return access(CGROUP_ROOT "/pids", W_OK) == 0 || access(CGROUP_ROOT "/memory", W_OK) == 0 ? CGROUP_V1 : CGROUP_NONE;
}

char *cgroup_describe(void)
{
  switch (cgroup_kind()) {
  case CGROUP_V2:
    return g_strdup("cgroup v2, writable at " CGROUP_ROOT);
  case CGROUP_V1:
    return g_strdup("cgroup v1, writable below " CGROUP_ROOT);
  default:
    return g_strdup("none: no writable control group, so limits of memory, cpu and pids cannot be enforced");
  }
}

static bool cgroup_write(const char *directory, const char *file, const char *text)
{
  g_autofree char *path = g_build_filename(directory, file, NULL);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return ok;
}

/* One limit in one group: makes the directory below @controller (v1) or the one group (v2), writes the value, adds its procs file. */
static bool cgroup_limit(GPtrArray *procs, const char *controller, const char *id, const char *file, const char *text)
{
  g_autofree char *directory =
      controller ? g_build_filename(CGROUP_ROOT, controller, "reeve", id, NULL) : g_build_filename(CGROUP_ROOT, "reeve", id, NULL);
  if (!fs_mkdirs(directory, 0755, NULL) || !cgroup_write(directory, file, text))
    return false;
  char *path = g_build_filename(directory, "cgroup.procs", NULL);
  for (guint i = 0; i < procs->len; i++)
    if (strcmp(procs->pdata[i], path) == 0) {
      g_free(path);
      return true;
    }
  g_ptr_array_add(procs, path);
  return true;
}

char **cgroup_make(const char *id, const ResourceSpec *resources, char **unenforced)
{
  *unenforced = NULL;
  if (resources->cpu <= 0 && resources->memory_bytes <= 0 && resources->pids <= 0)
    return NULL;
  CgroupKind kind = cgroup_kind();
  GPtrArray *procs = g_ptr_array_new();
  GString *missing = g_string_new(NULL);
  if (kind == CGROUP_V2) {
    fs_mkdirs(CGROUP_ROOT "/reeve", 0755, NULL);
    cgroup_write(CGROUP_ROOT, "cgroup.subtree_control", "+cpu +memory +pids");
    cgroup_write(CGROUP_ROOT "/reeve", "cgroup.subtree_control", "+cpu +memory +pids");
  }
  bool v2 = kind == CGROUP_V2, some = kind != CGROUP_NONE;
  char text[64];
  if (resources->memory_bytes > 0) {
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, resources->memory_bytes);
    if (!some || !cgroup_limit(procs, v2 ? NULL : "memory", id, v2 ? "memory.max" : "memory.limit_in_bytes", text))
      g_string_append(missing, " memory");
  }
  if (resources->cpu > 0) {
    int quota = (int)(resources->cpu * 100000);
    g_snprintf(text, sizeof text, v2 ? "%d 100000" : "%d", quota);
    if (!some || !cgroup_limit(procs, v2 ? NULL : "cpu", id, v2 ? "cpu.max" : "cpu.cfs_quota_us", text))
      g_string_append(missing, " cpu");
  }
  if (resources->pids > 0) {
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, resources->pids);
    if (!some || !cgroup_limit(procs, v2 ? NULL : "pids", id, "pids.max", text))
      g_string_append(missing, " pids");
  }
  *unenforced = missing->len ? g_string_free(missing, FALSE) : (g_string_free(missing, TRUE), NULL);
  g_ptr_array_add(procs, NULL);
  return (char **)g_ptr_array_free(procs, FALSE);
}

void cgroup_remove(const char *id)
{
  static const char *const parents[] = {CGROUP_ROOT "/reeve", CGROUP_ROOT "/memory/reeve", CGROUP_ROOT "/cpu/reeve",
                                        CGROUP_ROOT "/pids/reeve"};
  for (size_t i = 0; i < G_N_ELEMENTS(parents); i++) {
    g_autofree char *path = g_build_filename(parents[i], id, NULL);
    rmdir(path);
  }
}
