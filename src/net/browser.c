/* Who in a browser may do what; see browser.h. */
#include "net/browser.h"

#include "net/address.h"

#include <string.h>
#include <strings.h>

enum { ALLOW_HEADERS_MAX = 1024 };

/* The part of @origin behind http:// or https://, or NULL. */
static const char *origin_authority(const char *origin)
{
  return g_str_has_prefix(origin, "http://")    ? origin + 7
         : g_str_has_prefix(origin, "https://") ? origin + 8
                                                : NULL;
}

bool browser_origin_is_plain(const char *text)
{
  const char *authority = origin_authority(text);
  g_autofree char *host =
                      authority && !strpbrk(authority, "/?#@ \\") ? address_host(authority) : NULL,
                  *lower = g_ascii_strdown(text, -1);
  return host && g_str_equal(lower, text) && !g_str_has_suffix(text, ":");
}

/* @host: one that address_host knows. */
static bool host_has_port(const char *host, int port)
{
  const char *bracket = strchr(host, ']'), *colon = strchr(bracket ? bracket : host, ':');
  gint64 given;
  return port == 0 || !colon || g_ascii_string_to_signed(colon + 1, 10, port, port, &given, NULL);
}

bool browser_host_is(const char *host, const char *const *names, int port)
{
  g_autofree char *name = host ? address_host(host) : NULL;
  if (name && !host_has_port(host, port))
    return false;
  for (size_t i = 0; name && names && names[i]; i++)
    if (g_ascii_strcasecmp(names[i], name) == 0)
      return true;
  return false;
}

/* A page that this very server gave out, or what stands in its place before it. An unknown name
 * could have been bound to our address by whoever owns it; an address could not. */
static bool origin_is_ours(const char *origin, const HttpRequest *request,
                           const BrowserRules *rules)
{
  const char *authority = origin_authority(origin), *host = http_request_header(request, "host");
  if (!authority || !host || strcasecmp(authority, host) != 0)
    return false;
  g_autofree char *name = address_host(host);
  return name &&
         (!rules->hosts || address_is_literal(name) || browser_host_is(host, rules->hosts, 0));
}

static bool origin_is_listed(const char *origin, const BrowserRules *rules)
{
  return origin && rules->origins && g_strv_contains(rules->origins, origin);
}

static bool method_is_safe(const char *method)
{
  static const char *const safe[] = {"GET", "HEAD", "OPTIONS", NULL};
  return g_strv_contains(safe, method);
}

/* application/json or application/SOMETHING+json, with or without parameters. */
static bool type_is_json(const char *type)
{
  g_autofree char *plain = g_ascii_strdown(type ? type : "", -1);
  plain[strcspn(plain, ";")] = '\0';
  g_strstrip(plain);
  return g_str_equal(plain, "application/json") ||
         (g_str_has_prefix(plain, "application/") && g_str_has_suffix(plain, "+json"));
}

int browser_refuse(const HttpRequest *request, const BrowserRules *rules, const char **why)
{
  const char *origin = http_request_header(request, "origin"),
             *site = http_request_header(request, "sec-fetch-site");
  if ((!origin && !site) || method_is_safe(http_request_method(request)))
    return 0;
  bool listed = origin_is_listed(origin, rules);
  bool foreign_site = site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
  if (!listed && (foreign_site || (origin && !origin_is_ours(origin, request, rules)))) {
    *why =
        "the request comes from a web page of another origin, which is not in the list of those that may";
    return 403;
  }
  size_t length;
  http_request_body(request, &length);
  if (length > 0 && !type_is_json(http_request_header(request, "content-type"))) {
    *why = "a web page must send its body as Content-Type: application/json";
    return 415;
  }
  return 0;
}

void browser_share(HttpRequest *request, const BrowserRules *rules)
{
  const char *origin = http_request_header(request, "origin");
  if (!rules->origins || !rules->origins[0])
    return;
  /* also for others: a cache may not give them what this one is given */
  http_reply_header(request, "Vary", "Origin");
  if (!origin_is_listed(origin, rules))
    return;
  http_reply_header(request, "Access-Control-Allow-Origin", origin);
  http_reply_header(request, "Access-Control-Expose-Headers",
                    "ETag, Location, Retry-After, WWW-Authenticate");
}

/* The headers that the page wants to send, when they are names of headers and not too many; else
 * those that our own clients send. */
static const char *preflight_headers(const HttpRequest *request)
{
  const char *asked = http_request_header(request, "access-control-request-headers");
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_., ";
  bool fits = asked && asked[0] && strlen(asked) <= ALLOW_HEADERS_MAX &&
              strspn(asked, plain) == strlen(asked);
  return fits ? asked : "Authorization, Content-Type, X-API-Key";
}

bool browser_preflight(HttpRequest *request, const BrowserRules *rules)
{
  bool asks = strcmp(http_request_method(request), "OPTIONS") == 0 &&
              http_request_header(request, "access-control-request-method");
  if (!asks || !origin_is_listed(http_request_header(request, "origin"), rules))
    return false;
  http_reply_header(request, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
  http_reply_header(request, "Access-Control-Allow-Headers", preflight_headers(request));
  http_reply_header(request, "Access-Control-Max-Age", "600");
  if (http_request_header(request, "access-control-request-private-network"))
    http_reply_header(request, "Access-Control-Allow-Private-Network", "true");
  http_reply(request, 204, "text/plain", "", 0);
  return true;
}
