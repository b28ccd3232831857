/* dns_packet.c: a query becomes its answer, or what is to be forwarded.  Pure: no system calls; runs in
 * the responder and in tools/fuzz.
 *
 * What is not ours goes to other servers as it is, but nothing does from a container whose networks are
 * all internal: its names could carry data out (CVE-2024-29018).  It gets NXDOMAIN, as aardvark-dns has
 * it, and not Docker's REFUSED, with which musl and others end a search before the name itself is tried. */
#include "dns.h"

#include <string.h>

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28, TYPE_OPT = 41 };
enum { TYPE_IXFR = 251, TYPE_AXFR = 252, TYPE_ANY = 255 };
enum { CLASS_IN = 1, CLASS_ANY = 255 };
enum { TTL_S = 0, OPT_BYTES = 11, POINTER = 0xc0 };
enum { FLAG_QR = 0x80, FLAG_OPCODE = 0x78, FLAG_AA = 0x04, FLAG_TC = 0x02, FLAG_RD = 0x01 }; /* byte 2 */
enum { FLAG_RA = 0x80, FLAG_CD = 0x10, RCODE_BITS = 0x0f };				    /* byte 3 */
enum { AT_FLAGS = 2, AT_RCODE = 3, AT_QD = 4, AT_AN = 6, AT_NS = 8, AT_AR = 10 };
enum { DO_BIT = 0x80 };

struct query {
	size_t end; /* of the question */
	uint16_t type, class;
	bool plain; /* the name is text without dots inside of labels */
	char name[NAME_BYTES + 3]; /* lower case, labels with dots between them */
	size_t name_len;
	bool edns, dnssec;
	uint8_t version;
	uint16_t size; /* that the client takes by UDP */
};

struct writer {
	uint8_t *at;
	size_t n, room;
	unsigned answers;
	bool full;
};

uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* ---- reading ---- */

static void add_label(struct query *q, const uint8_t *label, size_t len)
{
	if (q->name_len)
		q->name[q->name_len++] = '.';
	for (size_t i = 0; i < len; i++) {
		if (label[i] <= ' ' || label[i] > '~' || label[i] == '.')
			q->plain = false;
		q->name[q->name_len++] = dns_lower((char)label[i]);
	}
}

/* The question's name, type and class; false when it is malformed.  A name there has no pointers. */
static bool read_question(struct query *q, const uint8_t *packet, size_t n)
{
	size_t at = DNS_HEADER;
	for (;;) {
		if (at >= n)
			return false;
		size_t len = packet[at++];
		if (len == 0)
			break;
		if (len > LABEL_BYTES || len > n - at || q->name_len + 1 + len > NAME_BYTES + 1)
			return false;
		add_label(q, packet + at, len);
		at += len;
	}
	if (n - at < 4 || q->name_len > NAME_BYTES)
		return false;
	q->type = get16(packet + at);
	q->class = get16(packet + at + 2);
	q->end = at + 4;
	return true;
}

/* The position behind a record's name, which may end with a pointer; 0: malformed. */
static size_t skip_name(const uint8_t *packet, size_t n, size_t at)
{
	while (at < n) {
		size_t len = packet[at];
		if (len == 0)
			return at + 1;
		if (len >= POINTER)
			return at + 2 <= n ? at + 2 : 0;
		if (len > LABEL_BYTES)
			return 0;
		at += 1 + len;
	}
	return 0;
}

/* What follows the question must be records that end where the packet does, with one OPT at most. */
static bool read_additional(struct query *q, const uint8_t *packet, size_t n, unsigned count)
{
	enum { FIXED = 10 };
	size_t at = q->end;
	for (; count; count--) {
		bool root = at < n && packet[at] == 0;
		at = skip_name(packet, n, at);
		if (!at || n - at < FIXED)
			return false;
		const uint8_t *record = packet + at;
		size_t len = get16(record + 8);
		at += FIXED;
		if (len > n - at)
			return false;
		at += len;
		if (get16(record) != TYPE_OPT)
			continue;
		if (!root || q->edns)
			return false;
		q->edns = true;
		q->size = get16(record + 2);
		q->version = record[5];
		q->dnssec = record[6] & DO_BIT;
	}
	return at == n;
}

static bool read_query(struct query *q, const uint8_t *packet, size_t n)
{
	*q = (struct query){ .plain = true };
	return n >= DNS_HEADER && get16(packet + AT_QD) == 1 && get16(packet + AT_AN) == 0 &&
	       get16(packet + AT_NS) == 0 && !(packet[AT_FLAGS] & FLAG_TC) && read_question(q, packet, n) &&
	       read_additional(q, packet, n, get16(packet + AT_AR));
}

size_t dns_takes(const uint8_t *query, size_t n)
{
	struct query q;
	return read_query(&q, query, n) && q.edns && q.size > PLAIN_BYTES ? q.size : PLAIN_BYTES;
}

bool dns_answers(const uint8_t *query, size_t n, const uint8_t *answer, size_t size)
{
	struct query asked, said = { .plain = true };
	if (!read_query(&asked, query, n) || size < DNS_HEADER || get16(answer) != get16(query) ||
	    !(answer[AT_FLAGS] & FLAG_QR) || answer[AT_FLAGS] & FLAG_OPCODE)
		return false;
	enum rcode rcode = answer[AT_RCODE] & RCODE_BITS;
	if (get16(answer + AT_QD) == 0) /* servers that could not, or would not, read the question */
		return size == DNS_HEADER && (rcode == RCODE_FORMERR || rcode == RCODE_SERVFAIL ||
					      rcode == RCODE_NOTIMP || rcode == RCODE_REFUSED);
	return get16(answer + AT_QD) == 1 && read_question(&said, answer, size) && said.type == asked.type &&
	       said.class == asked.class && said.name_len == asked.name_len &&
	       !memcmp(said.name, asked.name, asked.name_len);
}

/* ---- writing ---- */

static void write_header(uint8_t *answer, const uint8_t *query, enum rcode rcode)
{
	memset(answer, 0, DNS_HEADER);
	memcpy(answer, query, 2);
	answer[AT_FLAGS] = (uint8_t)(FLAG_QR | (query[AT_FLAGS] & (FLAG_OPCODE | FLAG_RD)));
	answer[AT_RCODE] = (uint8_t)(FLAG_RA | (query[AT_RCODE] & FLAG_CD) | (rcode & RCODE_BITS));
}

/* Header and question, as sent: clients look at the case of its letters. */
static struct writer begin(uint8_t *answer, size_t room, const struct query *q, const uint8_t *query,
			   enum rcode rcode)
{
	write_header(answer, query, rcode);
	put16(answer + AT_QD, 1);
	memcpy(answer + DNS_HEADER, query + DNS_HEADER, q->end - DNS_HEADER);
	return (struct writer){ .at = answer, .n = q->end, .room = room - (q->edns ? OPT_BYTES : 0) };
}

static size_t finish(struct writer *w, const struct query *q, enum rcode rcode)
{
	put16(w->at + AT_AN, w->answers);
	if (w->full)
		w->at[AT_FLAGS] |= FLAG_TC;
	if (q->edns) {
		uint8_t *opt = w->at + w->n;
		memset(opt, 0, OPT_BYTES);
		put16(opt + 1, TYPE_OPT);
		put16(opt + 3, UDP_BYTES);
		opt[5] = (uint8_t)(rcode >> 4);
		opt[7] = q->dnssec ? DO_BIT : 0;
		put16(w->at + AT_AR, 1);
		w->n += OPT_BYTES;
	}
	return w->n;
}

/* The head of a record of the question's name; where its `len` bytes go, NULL: there is no room. */
static uint8_t *add_record(struct writer *w, unsigned type, size_t len)
{
	enum { HEAD = 12 };
	if (w->full || w->room - w->n < HEAD + len) {
		w->full = true;
		return NULL;
	}
	uint8_t *at = w->at + w->n;
	put16(at, POINTER << 8 | DNS_HEADER);
	put16(at + 2, type);
	put16(at + 4, CLASS_IN);
	put16(at + 6, 0);
	put16(at + 8, TTL_S);
	put16(at + 10, (unsigned)len);
	w->n += HEAD + len;
	w->answers++;
	return at + HEAD;
}

/* The addresses of one family, each time another one first. */
static void add_addresses(struct writer *w, struct names *names, const struct dns_wanted *wanted, int family)
{
	struct dns_entry *first = names_next(names, wanted, NULL);
	uint16_t *turn = &first->turn[family == 6];
	unsigned count = 0, skip;
	for (const struct dns_entry *e = first; e; e = names_next(names, wanted, e))
		count += names->records[e->record].family == family;
	if (!count)
		return;
	skip = *turn % count;
	*turn = (uint16_t)((skip + 1) % count);
	for (unsigned round = 0; round < 2; round++) { /* those from `skip` on, then those before it */
		unsigned i = 0;
		for (const struct dns_entry *e = first; e; e = names_next(names, wanted, e)) {
			const struct dns_record *record = &names->records[e->record];
			if (record->family != family || (i++ < skip) == (round == 0))
				continue;
			size_t len = family == 4 ? 4 : 16;
			uint8_t *to = add_record(w, family == 4 ? TYPE_A : TYPE_AAAA, len);
			if (!to)
				return;
			memcpy(to, record->address, len);
		}
	}
}

static void add_name(struct writer *w, const char *name, size_t len)
{
	uint8_t *to = add_record(w, TYPE_PTR, len + 2);
	if (!to)
		return;
	memcpy(to + 1, name, len);
	to[len + 1] = 0;
	for (size_t at = 0; at <= len;) { /* the names' reader has made sure of the labels' lengths */
		const char *dot = memchr(name + at, '.', len - at);
		size_t label = dot ? (size_t)(dot - name) - at : len - at;
		to[at] = (uint8_t)label;
		at += label + 1;
	}
}

/* ---- reverse names ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* d.c.b.a -> the address a.b.c.d */
static bool parse_reverse4(const char *text, size_t len, uint8_t *out)
{
	size_t at = 0;
	for (int part = 3; part >= 0; part--) {
		unsigned number = 0;
		size_t from = at;
		for (; at < len && text[at] >= '0' && text[at] <= '9' && at - from < 3; at++)
			number = number * 10 + (unsigned)(text[at] - '0');
		if (at == from || number > UINT8_MAX || (part && (at == len || text[at++] != '.')))
			return false;
		out[part] = (uint8_t)number;
	}
	return at == len;
}

static bool parse_reverse6(const char *text, size_t len, uint8_t *out)
{
	enum { DIGITS = 32 };
	if (len != 2 * DIGITS - 1)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		int digit = hex_digit(text[2 * i]);
		if (digit < 0 || (i + 1 < DIGITS && text[2 * i + 1] != '.'))
			return false;
		uint8_t *byte = &out[15 - i / 2];
		*byte = (uint8_t)(i % 2 ? *byte | digit << 4 : digit);
	}
	return true;
}

/* 4 or 6, and the address that a reverse name is of; 0: none. */
static int parse_reverse(const struct query *q, uint8_t *out)
{
	static const char v4[] = ".in-addr.arpa", v6[] = ".ip6.arpa";
	const size_t n4 = sizeof(v4) - 1, n6 = sizeof(v6) - 1;
	if (q->name_len > n4 && !memcmp(q->name + q->name_len - n4, v4, n4))
		return parse_reverse4(q->name, q->name_len - n4, out) ? 4 : 0;
	if (q->name_len > n6 && !memcmp(q->name + q->name_len - n6, v6, n6))
		return parse_reverse6(q->name, q->name_len - n6, out) ? 6 : 0;
	return 0;
}

/* ---- deciding ---- */

static bool is_type(const struct query *q, unsigned type)
{
	return q->type == type || q->type == TYPE_ANY;
}

/* Whether the name is one of ours, and the answer is written. */
static bool answer_ours(struct names *names, const struct query *q, struct writer *w)
{
	struct dns_wanted wanted;
	uint8_t address[16];
	if (!q->plain || !q->name_len)
		return false;
	int family = parse_reverse(q, address);
	const struct dns_record *record = family ? names_at(names, address, family, NULL) : NULL;
	if (record) {
		for (; record && is_type(q, TYPE_PTR); record = names_at(names, address, family, record))
			add_name(w, names->text + record->name, record->name_len);
		return true;
	}
	if (!names_find(names, q->name, q->name_len, &wanted))
		return false;
	if (is_type(q, TYPE_A))
		add_addresses(w, names, &wanted, 4);
	if (is_type(q, TYPE_AAAA))
		add_addresses(w, names, &wanted, 6);
	return true;
}

static enum verdict refuse(const struct query *q, const uint8_t *query, enum rcode rcode, uint8_t *answer,
			   size_t *size)
{
	struct writer w = begin(answer, UDP_BYTES, q, query, rcode);
	*size = finish(&w, q, rcode);
	return DNS_ANSWER;
}

static size_t room_for(const struct query *q, bool tcp)
{
	if (tcp)
		return ANSWER_BYTES;
	size_t takes = q->edns && q->size > PLAIN_BYTES ? q->size : PLAIN_BYTES;
	return takes < UDP_BYTES ? takes : UDP_BYTES;
}

enum verdict dns_decide(struct names *names, const uint8_t *query, size_t n, bool tcp, uint8_t *answer,
			size_t *size)
{
	struct query q;
	if (n < DNS_HEADER || query[AT_FLAGS] & FLAG_QR)
		return DNS_SILENCE;
	*size = DNS_HEADER;
	if (query[AT_FLAGS] & FLAG_OPCODE) {
		write_header(answer, query, RCODE_NOTIMP);
		return DNS_ANSWER;
	}
	if (!read_query(&q, query, n)) {
		write_header(answer, query, RCODE_FORMERR);
		return DNS_ANSWER;
	}
	if (q.edns && q.version)
		return refuse(&q, query, RCODE_BADVERS, answer, size);
	if (q.type == TYPE_AXFR || q.type == TYPE_IXFR)
		return refuse(&q, query, RCODE_REFUSED, answer, size);
	struct writer w = begin(answer, room_for(&q, tcp), &q, query, RCODE_NONE);
	if (answer_ours(names, &q, &w)) {
		if (q.class != CLASS_IN && q.class != CLASS_ANY)
			return refuse(&q, query, RCODE_REFUSED, answer, size);
		answer[AT_FLAGS] |= FLAG_AA;
		*size = finish(&w, &q, RCODE_NONE);
		return DNS_ANSWER;
	}
	if (!names->n_networks && !names->inside) /* not told yet what we are on: it could be internal */
		return refuse(&q, query, RCODE_SERVFAIL, answer, size);
	if (!names->inside && !names_external(names))
		return refuse(&q, query, RCODE_NXDOMAIN, answer, size);
	return DNS_FORWARD;
}

size_t dns_reply(const uint8_t *query, size_t n, enum rcode rcode, bool truncated, uint8_t *answer)
{
	struct query q;
	if (!read_query(&q, query, n)) {
		write_header(answer, query, rcode);
		return DNS_HEADER;
	}
	struct writer w = begin(answer, UDP_BYTES, &q, query, rcode);
	w.full = truncated;
	return finish(&w, &q, rcode);
}
