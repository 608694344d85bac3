#pragma once
/* Names of hosts as people and requests write them. Nothing is looked up. */
#include <glib.h>
#include <stdbool.h>

/* True when @host, a name or a numeric address, with or without the brackets of IPv6, means this
 * machine only: 127.0.0.0/8, ::1, the same within IPv6, "localhost" and names below it. Names that
 * only begin like one ("127.evil.example") are anybody's. */
bool address_is_loopback(const char *host);
/* Is @host the text of an IPv4 or IPv6 address (without brackets)? Nobody can rebind one. */
bool address_is_literal(const char *host);
/* The host of "HOST", "HOST:PORT" or "[IPV6]:PORT" without port and brackets; NULL when it is none
 * of them. Caller frees. */
char *address_host(const char *authority);
/* The host of the http or https URL @url, without brackets, or NULL. Caller frees. */
char *address_of_url(const char *url);
