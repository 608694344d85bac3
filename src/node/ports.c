/* Ports bound before the first stage and claimed until their agents start, so that nobody else
 * takes them meanwhile. */
#include "node/ports.h"

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

typedef struct PortClaim {
  int64_t request;
  int fd;
} PortClaim;

struct PortBook {
  GHashTable *claims; /* instance id -> PortClaim* */
};

static void port_claim_free(gpointer data)
{
  PortClaim *claim = data;
  close(claim->fd);
  g_free(claim);
}

PortBook *port_book_new(void)
{
  PortBook *book = g_new0(PortBook, 1);
  book->claims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, port_claim_free);
  return book;
}

void port_book_free(PortBook *book)
{
  if (!book)
    return;
  g_hash_table_unref(book->claims);
  g_free(book);
}

/* Bound on every address and not listening: nobody can listen there, nobody is answered. -1 with
 * errno. A socket that others left in TIME_WAIT is nobody's, so the bind may share; after it ours
 * does not, or anybody who shares too could listen beside us. */
static int port_bind_family(int port, bool v6)
{
  int on = 1, off = 0, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in v4_any = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_ANY)};
  struct sockaddr_in6 v6_any = {
      .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_ANY_INIT};
  if (fd < 0)
    return -1;
  if (v6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
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

/* For both families, either of which `localhost` may mean; for IPv4 alone where the kernel has no
 * IPv6. */
static int port_bind(int port)
{
  int fd = port_bind_family(port, true);
  bool no_v6 = fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
  return no_v6 ? port_bind_family(port, false) : fd;
}

/* ---- who has it ---- */

/* Inode of the socket that listens on @port, by /proc/net/tcp or tcp6; 0 = not found. */
static unsigned long port_inode(const char *table, int port)
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

static bool port_has_inode(const char *pid, unsigned long inode)
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
static char *port_holder(int port)
{
  unsigned long inode = port_inode("/proc/net/tcp", port);
  if (!inode)
    inode = port_inode("/proc/net/tcp6", port);
  DIR *dir = inode ? opendir("/proc") : NULL;
  char *holder = NULL;
  for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && !holder; entry = readdir(dir)) {
    if (!g_ascii_isdigit(entry->d_name[0]) || !port_has_inode(entry->d_name, inode))
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

static char *port_error(int port, int e)
{
  if (e == EACCES)
    return g_strdup_printf("port %d: only root may use ports below 1024", port);
  if (e != EADDRINUSE)
    return g_strdup_printf("port %d: %s", port, g_strerror(e));
  g_autofree char *holder = port_holder(port);
  return g_strdup_printf("port %d is in use%s", port, holder);
}

/* ---- reserve ---- */

/* The port for @instruction, claimed; 0 with @error set (caller frees). */
static int port_book_claim(PortBook *book, const Frame *reserve, const Instruction *instruction,
                           char **error)
{
  int port = instruction->spec->port, fd = port_bind(port);
  for (int next = MAX(reserve->port_base, 1);
       fd < 0 && !instruction->port_fixed && next <= PORT_LAST; next++) {
    port = next;
    fd = port_bind(port);
  }
  if (fd < 0) {
    *error = port_error(port, errno);
    return 0;
  }
  PortClaim *claim = g_new0(PortClaim, 1);
  *claim = (PortClaim){.request = reserve->request, .fd = fd};
  g_hash_table_replace(book->claims, g_strdup(instruction->id), claim);
  return port;
}

Frame *port_book_reserve(PortBook *book, const Frame *reserve, GHashTable *refused)
{
  Frame *reserved = frame_new(FRAME_RESERVED);
  reserved->request = reserve->request;
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const Instruction *instruction = reserve->instructions->pdata[i];
    if (!instruction->spec)
      continue;
    port_book_release_instance(book, instruction->id);
    int port = 0;
    g_autofree char *error =
        g_strdup(refused ? g_hash_table_lookup(refused, instruction->id) : NULL);
    if (!error && instruction->spec->port > 0)
      port = port_book_claim(book, reserve, instruction, &error);
    g_ptr_array_add(reserved->reservations, reservation_new(instruction->id, port, error));
  }
  return reserved;
}

static gboolean port_claim_is_of(gpointer id, gpointer claim, gpointer request)
{
  (void)id;
  return *(const int64_t *)request == 0 ||
         ((const PortClaim *)claim)->request == *(const int64_t *)request;
}

void port_book_release_request(PortBook *book, int64_t request)
{
  g_hash_table_foreach_remove(book->claims, port_claim_is_of, &request);
}

void port_book_release_instance(PortBook *book, const char *id)
{
  g_hash_table_remove(book->claims, id);
}
