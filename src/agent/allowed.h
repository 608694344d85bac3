#pragma once
/* Where an agent may call out to. Link-local, multicast and unspecified addresses never; loopback
 * only what is named; the operator's AGENT_ALLOWED_HOSTS confines the rest. */
#include "net/http_client.h"

typedef enum AllowedKind {
  /* [mcp_servers] of the agent file: beyond loopback it must be in @hosts, when there is a list */
  ALLOWED_PEER,  /* a URL that Reeve gave: an agent of the job */
  ALLOWED_AGENT, /* [sub_agents] of the agent file */
  ALLOWED_SERVER
} AllowedKind;

/* May @url be called? @hosts: comma-joined names, addresses and "*.suffix", NULL = no list. Sets
 * @guard to what the address behind the name may not be. False with REEVE_ERROR_DENIED, which names
 * the host and says what to do, or REEVE_ERROR_USAGE for what is no URL. */
bool allowed_url(const char *url, AllowedKind kind, const char *hosts, HttpGuard *guard,
                 GError **error);
