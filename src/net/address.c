/* What host a text names; see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

bool address_is_loopback(const char *host)
{
  size_t length = strlen(host);
  bool bracket = length > 1 && host[0] == '[' && host[length - 1] == ']';
  g_autofree char *plain = bracket ? g_strndup(host + 1, length - 2) : g_strdup(host);
  struct in_addr v4;
  struct in6_addr v6;
  if (inet_pton(AF_INET, plain, &v4) == 1)
    return ntohl(v4.s_addr) >> 24 == 127;
  if (inet_pton(AF_INET6, plain, &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  g_autofree char *lower = g_ascii_strdown(plain, -1);
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
  return text[0] == '\0' ||
         (text[0] == ':' && g_ascii_string_to_unsigned(text + 1, 10, 0, 65535, &port, NULL));
}

char *address_host(const char *authority)
{
  bool bracket = authority[0] == '[';
  const char *begin = authority + bracket, *end = begin + strcspn(begin, bracket ? "]" : ":");
  if (end == begin || (bracket && *end != ']') || !address_port_fits(end + bracket))
    return NULL;
  return g_strndup(begin, (gsize)(end - begin));
}

char *address_of_url(const char *url)
{
  CURLU *parts = curl_url();
  char *host = NULL, *copy = NULL;
  if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    size_t length = strlen(host);
    copy = host[0] == '[' && length > 1 ? g_strndup(host + 1, length - 2) : g_strdup(host);
  }
  curl_free(host);
  curl_url_cleanup(parts);
  return copy;
}
