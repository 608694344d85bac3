/* Decides where an agent may call out to; see allowed.h. The address that a name stands for is
 * checked again when the connection is made.
 */
#include "agent/allowed.h"

#include "base/error.h"
#include "base/text.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <string.h>

/* Fills @address when @host is the text of an address. */
static bool host_address(const char *host, struct sockaddr_storage *address)
{
  struct sockaddr_in *v4 = (void *)address;
  struct sockaddr_in6 *v6 = (void *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
    address->ss_family = AF_INET;
  else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
    address->ss_family = AF_INET6;
  return address->ss_family != 0;
}

static bool host_is_listed(const char *host, const char *hosts)
{
  g_auto(GStrv) list = g_strsplit(hosts, ",", -1);
  for (guint i = 0; list[i]; i++) {
    const char *entry = g_strstrip(list[i]);
    size_t suffix = strlen(entry) - 1, length = strlen(host);
    if (g_ascii_strcasecmp(entry, host) == 0)
      return true;
    if (g_str_has_prefix(entry, "*.") && length > suffix &&
        g_ascii_strcasecmp(entry + 1, host + length - suffix) == 0)
      return true;
  }
  return false;
}

/* The host of @url, without brackets; NULL when it is none that every reader of URLs understands in
 * the same way. */
static char *url_host(const char *url)
{
  g_autofree char *scheme = NULL, *user = NULL, *host = NULL;
  if (strpbrk(url, "\\ \t\r\n") ||
      !g_uri_split(url, G_URI_FLAGS_NONE, &scheme, &user, &host, NULL, NULL, NULL, NULL, NULL))
    return NULL;
  bool web = scheme &&
             (g_ascii_strcasecmp(scheme, "http") == 0 || g_ascii_strcasecmp(scheme, "https") == 0);
  return web && !user && host && host[0] && !strchr(host, '%') ? g_steal_pointer(&host) : NULL;
}

bool allowed_url(const char *url, AllowedKind kind, const char *hosts, HttpGuard *guard,
                 GError **error)
{
  g_autofree char *host = url_host(url), *shown = text_escape(host ? host : url, 200);
  struct sockaddr_storage address;
  if (!host) {
    /* not shown: a user name before the host may be a secret */
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "not an http or https URL with a plain host");
    return false;
  }
  if (host_address(host, &address) &&
      http_guard_forbids(HTTP_GUARD_LOCAL, (const struct sockaddr *)&address)) {
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_DENIED,
        "host '%s' is a link-local, multicast or unspecified address, or a cloud's metadata service; agents never call those",
        shown);
    return false;
  }
  bool loopback = address_is_loopback(host);
  if (kind != ALLOWED_SERVER || loopback || !hosts || host_is_listed(host, hosts)) {
    *guard = loopback || kind == ALLOWED_PEER ? HTTP_GUARD_LOCAL : HTTP_GUARD_LOOPBACK;
    return true;
  }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_DENIED,
              "host '%s' is not allowed; add it to AGENT_ALLOWED_HOSTS", shown);
  return false;
}
