/* Owns what is known of the agents directory: one entry for each directory in it, kept by inotify.
 * A change reads the one file that changed; only lost events make a scan, and a scan reads only
 * what its stamps show as changed. */
#include "server/agents.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void entry_free(AgentEntry *entry)
{
  g_free(entry->directory);
  g_free(entry->name);
  g_free(entry->path);
  g_free(entry->problem);
  agent_def_free(entry->def);
  g_free(entry);
}

/* ---- reading one file ---- */

static bool dir_read_all(int fd, char *text, size_t size, size_t *length)
{
  *length = 0;
  for (ssize_t n; *length < size; *length += (size_t)n) {
    n = read(fd, text + *length, size - *length);
    if (n < 0)
      return false;
    if (n == 0)
      break;
  }
  text[*length] = '\0';
  return true;
}

static void dir_stamp(const struct stat *st, int64_t stamp[4])
{
  stamp[0] = (int64_t)st->st_ino;
  stamp[1] = (int64_t)st->st_size;
  stamp[2] = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
  stamp[3] = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static void entry_wrong(AgentEntry *entry, const char *what)
{
  g_clear_pointer(&entry->def, agent_def_free);
  g_free(entry->problem);
  entry->problem = g_strdup_printf("%s:1:1: error: %s", entry->path, what);
}

static void entry_parse(const Agents *agents, AgentEntry *entry, const char *text, size_t length)
{
  g_autoptr(Problems) problems = problems_new();
  AgentDef *def = agent_def_read(text, length, entry->path, entry->directory, agents_variable,
                                 (void *)agents->config, problems);
  agent_def_free(entry->def);
  entry->def = def;
  g_clear_pointer(&entry->problem, g_free);
  if (def) {
    g_free(entry->name);
    entry->name = g_strdup(def->file->name);
    return;
  }
  problems_sort(problems);
  entry->problem = g_strchomp(problems_text(problems));
}

/* Reads the file open as @fd, unless @only_changed and it is as it was. True when it was read. */
static bool entry_load(Agents *agents, AgentEntry *entry, int fd, bool only_changed)
{
  struct stat st;
  int64_t stamp[4];
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    entry_wrong(entry, "not a regular file");
    return true;
  }
  g_autofree char *distrust = agents_distrust(agents->root, fd);
  entry->distrusted = distrust != NULL;
  if (distrust) {
    /* to be read as soon as it may be, though it has not changed */
    memset(entry->stamp, 0, sizeof entry->stamp);
    entry_wrong(entry, distrust);
    return true;
  }
  dir_stamp(&st, stamp);
  if (only_changed && memcmp(stamp, entry->stamp, sizeof stamp) == 0)
    return false;
  memcpy(entry->stamp, stamp, sizeof stamp);
  agents->server->metrics.agent_files_read++;
  g_autofree char *text = g_malloc(AGENTS_FILE_BYTES_MAX + 2);
  size_t length;
  if (!dir_read_all(fd, text, AGENTS_FILE_BYTES_MAX + 1, &length))
    entry_wrong(entry, g_strerror(errno));
  else
    entry_parse(agents, entry, text, length);
  entry->fresh = true;
  return true;
}

/* True when @name is there; *@fd is its descriptor, or -1 when it may not be read, with the reason
 * in @entry. */
static bool entry_open(Agents *agents, AgentEntry *entry, const char *name, int *fd)
{
  g_autofree char *path = g_build_filename(entry->directory, name, NULL);
  *fd = agents_open_file(agents->root, path);
  if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return false;
  int cause = errno;
  g_free(entry->path);
  entry->path = g_build_filename(agents->config->directory, path, NULL);
  if (*fd < 0)
    entry_wrong(entry, cause == EXDEV || cause == ELOOP
                           ? "a symbolic link leads out of the agents directory; it is refused"
                           : g_strerror(cause));
  return true;
}

static void entry_forget_file(AgentEntry *entry)
{
  g_clear_pointer(&entry->path, g_free);
  g_clear_pointer(&entry->problem, g_free);
  g_clear_pointer(&entry->def, agent_def_free);
  entry->distrusted = false;
  memset(entry->stamp, 0, sizeof entry->stamp);
}

static void entry_read(Agents *agents, AgentEntry *entry, bool only_changed)
{
  int fd;
  if (!entry_open(agents, entry, "agent.toml", &fd) &&
      !entry_open(agents, entry, "agent.json", &fd)) {
    entry_forget_file(entry);
    return;
  }
  if (fd < 0)
    return;
  if (entry_load(agents, entry, fd, only_changed) && entry->problem)
    log_debug("agent file has problems", "file=%s", entry->path);
  close(fd);
}

/* ---- entries ---- */

static void dir_unwatch(Agents *agents, AgentEntry *entry)
{
  if (entry->watch >= 0 &&
      g_hash_table_lookup(agents->by_watch, GINT_TO_POINTER(entry->watch)) == entry) {
    watch_remove(agents->watch, entry->watch);
    g_hash_table_remove(agents->by_watch, GINT_TO_POINTER(entry->watch));
  }
  entry->watch = -1;
}

static void dir_remove(Agents *agents, AgentEntry *entry)
{
  dir_unwatch(agents, entry);
  g_hash_table_remove(agents->entries, entry->directory);
}

/* A renamed directory keeps its watch: the id then belongs to whoever asked last. */
static void dir_watch(Agents *agents, AgentEntry *entry)
{
  g_autofree char *path = g_build_filename(agents->config->directory, entry->directory, NULL);
  int id = watch_add(agents->watch, path, NULL);
  if (id == entry->watch && id >= 0)
    return;
  dir_unwatch(agents, entry);
  entry->watch = id;
  if (id >= 0)
    g_hash_table_insert(agents->by_watch, GINT_TO_POINTER(id), entry);
}

/* What an agent is called until its file says so: a plain name, whatever its directory is called,
 * since people and shells get to see it. */
static char *dir_plain_name(const char *directory)
{
  char *name = g_strndup(directory, 64);
  for (char *p = name; *p; p++)
    if (!g_ascii_isalnum(*p) && (p == name || !strchr("._-", *p)))
      *p = p == name ? 'x' : '_';
  return name;
}

static AgentEntry *dir_add(Agents *agents, const char *name)
{
  if (g_hash_table_size(agents->entries) >= AGENTS_ENTRIES_MAX) {
    if (!agents->left_out)
      log_warn("agents directory is too large, the rest is not looked at", "directory=%s max=%d",
               agents->config->directory, AGENTS_ENTRIES_MAX);
    agents->left_out = true;
    return NULL;
  }
  AgentEntry *entry = g_new0(AgentEntry, 1);
  *entry = (AgentEntry){.directory = g_strdup(name), .name = dir_plain_name(name), .watch = -1};
  g_hash_table_insert(agents->entries, entry->directory, entry);
  return entry;
}

/* Hidden directories are nobody's agents, and names that could not be shown are refused. */
static bool dir_is_name(const char *name)
{
  for (const char *p = name; *p; p++)
    if (g_ascii_iscntrl(*p))
      return false;
  return name[0] && name[0] != '.' && g_utf8_validate(name, -1, NULL);
}

/* Looks at the directory @name again. Watched before it is read, so that nothing is missed in
 * between. */
static void dir_refresh(Agents *agents, const char *name, bool only_changed)
{
  struct stat st;
  AgentEntry *entry = g_hash_table_lookup(agents->entries, name);
  bool there = dir_is_name(name) && fstatat(agents->root, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
  if (!there && entry)
    dir_remove(agents, entry);
  if (!there)
    return;
  entry = entry ? entry : dir_add(agents, name);
  if (!entry)
    return;
  dir_watch(agents, entry);
  entry_read(agents, entry, only_changed);
}

/* ---- the directory as a whole ---- */

static int dir_by_directory(const void *a, const void *b)
{
  return strcmp((*(AgentEntry *const *)a)->directory, (*(AgentEntry *const *)b)->directory);
}

static int dir_by_name(const void *a, const void *b)
{
  return strcmp((*(AgentEntry *const *)a)->name, (*(AgentEntry *const *)b)->name);
}

/* Who has which name, after any change. A file with errors keeps its name only against nobody. */
static void dir_index(Agents *agents)
{
  GHashTableIter iter;
  void *value;
  g_hash_table_remove_all(agents->by_name);
  g_ptr_array_set_size(agents->sorted, 0);
  g_hash_table_iter_init(&iter, agents->entries);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    AgentEntry *entry = value;
    if (entry->path)
      g_ptr_array_add(agents->sorted, entry);
    agents->auto_pending = agents->auto_pending || entry->fresh;
  }
  g_ptr_array_sort(agents->sorted, dir_by_directory);
  for (int valid = 1; valid >= 0; valid--)
    for (guint i = 0; i < agents->sorted->len; i++) {
      AgentEntry *entry = agents->sorted->pdata[i];
      if ((entry->def != NULL) != valid)
        continue;
      const AgentEntry *first = g_hash_table_lookup(agents->by_name, entry->name);
      entry->taken_by = first ? first->directory : NULL;
      if (!first)
        g_hash_table_insert(agents->by_name, entry->name, entry);
    }
  g_ptr_array_sort(agents->sorted, dir_by_name);
  loop_timer_set(agents->retry, clock_boot_ms() + AGENTS_RETRY_MS);
}

static void dir_drop_absent(Agents *agents, GHashTable *seen)
{
  GHashTableIter iter;
  void *key, *value;
  g_autoptr(GPtrArray) gone = g_ptr_array_new();
  g_hash_table_iter_init(&iter, agents->entries);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (!g_hash_table_contains(seen, key))
      g_ptr_array_add(gone, value);
  for (guint i = 0; i < gone->len; i++)
    dir_remove(agents, gone->pdata[i]);
}

static void dir_scan(Agents *agents)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  int fd = agents->root < 0 ? -1 : openat(agents->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  agents->server->metrics.agent_scans++;
  for (struct dirent *item; directory && (item = readdir(directory));) {
    if (item->d_name[0] == '.')
      continue;
    g_hash_table_add(seen, g_strdup(item->d_name));
    dir_refresh(agents, item->d_name, true);
  }
  if (directory)
    closedir(directory);
  else if (fd >= 0)
    close(fd);
  dir_drop_absent(agents, seen);
}

/* Is the directory that is watched still the one that has the path? The kernel tells its removal
 * only to those who do not hold it open, and that a directory above it was moved to nobody. */
static bool dir_is_same(const Agents *agents)
{
  struct stat old, now;
  return agents->root >= 0 && fstat(agents->root, &old) == 0 &&
         stat(agents->config->directory, &now) == 0 && old.st_ino == now.st_ino &&
         old.st_dev == now.st_dev;
}

/* Opens the directory that now has the path, when it is another one than before. */
static bool dir_reopen(Agents *agents, GError **error)
{
  const char *path = agents->config->directory;
  if (dir_is_same(agents) && agents->root_watch >= 0)
    return true;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "agents directory '%s': %s", path,
                g_strerror(errno));
  if (agents->root >= 0)
    close(agents->root);
  watch_remove(agents->watch, agents->root_watch);
  agents->root = fd;
  g_autofree char *inside = g_build_filename(path, ".", NULL); /* the path itself may be a link */
  agents->root_watch = fd < 0 ? -1 : watch_add(agents->watch, inside, NULL);
  return fd >= 0;
}

/* Looks again at the entries that are not watched (links, and what is beyond the limit of the
 * kernel) and at distrusted ones. False when there are none. */
static bool dir_poll_unwatched(Agents *agents)
{
  GHashTableIter iter;
  void *key, *value;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_hash_table_iter_init(&iter, agents->entries);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const AgentEntry *entry = value;
    /* what must be mended may lie where nothing is watched */
    if (entry->watch < 0 || entry->distrusted)
      g_ptr_array_add(names, g_strdup(key));
  }
  for (guint i = 0; i < names->len; i++)
    dir_refresh(agents, names->pdata[i], true);
  return names->len > 0;
}

/* Timer: looks for a directory that is not there or is another one, and at what cannot be watched.
 */
static void dir_on_retry(void *data)
{
  Agents *agents = data;
  bool room = agents->left_out && g_hash_table_size(agents->entries) < AGENTS_ENTRIES_MAX;
  bool whole = room || !dir_is_same(agents) || agents->root_watch < 0;
  agents->left_out = agents->left_out && !room;
  if (whole) {
    dir_reopen(agents, NULL);
    dir_scan(agents);
  } else if (!dir_poll_unwatched(agents)) {
    loop_timer_set(agents->retry, clock_boot_ms() + AGENTS_RETRY_MS);
    return;
  }
  dir_index(agents);
  agents_continue(agents);
}

static void dir_on_changes(const WatchChange *changes, guint n, bool lost, void *data)
{
  Agents *agents = data;
  for (guint i = 0; i < n && !lost; i++) {
    const WatchChange *change = &changes[i];
    const AgentEntry *entry = g_hash_table_lookup(agents->by_watch, GINT_TO_POINTER(change->id));
    bool file = g_str_equal(change->name, "agent.toml") || g_str_equal(change->name, "agent.json");
    if (change->id == agents->root_watch && !change->name[0])
      lost = true; /* it is another directory now, or none */
    else if (change->id == agents->root_watch)
      dir_refresh(agents, change->name, false);
    else if (entry && (file || !change->name[0])) {
      g_autofree char *name = g_strdup(entry->directory); /* the entry may go */
      dir_refresh(agents, name, false);
    }
  }
  if (lost) {
    dir_reopen(agents, NULL);
    dir_scan(agents);
  }
  dir_index(agents);
  agents_continue(agents);
}

/* ---- life ---- */

static void dir_on_later(void *data)
{
  Agents *agents = data;
  if (engine_core_state(agents->server->engine) == CORE_STATE_LOADING)
    return; /* what follows the load comes here again */
  agents_auto_start(agents);
  agents_answer_waits(agents);
}

Agents *agents_open(Server *server, GError **error)
{
  Agents *agents = g_new0(Agents, 1);
  *agents =
      (Agents){.server = server, .config = server->options->agents, .root = -1, .root_watch = -1};
  agents->entries =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)entry_free);
  agents->by_watch = g_hash_table_new(NULL, NULL);
  agents->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  agents->sorted = g_ptr_array_new();
  agents->waits = g_ptr_array_new();
  agents->retry = loop_timer_new(server->loop, dir_on_retry, agents);
  agents->later = loop_timer_new(server->loop, dir_on_later, agents);
  agents->watch = watch_new(server->loop, AGENTS_DELAY_MS, dir_on_changes, agents, error);
  g_autoptr(GError) absent = NULL;
  if (agents->watch && !dir_reopen(agents, &absent)) {
    log_warn("no agents directory yet, looking for it again and again", "path=%s",
             agents->config->directory);
    if (agents->config->directory_required)
      g_propagate_error(error, g_steal_pointer(&absent));
  }
  if (!agents->watch || (agents->root < 0 && agents->config->directory_required)) {
    agents_free(agents);
    return NULL;
  }
  dir_scan(agents);
  dir_index(agents);
  log_info("agents directory is watched", "path=%s agents=%u", agents->config->directory,
           agents->sorted->len);
  agents_continue(agents);
  return agents;
}

void agents_free(Agents *agents)
{
  if (!agents)
    return;
  agents_drop_waits(agents);
  watch_free(agents->watch);
  loop_timer_free(agents->retry);
  loop_timer_free(agents->later);
  g_hash_table_unref(agents->by_watch);
  g_hash_table_unref(agents->by_name);
  g_hash_table_unref(agents->entries);
  g_ptr_array_unref(agents->sorted);
  g_ptr_array_unref(agents->waits);
  if (agents->root >= 0)
    close(agents->root);
  g_free(agents);
}
