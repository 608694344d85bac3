#pragma once
/* What pages in somebody's browser may do to a server of ours. A page may send requests to every
 * address that its browser reaches, so being reached over loopback proves nothing; but a browser
 * says where a page is from (Origin, Sec-Fetch-Site), and that no page can forge. Programs say
 * neither (Node's fetch says Sec-Fetch-Mode only) and are not concerned. */
#include "net/http_server.h"

typedef struct BrowserRules {
  /* pages from elsewhere that may call, exactly ("https://app.example"), NULL-terminated; NULL =
   * none */
  const char *const *origins;
  /* names that mean this server, beside addresses; NULL = whatever the request calls it */
  const char *const *hosts;
} BrowserRules;

/* To be asked before anything is done for @request. Returns 0 when it may go on, else the status to
 * refuse it with and @why (static): 403 for a method that changes something, from a page that is
 * neither ours nor listed; 415 for such a request with a body that is not declared as JSON. */
int browser_refuse(const HttpRequest *request, const BrowserRules *rules, const char **why);
/* Adds the headers by which a page that is listed is given the answer; to be called once for each
 * request, before it is answered. */
void browser_share(HttpRequest *request, const BrowserRules *rules);
/* Answers @request when it is the preflight of a page that is listed. False: it is not, and nothing
 * happened. */
bool browser_preflight(HttpRequest *request, const BrowserRules *rules);
/* Is @text an origin as browsers write it: http or https, a host in small letters, a port or none,
 * no path? */
bool browser_origin_is_plain(const char *text);
/* Does the Host @host (NULL: HTTP/1.0, never) name one of @names (addresses without brackets), and,
 * where it gives a port, @port (0 = any)? A page may reach us under a name that its owner bound to
 * our address: what no name of ours stands in is answered to nobody. */
bool browser_host_is(const char *host, const char *const *names, int port);
