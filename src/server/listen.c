/* Owns where the API listens beside the control socket. */
#include "server/listen.h"

#include "base/error.h"
#include "base/log.h"
#include "net/address.h"

#include <string.h>

bool listen_parse(const char *text, char **host, int *port, GError **error)
{
  const char *colon = strrchr(text, ':');
  bool bracket = text[0] == '[';
  const char *end = bracket ? strchr(text, ']') : colon;
  gint64 number = -1;
  bool split =
      bracket ? end && end[1] == ':' && end + 1 == colon : colon && strchr(text, ':') == colon;
  const char *digits = colon ? colon + 1 : text;
  bool numeric = g_ascii_string_to_signed(digits, 10, 0, 65535, &number, NULL);
  if (!numeric || (colon && !split) || (split && end == text)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "listen on '%s': wanted HOST:PORT, [IPV6]:PORT, PORT or none", text);
    return false;
  }
  *host = !colon    ? g_strdup("127.0.0.1")
          : bracket ? g_strndup(text + 1, (gsize)(end - text - 1))
                    : g_strndup(text, (gsize)(end - text));
  *port = (int)number;
  return true;
}

static bool listen_at(Server *server, const char *host, int port, GError **error)
{
  int got = http_server_listen_tcp(server->tcp, host, port, error);
  if (got < 0)
    return false;
  bool v6 = strchr(host, ':') != NULL;
  server->listen_text = g_strdup_printf(v6 ? "[%s]:%d" : "%s:%d", host, got);
  server->listen_port = got;
  server->listen_local = address_is_loopback(host);
  if (!server->listen_local)
    log_warn("the API is open to other machines, without TLS: tokens can be read on the way",
             "listen=%s", server->listen_text);
  return true;
}

bool listen_open(Server *server, GError **error)
{
  const char *text = server->options->listen;
  g_autofree char *host = NULL;
  g_autoptr(GError) failed = NULL;
  int port;
  if (!text || g_str_equal(text, "none"))
    return true;
  if (!listen_parse(text, &host, &port, error))
    return false;
  for (int i = 0; i <= server->options->listen_tries && port + i <= 65535; i++) {
    g_clear_error(&failed);
    if (listen_at(server, host, port + i, &failed))
      return true;
  }
  if (!server->options->listen_optional) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return false;
  }
  g_assert(failed);
  server->listen_note = g_strdup(failed->message);
  log_warn("the API is not served over TCP; --listen HOST:PORT names another port", "error=\"%s\"",
           failed->message);
  return true;
}
