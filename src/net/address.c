/* What can be told of an address without asking anybody; see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <glib.h>
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
  return strcmp(lower, "localhost") == 0 || g_str_has_suffix(lower, ".localhost");
}

char *address_of_url(const char *url)
{
  CURLU *parts = curl_url();
  char *host = NULL, *copy = NULL;
  if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    size_t length = strlen(host);
    copy = host[0] == '[' && length > 1 ? g_strndup(host + 1, length - 2) : g_strdup(host);
  }
  curl_free(host);
  curl_url_cleanup(parts);
  return copy;
}
