/* Owns the decision where state, sockets and our own programs are. */
#include "cli/paths.h"

#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static char *paths_default_data(void)
{
  return geteuid() == 0 ? g_strdup("/var/lib/reeve")
                        : g_build_filename(g_get_user_state_dir(), "reeve", NULL);
}

static char *paths_default_socket(const char *data_dir)
{
  if (geteuid() == 0)
    return g_strdup("/run/reeve/control.sock");
  const char *runtime = g_getenv("XDG_RUNTIME_DIR");
  g_autofree char *fallback = g_strdup_printf("/run/user/%u", geteuid());
  if (!runtime || !g_path_is_absolute(runtime))
    runtime = fallback;
  return access(runtime, W_OK) == 0 ? g_build_filename(runtime, "reeve", "control.sock", NULL)
                                    : g_build_filename(data_dir, "control.sock", NULL);
}

void paths_init(Paths *paths, const char *data_dir, const char *socket)
{
  const char *explicit_dir = data_dir ? data_dir : g_getenv("REEVE_DATA_DIR");
  if (explicit_dir && !*explicit_dir)
    explicit_dir = NULL;
  paths->data_dir =
      explicit_dir ? g_canonicalize_filename(explicit_dir, NULL) : paths_default_data();
  if (socket)
    paths->socket = g_canonicalize_filename(socket, NULL);
  else if (explicit_dir)
    paths->socket = g_build_filename(paths->data_dir, "control.sock", NULL);
  else
    paths->socket = paths_default_socket(paths->data_dir);
}

void paths_done(Paths *paths)
{
  g_clear_pointer(&paths->data_dir, g_free);
  g_clear_pointer(&paths->socket, g_free);
}

char *paths_short_socket(const char *socket)
{
  struct sockaddr_un address;
  if (strlen(socket) < sizeof address.sun_path)
    return g_strdup(socket);
  g_autofree char *directory = g_path_get_dirname(socket);
  g_autofree char *name = g_path_get_basename(socket);
  int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? g_strdup(socket) : g_strdup_printf("/proc/self/fd/%d/%s", fd, name);
}

char *paths_self(void)
{
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? g_strndup(path, (gsize)n) : g_strdup("/proc/self/exe");
}

char *paths_shim(void)
{
  static const char *const places[] = {"reeve-shim", "../libexec/reeve/reeve-shim",
                                       "../lib/reeve/reeve-shim", "../../shim/reeve-shim"};
  g_autofree char *self = paths_self();
  g_autofree char *directory = g_path_get_dirname(self);
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    char *path = g_canonicalize_filename(places[i], directory);
    if (access(path, X_OK) == 0)
      return path;
    g_free(path);
  }
  return NULL;
}
