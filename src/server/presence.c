/* Owns the looks at data directory and control socket. A socket that was removed is bound again. A
 * server whose directory was moved or removed ends and says so: a second one could start in its
 * place and run every agent again, and nobody would see this one any more. */
#include "server/presence.h"
#include "server/hub_link.h"
#include "server/leave.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  PRESENCE_MS = 2000,
  PRESENCE_LOOKS = 2 /* in a row: a directory may be on its way back */,
  PRESENCE_LOG_BYTES = 10 * 1024 * 1024
};

/* A file as it was when the server began to use it. */
typedef struct Kept {
  char *path;
  dev_t device;
  ino_t inode; /* 0 = it was not there: nothing to miss */
} Kept;

struct Presence {
  Server *server;
  LoopTimer *timer;
  Kept directory, lock, socket;
  int missed;        /* looks in a row that did not find the directory */
  bool socket_taken; /* it was said that the socket cannot be bound again */
};

static void kept_note(Kept *kept, const char *path)
{
  struct stat status;
  bool there = stat(path, &status) == 0;
  g_free(kept->path);
  *kept = (Kept){.path = g_strdup(path),
                 .device = there ? status.st_dev : 0,
                 .inode = there ? status.st_ino : 0};
}

static bool kept_is_there(const Kept *kept)
{
  struct stat status;
  if (!kept->inode)
    return true;
  return stat(kept->path, &status) == 0 && status.st_dev == kept->device &&
         status.st_ino == kept->inode;
}

/* True when the server ends. */
static bool presence_directory(Presence *presence)
{
  const Kept *missing = !kept_is_there(&presence->directory) ? &presence->directory
                        : !kept_is_there(&presence->lock)    ? &presence->lock
                                                             : NULL;
  presence->missed = missing ? presence->missed + 1 : 0;
  if (presence->missed < PRESENCE_LOOKS)
    return false;
  log_error(
      "data directory is not ours any more: it was moved, removed or replaced; put it back and start the server again",
      "missing=%s", missing->path);
  server_leave(presence->server, reeve_error_exit(REEVE_ERROR_STORE_FAILED));
  return true;
}

static void presence_socket(Presence *presence)
{
  const char *path = presence->socket.path;
  g_autofree char *directory = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  if (kept_is_there(&presence->socket))
    return;
  if (fs_mkdirs(directory, 0700, &error) &&
      http_server_listen_unix(presence->server->http, path, &error)) {
    log_warn("control socket was removed, bound again", "path=%s", path);
    g_autofree char *own = g_strdup(path);
    kept_note(&presence->socket, own);
    presence->socket_taken = false;
  } else if (!presence->socket_taken) {
    log_error("control socket was removed and cannot be bound again", "error=\"%s\"",
              error->message);
    presence->socket_taken = true;
  }
}

/* What `reeve up` and `server start` begin as standard error of a background server is kept from
 * growing without bound: beyond its size it becomes server.log.1, in place of the former one. Any
 * other standard error is somebody else's to turn over. */
static void presence_log(const Presence *presence)
{
  struct stat own, named;
  g_autofree char *path = g_build_filename(presence->server->options->data_dir, "server.log", NULL);
  g_autofree char *former = g_strconcat(path, ".1", NULL);
  if (fstat(STDERR_FILENO, &own) != 0 || own.st_size < PRESENCE_LOG_BYTES ||
      stat(path, &named) != 0 || own.st_ino != named.st_ino || own.st_dev != named.st_dev ||
      rename(path, former) != 0)
    return;
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0)
    return; /* it goes on in the former one; the next look does not find it by its name */
  dup2(fd, STDERR_FILENO);
  dup2(fd, STDOUT_FILENO);
  close(fd);
  log_info("log begun anew", "former=%s", former);
}

static void presence_look(void *data)
{
  Presence *presence = data;
  if (presence->server->leaving || presence_directory(presence))
    return;
  if (!presence->missed) {
    presence_log(presence);
    presence_socket(presence);
    hub_link_look(presence->server->hub_link);
  }
  loop_timer_set(presence->timer, clock_boot_ms() + PRESENCE_MS);
}

Presence *presence_new(Server *server)
{
  Presence *presence = g_new0(Presence, 1);
  g_autofree char *lock = g_build_filename(server->options->data_dir, "lock", NULL);
  presence->server = server;
  kept_note(&presence->directory, server->options->data_dir);
  kept_note(&presence->lock, lock);
  kept_note(&presence->socket, server->options->socket_path);
  presence->timer = loop_timer_new(server->loop, presence_look, presence);
  loop_timer_set(presence->timer, clock_boot_ms() + PRESENCE_MS);
  return presence;
}

void presence_free(Presence *presence)
{
  if (!presence)
    return;
  loop_timer_free(presence->timer);
  g_free(presence->directory.path);
  g_free(presence->lock.path);
  g_free(presence->socket.path);
  g_free(presence);
}
