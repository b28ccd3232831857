/* dns.h: the DNS responder's table of contents.
 *
 * Containers on user networks find each other by name.  One responder for each such container, a
 * child of its monitor, serves 127.0.0.11 in the container's network namespace and asks other
 * servers from the host's.  It has no privilege and no file system: the monitor opens its files.
 *
 *   dns_keeper.c   monitor: starts the responder, again when it dies, and opens files for it
 *   dns.c          responder: its loop, clients over UDP, what comes from the monitor
 *   dns_jail.c     responder: gives up all that it does not need
 *   dns_tcp.c      responder: clients over TCP
 *   dns_forward.c  responder: queries that other servers answer
 *   dns_packet.c   pure: a query -> its answer, or that others are to be asked
 *   dns_names.c    pure: the file `names` -> who has which address
 *   dns_servers.c  pure: addresses of other servers, resolv.conf
 *
 * RFCs: 1035 (packets), 6891 (EDNS), 5452 (what forged answers are kept off by), 7766 (TCP).
 */
#ifndef CRUNPY_DNS_H
#define CRUNPY_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- between monitor and responder ---- */

#define DNS_PROGRAM "crunpy-dns" /* argv[0], by which main() knows what it is to be */
/* descriptors that the responder starts with; DNS_LISTENER may be closed */
enum { DNS_UDP = 3, DNS_LISTENER = 4, DNS_MONITOR = 5 };
/* A letter to the monitor asks for a file, which comes with `struct dns_file` as the answer. */
enum { DNS_FILE_NAMES = 'n', DNS_FILE_RESOLV = 'r', DNS_FILE_RESOLVED = 's' };
struct dns_file {
	char letter;
	int error; /* 0: the descriptor is with it */
};

/* argv: DNS_PROGRAM, the container's id, servers, each with DNS_INSIDE before it when we are in the
 * container's network namespace; returns an exit status. */
enum { DNS_INSIDE = '@' };
int dns_main(int argc, char **argv);

/* ---- dns_servers.c ---- */

enum { MAX_SERVERS = 8, DNS_PORT = 53 };

struct server {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t size;
};
struct servers {
	int n;
	bool stub; /* systemd-resolved's 127.0.0.53 is one of them */
	struct server list[MAX_SERVERS];
};
/* The number of an interface, 0: there is none. */
typedef unsigned (*interface_index)(const char *name);

/* Add an IPv4 or IPv6 address, perhaps with %zone; what is none is passed over. */
void servers_add(struct servers *servers, const char *text, size_t len, interface_index index);
/* The servers of a resolv.conf(5). */
void servers_parse(struct servers *servers, const char *text, size_t size, interface_index index);

/* ---- dns_names.c ---- */

enum { NAMES_BYTES = 4 << 20, MAX_NETWORKS = 64, MAX_RECORDS = 16384, MAX_ENTRIES = 65535 };
enum { NAME_BYTES = 253, LABEL_BYTES = 63, NETWORK_BYTES = 255, OWNER_BYTES = 64 };

struct dns_network { /* one that we are on */
	char name[NETWORK_BYTES];
	uint8_t len;
	bool internal;
};
struct dns_record { /* one line: a container's place on a network */
	uint8_t address[16];
	uint32_t name; /* in text: its first name */
	uint16_t next; /* with the same hash of the address; here and below 0: none, else index + 1 */
	uint8_t family; /* 4 or 6 */
	uint8_t network, name_len;
};
struct dns_entry { /* one name of a line */
	uint32_t name, hash;
	uint16_t record, next;
	uint16_t turn[2]; /* which of several addresses comes first next time, by family */
	uint8_t len;
};
struct names {
	struct dns_network networks[MAX_NETWORKS];
	struct dns_record records[MAX_RECORDS];
	struct dns_entry entries[MAX_ENTRIES];
	uint16_t by_name[MAX_ENTRIES + 1], by_address[MAX_ENTRIES + 1];
	uint32_t n_networks, n_records, n_entries, mask;
	struct servers servers; /* of the networks that we are on */
	bool inside; /* other servers are asked from within the container: what is internal stays so */
	size_t kept; /* bytes of text in use */
	char text[NAMES_BYTES]; /* last: what is beyond `kept` is nobody's */
};

/* Take in the `size` bytes in names->text, as seen by the container `owner`. */
void names_load(struct names *names, const char *owner, size_t size, interface_index index);
/* Whether a name of ours could be something else to the world: one network is not internal. */
bool names_external(const struct names *names);

struct dns_wanted { /* a name that is known, perhaps on one network only */
	const char *name;
	size_t len;
	uint32_t hash;
	int network; /* -1: any */
};
/* Whether NAME or NAME.NETWORK is known; text is lower case. */
bool names_find(const struct names *names, const char *text, size_t len, struct dns_wanted *out);
/* The entries for what is wanted, one after the other; NULL: no more. */
struct dns_entry *names_next(struct names *names, const struct dns_wanted *wanted, const struct dns_entry *after);
/* The records with an address of 4 or 16 bytes. */
const struct dns_record *names_at(const struct names *names, const uint8_t *address, int family,
				  const struct dns_record *after);
/* Lower case, of ASCII alone. */
char dns_lower(char c);

/* ---- dns_packet.c ---- */

enum { DNS_HEADER = 12, QUERY_BYTES = 1280, ANSWER_BYTES = 65535, UDP_BYTES = 1232, PLAIN_BYTES = 512 };
enum rcode { RCODE_NONE = 0, RCODE_FORMERR = 1, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_NOTIMP = 4,
	     RCODE_REFUSED = 5, RCODE_BADVERS = 16 };
enum verdict { DNS_SILENCE, DNS_ANSWER, DNS_FORWARD };

/* What becomes of the query.  DNS_ANSWER: *size bytes at `answer`, which has room for UDP_BYTES, over
 * TCP for ANSWER_BYTES. */
enum verdict dns_decide(struct names *names, const uint8_t *query, size_t n, bool tcp, uint8_t *answer,
			size_t *size);
/* An answer without records to a query that was well formed: at most n + 11 bytes; returns how many. */
size_t dns_reply(const uint8_t *query, size_t n, enum rcode rcode, bool truncated, uint8_t *answer);
/* How much the client takes by UDP. */
size_t dns_takes(const uint8_t *query, size_t n);
/* Whether `answer` is one to our query, which has the same id and asks the same. */
bool dns_answers(const uint8_t *query, size_t n, const uint8_t *answer, size_t size);
uint16_t get16(const uint8_t *at);
void put16(uint8_t *at, unsigned value);

/* ---- dns_jail.c ---- */

/* No capabilities, files, other users' ids, nor any system call but the few that are used; false when
 * it cannot be done. */
bool dns_jail(void);

/* ---- dns.c ---- */

/* Both as of now: asks the monitor when the files may have changed. */
struct names *dns_names(void);
const struct servers *dns_servers(void);
void dns_random(void *out, size_t n);
void dns_send(const struct sockaddr_in *to, const uint8_t *answer, size_t n);
/* Give back the memory of `n` bytes of a static buffer, which are zero then. */
void dns_forget(void *at, size_t n);

/* ---- dns_tcp.c ---- */

enum { MAX_CONNECTIONS = 64 };

struct pollfd;
void tcp_accept(void);
/* Fill at most MAX_CONNECTIONS entries; returns how many. */
int tcp_poll(struct pollfd *fds);
void tcp_handle(const struct pollfd *fds, int n);
/* Close what has been idle; ms until there is something to do, -1: never. */
int tcp_due(int64_t now);
/* Room for ANSWER_BYTES, where the answer for this client is to be; tcp_answer sends it. */
uint8_t *tcp_room(int connection);
void tcp_answer(int connection, size_t n);

/* ---- dns_forward.c ---- */

enum { MAX_FORWARDS = 256 };

/* Ask the servers for a client, by UDP `to`, or over TCP the `connection` (-1: by UDP). */
void forward_begin(const uint8_t *query, size_t n, const struct sockaddr_in *to, int connection);
/* The client over TCP has gone. */
void forward_drop(int connection);
int forward_poll(struct pollfd *fds);
void forward_handle(const struct pollfd *fds, int n);
int forward_due(int64_t now);

#endif
