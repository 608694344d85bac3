/* Ports bound before the first stage and held until their agents start, so that nobody else takes
 * them meanwhile. */
#include "node/internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_LAST = 65535 };

typedef struct HeldPort {
  int64_t request;
  int fd;
} HeldPort;

struct Ports {
  GHashTable *held; /* instance id -> HeldPort* */
};

static void held_port_free(gpointer data)
{
  HeldPort *held = data;
  close(held->fd);
  g_free(held);
}

Ports *ports_new(void)
{
  Ports *ports = g_new0(Ports, 1);
  ports->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, held_port_free);
  return ports;
}

void ports_free(Ports *ports)
{
  if (!ports)
    return;
  g_hash_table_unref(ports->held);
  g_free(ports);
}

/* A socket for both families, which `localhost` may mean either of; of IPv4 alone where the kernel
 * has no IPv6. */
static int ports_socket(bool v6)
{
  int off = 0, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && v6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return fd;
}

/* Bound on every address and not listening: nobody can listen there, nobody is answered. -1 with
 * errno. A socket that others left in TIME_WAIT is nobody's, so the bind may share; after it ours
 * does not, or anybody who shares too could listen beside us. */
static int ports_bind_family(int port, bool v6)
{
  int on = 1, off = 0, fd = ports_socket(v6);
  struct sockaddr_in v4_any = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_ANY)};
  struct sockaddr_in6 v6_any = {
      .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_ANY_INIT};
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if ((v6 ? bind(fd, (struct sockaddr *)&v6_any, sizeof v6_any)
          : bind(fd, (struct sockaddr *)&v4_any, sizeof v4_any)) == 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
    return fd;
  }
  int e = errno;
  close(fd);
  errno = e;
  return -1;
}

static int ports_bind(int port)
{
  int fd = ports_bind_family(port, true);
  bool no_v6 = fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
  return no_v6 ? ports_bind_family(port, false) : fd;
}

/* ---- who has it ---- */

/* Inode of the socket that listens on @port, by /proc/net/tcp or tcp6; 0 = not found. */
static unsigned long ports_inode(const char *table, int port)
{
  FILE *file = fopen(table, "re");
  char line[512];
  unsigned long found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    unsigned local, state;
    unsigned long inode;
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*d %lu", &local,
               &state, &inode) == 3 &&
        local == (unsigned)port && state == 0x0a)
      found = inode;
  }
  if (file)
    fclose(file);
  return found;
}

static bool ports_has_inode(const char *pid, unsigned long inode)
{
  g_autofree char *path = g_strdup_printf("/proc/%s/fd", pid);
  g_autofree char *wanted = g_strdup_printf("socket:[%lu]", inode);
  DIR *dir = opendir(path);
  bool found = false;
  for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && !found; entry = readdir(dir)) {
    char target[64];
    ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    found = strcmp(target, wanted) == 0;
  }
  if (dir)
    closedir(dir);
  return found;
}

/* " by pid 4711 (nginx)", or "" when we may not see it. */
static char *ports_holder(int port)
{
  unsigned long inode = ports_inode("/proc/net/tcp", port);
  if (!inode)
    inode = ports_inode("/proc/net/tcp6", port);
  DIR *dir = inode ? opendir("/proc") : NULL;
  char *holder = NULL;
  for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && !holder; entry = readdir(dir)) {
    if (!g_ascii_isdigit(entry->d_name[0]) || !ports_has_inode(entry->d_name, inode))
      continue;
    g_autofree char *path = g_strdup_printf("/proc/%s/comm", entry->d_name);
    g_autofree char *name = NULL;
    g_file_get_contents(path, &name, NULL, NULL);
    holder = g_strdup_printf(" by pid %s (%s)", entry->d_name, name ? g_strstrip(name) : "?");
  }
  if (dir)
    closedir(dir);
  return holder ? holder : g_strdup("");
}

static char *ports_error(int port, int e)
{
  if (e == EACCES)
    return g_strdup_printf("port %d: only root may use ports below 1024", port);
  if (e != EADDRINUSE)
    return g_strdup_printf("port %d: %s", port, g_strerror(e));
  g_autofree char *holder = ports_holder(port);
  return g_strdup_printf("port %d is in use%s", port, holder);
}

/* ---- reserve ---- */

/* The port for @instruction, held; 0 with @error set (caller frees). */
static int ports_take(Ports *ports, const Frame *reserve, const Instruction *instruction,
                      char **error)
{
  int port = instruction->spec->port, fd = ports_bind(port);
  for (int next = MAX(reserve->port_base, 1);
       fd < 0 && !instruction->port_fixed && next <= PORT_LAST; next++) {
    port = next;
    fd = ports_bind(port);
  }
  if (fd < 0) {
    *error = ports_error(port, errno);
    return 0;
  }
  HeldPort *held = g_new0(HeldPort, 1);
  *held = (HeldPort){.request = reserve->request, .fd = fd};
  g_hash_table_replace(ports->held, g_strdup(instruction->id), held);
  return port;
}

Frame *ports_reserve(Ports *ports, const Frame *reserve, GHashTable *no_users)
{
  Frame *reserved = frame_new(FRAME_RESERVED);
  reserved->request = reserve->request;
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const Instruction *instruction = reserve->instructions->pdata[i];
    if (!instruction->spec)
      continue;
    ports_release_instance(ports, instruction->id);
    int port = 0;
    const char *user = instruction->spec->user;
    g_autofree char *error = check_spec(
        instruction->spec, user && no_users ? g_hash_table_lookup(no_users, user) : NULL);
    if (!error && instruction->spec->port > 0)
      port = ports_take(ports, reserve, instruction, &error);
    g_ptr_array_add(reserved->reservations, reservation_new(instruction->id, port, error));
  }
  return reserved;
}

static gboolean ports_is_of(gpointer id, gpointer held, gpointer request)
{
  (void)id;
  return *(const int64_t *)request == 0 ||
         ((const HeldPort *)held)->request == *(const int64_t *)request;
}

void ports_release_request(Ports *ports, int64_t request)
{
  g_hash_table_foreach_remove(ports->held, ports_is_of, &request);
}

void ports_release_instance(Ports *ports, const char *id)
{
  g_hash_table_remove(ports->held, id);
}
