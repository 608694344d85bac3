/* What host a text names; see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

bool address_is_loopback(const char *host)
{
  struct in_addr v4;
  struct in6_addr v6;
  if (inet_pton(AF_INET, host, &v4) == 1)
    return ntohl(v4.s_addr) >> 24 == 127;
  if (inet_pton(AF_INET6, host, &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  g_autofree char *lower = g_ascii_strdown(host, -1);
  return g_str_equal(lower, "localhost") || g_str_has_suffix(lower, ".localhost");
}

bool address_is_literal(const char *host)
{
  struct in6_addr address;
  return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* "" or ":PORT" */
static bool address_port_fits(const char *text)
{
  guint64 port;
  return text[0] == '\0' || (text[0] == ':' && g_ascii_string_to_unsigned(text + 1, 10, 0, 65535, &port, NULL));
}

char *address_host(const char *authority)
{
  bool bracket = authority[0] == '[';
  const char *begin = authority + bracket, *end = begin + strcspn(begin, bracket ? "]" : ":");
  if (end == begin || (bracket && *end != ']') || !address_port_fits(end + bracket))
    return NULL;
  return g_strndup(begin, (gsize)(end - begin));
}
