/* Owns the A2A card: the members of 0.3 (url, preferredTransport) and of 1.0 (supportedInterfaces)
 * side by side, which neither minds. */
#include "agent/door.h"

#include "base/json.h"
#include "net/address.h"

#include <string.h>

static void card_texts(GString *out, const char *key, const char *const *texts)
{
  jw_open(out, key, '[');
  for (; *texts; texts++)
    jw_str(out, NULL, *texts);
  jw_close(out, ']');
}

static void card_interface(GString *out, const char *url, const char *version)
{
  jw_open(out, NULL, '{');
  jw_str(out, "url", url);
  jw_str(out, "protocolBinding", "JSONRPC");
  jw_str(out, "protocolVersion", version);
  jw_close(out, '}');
}

static void card_interfaces(GString *out, const char *url)
{
  jw_str(out, "protocolVersion", "0.3.0");
  jw_str(out, "url", url);
  jw_str(out, "preferredTransport", "JSONRPC");
  jw_open(out, "additionalInterfaces", '[');
  jw_open(out, NULL, '{');
  jw_str(out, "url", url);
  jw_str(out, "transport", "JSONRPC");
  jw_close(out, '}');
  jw_close(out, ']');
  jw_open(out, "supportedInterfaces", '[');
  card_interface(out, url, "1.0");
  card_interface(out, url, "0.3");
  jw_close(out, ']');
}

static void card_capabilities(GString *out)
{
  jw_open(out, "capabilities", '{');
  jw_bool(out, "streaming", true);
  jw_bool(out, "pushNotifications", false);
  jw_bool(out, "stateTransitionHistory", false);
  jw_bool(out, "extendedAgentCard", false);
  jw_close(out, '}');
  jw_bool(out, "supportsAuthenticatedExtendedCard", false);
}

/* A capability of the agent file is a word; that is all that it tells about a skill. An agent
 * without any still does something: what its description says, since a card must have a skill. */
static void card_skills(GString *out, const AgentFile *file)
{
  static const char *const general[] = {"general", NULL};
  jw_open(out, "skills", '[');
  if (!file->capabilities->len) {
    jw_open(out, NULL, '{');
    jw_str(out, "id", "general");
    jw_str(out, "name", file->name);
    jw_str(out, "description", file->description ? file->description : file->name);
    card_texts(out, "tags", general);
    jw_close(out, '}');
  }
  for (guint i = 0; i < file->capabilities->len; i++) {
    const char *word = g_ptr_array_index(file->capabilities, i), *tags[] = {word, NULL};
    jw_open(out, NULL, '{');
    jw_str(out, "id", word);
    jw_str(out, "name", word);
    jw_str(out, "description", word);
    card_texts(out, "tags", tags);
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

/* Either key will do: two requirements of one scheme each. A scheme tells both versions what it is.
 */
static void card_security(GString *out)
{
  jw_raw(
      out, "securitySchemes",
      "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"httpAuthSecurityScheme\":{\"scheme\":\"Bearer\"}},"
      "\"apiKey\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\","
      "\"apiKeySecurityScheme\":{\"location\":\"header\",\"name\":\"X-API-Key\"}}}");
  jw_raw(out, "security", "[{\"bearer\":[]},{\"apiKey\":[]}]");
  jw_raw(out, "securityRequirements",
         "[{\"schemes\":{\"bearer\":{\"list\":[]}}},{\"schemes\":{\"apiKey\":{\"list\":[]}}}]");
}

/* Did the client come over TLS to a proxy on this machine, whose word we take? */
static bool card_is_https(const HttpRequest *request)
{
  const char *proto = http_request_header(request, "x-forwarded-proto");
  return proto && g_ascii_strcasecmp(proto, "https") == 0 &&
         address_is_loopback(http_request_peer_address(request));
}

/* The URL of the endpoint: below [server] public_url, else under the name that the client used,
 * since beyond loopback we do not know our own. */
static char *card_url(const Agent *agent, const HttpRequest *request)
{
  const char *host = http_request_header(request, "host"),
             *scheme = card_is_https(request) ? "https" : "http";
  if (agent->file->server_public_url)
    return g_strconcat(agent->file->server_public_url, "/a2a", NULL);
  bool plain =
      host && host[0] &&
      strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
          strlen(host);
  return plain ? g_strdup_printf("%s://%s/a2a", scheme, host)
               : g_strconcat(agent->url, "/a2a", NULL);
}

void door_open_a2a_card(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  static const char *const input[] = {"text/plain", "application/json", NULL}, *const output[] = {
                                                                                   "text/plain",
                                                                                   NULL};
  const AgentFile *file = agent->file;
  g_autofree char *url = card_url(agent, request);
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", file->name);
  jw_str(out, "description", file->description ? file->description : "");
  jw_str(out, "version", file->version ? file->version : "0.0.0");
  card_interfaces(out, url);
  card_capabilities(out);
  card_texts(out, "defaultInputModes", input);
  card_texts(out, "defaultOutputModes", output);
  card_skills(out, file);
  if (door_keys_needed(agent->doors->keys, request))
    card_security(out);
  jw_close(out, '}');
  g_autofree char *digest =
      g_compute_checksum_for_string(G_CHECKSUM_SHA256, out->str, (gssize)out->len);
  g_autofree char *tag = g_strdup_printf("\"%.16s\"", digest);
  http_reply_header(request, "ETag", tag);
  http_reply_header(request, "Cache-Control", "max-age=60");
  if (g_strcmp0(http_request_header(request, "if-none-match"), tag) == 0)
    http_reply(request, 304, "application/json", "", 0);
  else
    door_reply(request, 200, out->str, out->len);
}
