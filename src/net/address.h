#pragma once
/* Addresses as people write them. */
#include <stdbool.h>

/* True when @host, a name or a numeric address, with or without the brackets of IPv6, means this machine only: 127.0.0.0/8, ::1, the same
 * within IPv6, "localhost" and names below it. No name is looked up: "127.evil.com" is anybody's. */
bool address_is_loopback(const char *host);
/* The host of the http or https URL @url, without brackets, or NULL. Caller frees. */
char *address_of_url(const char *url);
