/* dns_servers.c: addresses of the servers that are asked for other names, and resolv.conf(5).  Pure: no
 * system calls; runs in the responder and in tools/fuzz. */
#include "dns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum { STUB = 0x7f000035 }; /* 127.0.0.53 */

static unsigned zone(const char *text, interface_index index)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	return *end || end == text || number > UINT32_MAX ? index(text) : (unsigned)number;
}

void servers_add(struct servers *servers, const char *text, size_t len, interface_index index)
{
	char address[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	if (servers->n == MAX_SERVERS || len >= sizeof(address) || memchr(text, '\0', len))
		return;
	memcpy(address, text, len);
	address[len] = '\0';
	struct server server = { 0 };
	char *percent = strchr(address, '%');
	if (percent)
		*percent = '\0';
	if (!percent && inet_pton(AF_INET, address, &server.address.v4.sin_addr) == 1) {
		server.size = sizeof(server.address.v4);
		server.address.v4.sin_family = AF_INET;
		server.address.v4.sin_port = htons(DNS_PORT);
		servers->stub |= server.address.v4.sin_addr.s_addr == htonl(STUB);
	} else if (inet_pton(AF_INET6, address, &server.address.v6.sin6_addr) == 1) {
		server.size = sizeof(server.address.v6);
		server.address.v6.sin6_family = AF_INET6;
		server.address.v6.sin6_port = htons(DNS_PORT);
		server.address.v6.sin6_scope_id = percent ? zone(percent + 1, index) : 0;
	}
	if (server.size)
		servers->list[servers->n++] = server;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

void servers_parse(struct servers *servers, const char *text, size_t size, interface_index index)
{
	static const char keyword[] = "nameserver";
	const size_t n = sizeof(keyword) - 1;
	servers->n = 0;
	servers->stub = false;
	for (const char *end = text + size; text < end;) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;
		/* the keyword begins the line, as the C libraries have it */
		if ((size_t)(stop - text) > n && !memcmp(text, keyword, n) && is_blank(text[n])) {
			const char *from = text + n;
			while (from < stop && is_blank(*from))
				from++;
			const char *to = from;
			while (to < stop && !is_blank(*to) && *to != '#' && *to != ';')
				to++;
			servers_add(servers, from, (size_t)(to - from), index);
		}
		text = newline ? newline + 1 : end;
	}
}
