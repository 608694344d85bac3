#pragma once
/* Names of hosts as people and requests write them. Pure. */
#include <glib.h>
#include <stdbool.h>

/* Is @host "localhost" or a name below it, or an address of 127.0.0.0/8 or ::1? Names that only begin like one ("127.evil.example") are
 * not. */
bool address_is_loopback(const char *host);
/* Is @host the text of an IPv4 or IPv6 address (without brackets)? Nobody can rebind one. */
bool address_is_literal(const char *host);
/* The host of "HOST", "HOST:PORT" or "[IPV6]:PORT" without port and brackets; NULL when it is none of them. Caller frees. */
char *address_host(const char *authority);
