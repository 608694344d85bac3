/* Control groups, v2 and v1; see cgroup.h. Each limit is a row: which file of which controller
 * takes it, in which form. */
#include "drivers/cgroup.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CGROUP_PERIOD_US = 100000, CGROUP_EVENTS_MAX = 4096, CGROUP_MOUNTS_MAX = 1024 * 1024 };
enum { LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, LIMITS };
/* where our groups are: with v1 one for each limit, with v2 the first; and that of @tree */
enum { PLACE_TREE = LIMITS, PLACES };

typedef enum CgroupKind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 } CgroupKind;

struct Cgroups {
  CgroupKind kind;
  char *root, *base; /* v2: @base is the group that is ours to divide */
  char *tree; /* v2 beside v1, or without controllers: its root; NULL = none, or @base is it */
  /* of the names of our groups: other nodes of this machine have theirs beside them, with the same
   * ids */
  char *prefix;
  bool enforced[LIMITS];
  char *unenforced, *description;
};

static void limit_memory(const ResourceSpec *resources, bool v2, char *text, size_t size)
{
  (void)v2;
  if (resources->memory_bytes > 0)
    g_snprintf(text, size, "%" G_GINT64_FORMAT, resources->memory_bytes);
}

static void limit_cpu(const ResourceSpec *resources, bool v2, char *text, size_t size)
{
  if (resources->cpu > 0)
    g_snprintf(text, size, v2 ? "%d 100000" : "%d", (int)(resources->cpu * CGROUP_PERIOD_US));
}

static void limit_pids(const ResourceSpec *resources, bool v2, char *text, size_t size)
{
  (void)v2;
  if (resources->pids > 0)
    g_snprintf(text, size, "%" G_GINT64_FORMAT, resources->pids);
}

static const struct {
  const char *controller, *file_v1, *file_v2;
  /* leaves @text alone: no such limit is asked for */
  void (*text)(const ResourceSpec *resources, bool v2, char *text, size_t size);
} limits[LIMITS] = {
    [LIMIT_MEMORY] = {"memory", "memory.limit_in_bytes", "memory.max", limit_memory},
    [LIMIT_CPU] = {"cpu", "cpu.cfs_quota_us", "cpu.max", limit_cpu},
    [LIMIT_PIDS] = {"pids", "pids.max", "pids.max", limit_pids}};

/* ---- what is there ---- */

static bool cgroup_has_word(const char *directory, const char *file, const char *word)
{
  g_autofree char *path = g_build_filename(directory, file, NULL);
  g_autofree char *text = fs_read(path, 65536, NULL, NULL);
  g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \n", -1);
  return g_strv_contains((const char *const *)words, word);
}

static bool cgroup_writable(const char *directory, const char *file)
{
  g_autofree char *path = g_build_filename(directory, file, NULL);
  return access(path, W_OK) == 0;
}

/* The group below which ours are made: the one around us when we were put into a leaf of it for
 * that (DelegateSubgroup=reeve.self of a unit), else the root, which is root's. Never the group
 * that we are in ourselves: once it hands controllers on, nothing can be started in it any more,
 * and a service manager could not start us again beside the agents that stayed. */
static char *cgroup_base(const char *root, const char *own)
{
  g_auto(GStrv) lines = g_strsplit(own, "\n", -1);
  for (size_t i = 0; lines[i]; i++) {
    if (!g_str_has_prefix(lines[i], "0::/") || !g_str_has_suffix(lines[i], "/reeve.self"))
      continue;
    lines[i][strlen(lines[i]) - strlen("/reeve.self")] = '\0';
    return g_build_filename(root, lines[i] + 3, NULL);
  }
  return g_strdup(root);
}

/* A v2 tree beside v1: where systemd has it below @root, or else wherever one is mounted. Caller
 * frees; NULL = there is none that we may write. @anywhere: false = look below @root alone. */
static char *cgroup_find_tree(const char *root, bool anywhere)
{
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(found, g_build_filename(root, "unified", NULL));
  g_autofree char *text =
      anywhere ? fs_read("/proc/self/mounts", CGROUP_MOUNTS_MAX, NULL, NULL) : NULL;
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (size_t i = 0; lines[i]; i++) {
    g_auto(GStrv) words = g_strsplit(lines[i], " ", 4);
    if (g_strv_length(words) == 4 && strcmp(words[2], "cgroup2") == 0)
      g_ptr_array_add(found, g_strcompress(words[1])); /* a blank in it is \040 */
  }
  for (guint i = 0; i < found->len; i++)
    if (cgroup_writable(found->pdata[i], "cgroup.procs") && cgroup_writable(found->pdata[i], "."))
      return g_strdup(found->pdata[i]);
  return NULL;
}

static void cgroups_conclude(Cgroups *cgroups)
{
  static const char *const where[] = {
      [CGROUP_NONE] = "no writable cgroup", [CGROUP_V1] = "cgroup v1", [CGROUP_V2] = "cgroup v2"};
  GString *missing = g_string_new(NULL);
  for (int i = 0; i < LIMITS; i++)
    if (!cgroups->enforced[i])
      g_string_append_printf(missing, "%s%s", missing->len ? " " : "", limits[i].controller);
  g_free(cgroups->unenforced);
  cgroups->unenforced = g_string_free(missing, FALSE);
  g_free(cgroups->description);
  cgroups->description = cgroups->base
                             ? g_strdup_printf("%s at %s", where[cgroups->kind], cgroups->base)
                             : g_strdup(where[cgroups->kind]);
}

Cgroups *cgroups_new(const char *root, const char *own)
{
  Cgroups *cgroups = g_new0(Cgroups, 1);
  g_autofree char *read = own ? NULL : fs_read("/proc/self/cgroup", 65536, NULL, NULL);
  cgroups->root = g_strdup(root ? root : "/sys/fs/cgroup");
  cgroups->prefix = g_strdup("");
  g_autofree char *unified = g_build_filename(cgroups->root, "cgroup.controllers", NULL);
  if (access(unified, F_OK) == 0) {
    cgroups->base = cgroup_base(cgroups->root, own ? own : read ? read : "");
    bool ours = cgroup_writable(cgroups->base, "cgroup.subtree_control") &&
                cgroup_writable(cgroups->base, "cgroup.procs");
    cgroups->kind = ours ? CGROUP_V2 : CGROUP_NONE;
    for (int i = 0; i < LIMITS; i++)
      cgroups->enforced[i] =
          ours && cgroup_has_word(cgroups->base, "cgroup.controllers", limits[i].controller);
  } else {
    for (int i = 0; i < LIMITS; i++) {
      cgroups->enforced[i] = cgroup_writable(cgroups->root, limits[i].controller);
      cgroups->kind = cgroups->enforced[i] ? CGROUP_V1 : cgroups->kind;
    }
    cgroups->tree = cgroup_find_tree(cgroups->root, !root);
  }
  cgroups_conclude(cgroups);
  return cgroups;
}

void cgroups_free(Cgroups *cgroups)
{
  if (!cgroups)
    return;
  g_free(cgroups->root);
  g_free(cgroups->base);
  g_free(cgroups->tree);
  g_free(cgroups->prefix);
  g_free(cgroups->unenforced);
  g_free(cgroups->description);
  g_free(cgroups);
}

const char *cgroups_describe(const Cgroups *cgroups)
{
  return cgroups->description;
}

const char *cgroups_unenforced(const Cgroups *cgroups)
{
  return cgroups->unenforced;
}

/* ---- making ours ---- */

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

/* Hands @controller on to the groups below @directory. */
static bool cgroup_hand_on(const char *directory, const char *controller)
{
  g_autofree char *text = g_strconcat("+", controller, NULL);
  return cgroup_has_word(directory, "cgroup.subtree_control", controller) ||
         cgroup_write(directory, "cgroup.subtree_control", text);
}

/* Are groups of ours at @place? */
static bool cgroup_is_place(const Cgroups *cgroups, int place)
{
  if (place == PLACE_TREE)
    return cgroups->tree != NULL;
  return cgroups->kind == CGROUP_V1 || (cgroups->kind == CGROUP_V2 && place == 0);
}

/* The group around those of all instances, at the place of @limit or PLACE_TREE. */
static char *cgroup_around(const Cgroups *cgroups, int limit)
{
  if (limit == PLACE_TREE)
    return g_build_filename(cgroups->tree, "reeve", NULL);
  return cgroups->kind == CGROUP_V2
             ? g_build_filename(cgroups->base, "reeve", NULL)
             : g_build_filename(cgroups->root, limits[limit].controller, "reeve", NULL);
}

void cgroups_prepare(Cgroups *cgroups, const char *owner)
{
  if (owner) {
    g_free(cgroups->prefix);
    cgroups->prefix = g_strconcat(owner, "-", NULL);
  }
  if (cgroups->kind != CGROUP_V2)
    return;
  g_autofree char *ours = cgroup_around(cgroups, 0);
  fs_mkdirs(ours, 0755, NULL);
  for (int i = 0; i < LIMITS; i++)
    cgroups->enforced[i] = cgroups->enforced[i] &&
                           cgroup_hand_on(cgroups->base, limits[i].controller) &&
                           cgroup_hand_on(ours, limits[i].controller);
  cgroups_conclude(cgroups);
}

/* ---- one instance ---- */

static char *cgroup_directory(const Cgroups *cgroups, int limit, const char *id)
{
  g_autofree char *around = cgroup_around(cgroups, limit),
                  *name = g_strconcat(cgroups->prefix, id, NULL);
  return g_build_filename(around, name, NULL);
}

/* Another node that leaves takes the group around ours with it when it finds it empty: it is made
 * again. */
static bool cgroup_make(const Cgroups *cgroups, int limit, const char *directory)
{
  g_autofree char *around = cgroup_around(cgroups, limit);
  bool there = access(around, F_OK) == 0;
  /* it may go in between once, not twice */
  bool made = fs_mkdirs(directory, 0755, NULL) || fs_mkdirs(directory, 0755, NULL);
  for (int i = 0; i < LIMITS && !there && cgroups->kind == CGROUP_V2; i++)
    if (cgroups->enforced[i])
      cgroup_hand_on(around, limits[i].controller);
  return made;
}

/* Sets one limit in the group of @id, and adds the group's procs file to @procs if it is not there.
 */
static bool cgroup_limit(const Cgroups *cgroups, int limit, const char *id, const char *text,
                         GPtrArray *procs)
{
  g_autofree char *directory = cgroup_directory(cgroups, limit, id);
  const char *file = cgroups->kind == CGROUP_V2 ? limits[limit].file_v2 : limits[limit].file_v1;
  if (!cgroups->enforced[limit] || !cgroup_make(cgroups, limit, directory) ||
      !cgroup_write(directory, file, text))
    return false;
  g_autofree char *path = g_build_filename(directory, "cgroup.procs", NULL);
  for (guint i = 0; i < procs->len; i++)
    if (strcmp(procs->pdata[i], path) == 0)
      return true;
  g_ptr_array_add(procs, g_steal_pointer(&path));
  return true;
}

bool cgroups_wanted(const ResourceSpec *resources)
{
  return resources->cpu > 0 || resources->memory_bytes > 0 || resources->pids > 0;
}

char **cgroups_make(const Cgroups *cgroups, const char *id, const ResourceSpec *resources,
                    char **missing)
{
  *missing = NULL;
  if (!cgroups_wanted(resources))
    return NULL;
  GPtrArray *procs = g_ptr_array_new();
  g_autoptr(GString) not_set = g_string_new(NULL);
  for (int i = 0; i < LIMITS; i++) {
    char text[64] = "";
    limits[i].text(resources, cgroups->kind == CGROUP_V2, text, sizeof text);
    if (text[0] && !cgroup_limit(cgroups, i, id, text, procs))
      g_string_append_printf(not_set, "%s%s", not_set->len ? " " : "", limits[i].controller);
  }
  if (not_set->len)
    *missing = g_strdup(not_set->str);
  g_ptr_array_add(procs, NULL);
  return (char **)g_ptr_array_free(procs, FALSE);
}

/* ---- the tree of an instance ---- */

/* The place in which it has a group of its own for its whole tree; PLACES = none. */
static int cgroup_tree_place(const Cgroups *cgroups)
{
  return cgroups->kind == CGROUP_V2 ? 0 : cgroups->tree ? PLACE_TREE : PLACES;
}

char *cgroups_tree(const Cgroups *cgroups, const char *id)
{
  int place = cgroup_tree_place(cgroups);
  return place < PLACES ? cgroup_directory(cgroups, place, id) : NULL;
}

char *cgroups_make_tree(const Cgroups *cgroups, const char *id)
{
  g_autofree char *directory = cgroups_tree(cgroups, id);
  if (!directory || !cgroup_make(cgroups, cgroup_tree_place(cgroups), directory))
    return NULL;
  return g_build_filename(directory, "cgroup.procs", NULL);
}

bool cgroup_kill(const char *directory)
{
  g_autofree char *path = g_build_filename(directory, "cgroup.events", NULL);
  cgroup_write(directory, "cgroup.kill", "1"); /* since Linux 5.14; before, only the look is left */
  g_autofree char *text = fs_read(path, CGROUP_EVENTS_MAX, NULL, NULL);
  return text && strstr(text, "populated 1");
}

int64_t cgroups_oom_kills(const Cgroups *cgroups, const char *id)
{
  if (cgroups->kind == CGROUP_NONE)
    return 0;
  g_autofree char *directory = cgroup_directory(cgroups, LIMIT_MEMORY, id);
  g_autofree char *path = g_build_filename(
      directory, cgroups->kind == CGROUP_V2 ? "memory.events" : "memory.oom_control", NULL);
  g_autofree char *text = fs_read(path, CGROUP_EVENTS_MAX, NULL, NULL);
  const char *line = text ? strstr(text, "oom_kill ") : NULL;
  return line ? g_ascii_strtoll(line + strlen("oom_kill "), NULL, 10) : 0;
}

/* ---- removing ours ---- */

bool cgroups_remove(const Cgroups *cgroups, const char *id)
{
  bool gone = true;
  for (int i = 0; i < PLACES; i++) {
    if (!cgroup_is_place(cgroups, i))
      continue;
    g_autofree char *directory = cgroup_directory(cgroups, i, id);
    bool busy = rmdir(directory) != 0 && (errno == EBUSY || errno == ENOTEMPTY);
    gone = gone && !busy;
  }
  return gone;
}

GHashTable *cgroups_ids(const Cgroups *cgroups)
{
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; i < PLACES; i++) {
    if (!cgroup_is_place(cgroups, i))
      continue;
    g_autofree char *around = cgroup_around(cgroups, i);
    g_autoptr(GDir) dir = g_dir_open(around, 0, NULL);
    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
      if (g_str_has_prefix(name, cgroups->prefix))
        g_hash_table_add(ids, g_strdup(name + strlen(cgroups->prefix)));
  }
  return ids;
}

void cgroups_leave(const Cgroups *cgroups)
{
  for (int i = 0; i < PLACES; i++) {
    if (!cgroup_is_place(cgroups, i))
      continue;
    g_autofree char *around = cgroup_around(cgroups, i);
    rmdir(around);
  }
}
