/* dns_names.c: the file `names` becomes tables in which names and addresses are looked up.  Pure: no
 * system calls; runs in the responder and in tools/fuzz.
 *
 * A line is `OWNER NETWORK ADDRESS NAME[ NAME ...]`, or tells of a network's servers, see net/dns.py.  Only the lines of networks that we
 * are on are kept, so that what we do not share is as unknown as what there is not. */
#include "dns.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct word {
	char *at;
	size_t len;
};
struct line {
	struct word owner, network, address, names; /* names: all of them */
	bool internal;
};

char dns_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static uint32_t hash_of(const void *data, size_t n)
{
	const uint8_t *at = data;
	uint32_t hash = 2166136261U; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ at[i]) * 16777619U;
	return hash;
}

/* ---- one line ---- */

/* The next word and the single space behind it; false when there is no word. */
static bool take_word(struct word *rest, struct word *out)
{
	char *end = memchr(rest->at, ' ', rest->len);
	out->at = rest->at;
	out->len = end ? (size_t)(end - rest->at) : rest->len;
	size_t took = out->len + (end ? 1 : 0);
	rest->at += took;
	rest->len -= took;
	return out->len > 0;
}

static bool is_name(const struct word *name)
{
	size_t label = 0;
	if (name->len > NAME_BYTES)
		return false;
	for (size_t i = 0; i < name->len; i++) {
		if (name->at[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (name->at[i] <= ' ' || name->at[i] > '~' || ++label > LABEL_BYTES)
			return false;
	}
	return label > 0;
}

static bool is_owner(const struct word *owner)
{
	for (size_t i = 0; i < owner->len; i++)
		if (!strchr("0123456789abcdef", owner->at[i]) || !owner->at[i])
			return false;
	return owner->len == OWNER_BYTES;
}

static bool is_network(const struct word *network)
{
	for (size_t i = 0; i < network->len; i++)
		if (network->at[i] <= ' ' || network->at[i] > '~')
			return false;
	return network->len > 0 && network->len <= NETWORK_BYTES;
}

static int parse_address(const struct word *word, uint8_t *out)
{
	char text[INET6_ADDRSTRLEN];
	if (word->len >= sizeof(text) || memchr(word->at, '\0', word->len))
		return 0;
	memcpy(text, word->at, word->len);
	text[word->len] = '\0';
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	return inet_pton(AF_INET6, text, out) == 1 ? 6 : 0;
}

/* False for what is no line; the names are looked at by `names_are_good`. */
static bool split(struct word rest, struct line *line)
{
	if (!take_word(&rest, &line->owner) || !take_word(&rest, &line->network) ||
	    !take_word(&rest, &line->address) || !rest.len || rest.at[rest.len - 1] == ' ')
		return false;
	line->names = rest;
	line->internal = line->network.at[0] == '!';
	line->network.at += line->internal;
	line->network.len -= line->internal;
	return is_owner(&line->owner) && is_network(&line->network);
}

static bool is_whole(const struct line *line)
{
	uint8_t address[16];
	struct word rest = line->names, name;
	while (rest.len)
		if (!take_word(&rest, &name) || !is_name(&name))
			return false;
	return parse_address(&line->address, address) != 0;
}

/* The next good line; false at the end. */
static bool next_line(struct word *rest, struct line *line)
{
	while (rest->len) {
		char *end = memchr(rest->at, '\n', rest->len);
		if (!end)
			return false; /* cut off */
		struct word text = { rest->at, (size_t)(end - rest->at) };
		rest->at = end + 1;
		rest->len -= text.len + 1;
		if (split(text, line) && is_whole(line))
			return true;
	}
	return false;
}

/* ---- loading ---- */

static int network_index(const struct names *names, const struct word *name)
{
	for (uint32_t i = 0; i < names->n_networks; i++)
		if (names->networks[i].len == name->len && !memcmp(names->networks[i].name, name->at, name->len))
			return (int)i;
	return -1;
}

static void find_our_networks(struct names *names, const char *owner, struct word text)
{
	struct line line;
	while (next_line(&text, &line)) {
		if (memcmp(line.owner.at, owner, OWNER_BYTES) != 0)
			continue;
		int found = network_index(names, &line.network);
		if (found >= 0) {
			names->networks[found].internal |= line.internal; /* the stricter of two that differ */
		} else if (names->n_networks < MAX_NETWORKS) {
			struct dns_network *network = &names->networks[names->n_networks++];
			memcpy(network->name, line.network.at, line.network.len);
			network->len = (uint8_t)line.network.len;
			network->internal = line.internal;
		}
	}
}

/* Keep one name, in the front of the text: what is there has been read already. */
static void keep_name(struct names *names, const struct word *name)
{
	if (names->n_entries == MAX_ENTRIES)
		return;
	char *to = names->text + names->kept;
	for (size_t i = 0; i < name->len; i++)
		to[i] = dns_lower(name->at[i]);
	names->entries[names->n_entries++] = (struct dns_entry){ .name = (uint32_t)names->kept,
								 .len = (uint8_t)name->len,
								 .hash = hash_of(to, name->len),
								 .record = (uint16_t)(names->n_records - 1) };
	names->kept += name->len;
}

static void keep_line(struct names *names, struct line *line)
{
	int network = network_index(names, &line->network);
	if (network < 0 || names->n_records == MAX_RECORDS || names->n_entries == MAX_ENTRIES)
		return;
	struct dns_record *record = &names->records[names->n_records++];
	*record = (struct dns_record){ .network = (uint8_t)network, .name = (uint32_t)names->kept };
	record->family = (uint8_t)parse_address(&line->address, record->address);
	for (struct word name; line->names.len && take_word(&line->names, &name);) {
		if (!record->name_len)
			record->name_len = (uint8_t)name.len;
		keep_name(names, &name);
	}
}

static size_t address_bytes(const struct dns_record *record)
{
	return record->family == 4 ? 4 : 16;
}

/* Whether the same name has the same address already, on the same network.  A bounded look: an answer
 * with an address twice does no harm. */
static bool is_repeated(const struct names *names, const struct dns_entry *entry)
{
	enum { LOOK_AT = 64 };
	const struct dns_record *mine = &names->records[entry->record];
	int left = LOOK_AT;
	for (uint16_t at = names->by_name[entry->hash & names->mask]; at && left; left--) {
		const struct dns_entry *other = &names->entries[at - 1];
		const struct dns_record *record = &names->records[other->record];
		if (other->hash == entry->hash && other->len == entry->len && record->family == mine->family &&
		    record->network == mine->network &&
		    !memcmp(names->text + other->name, names->text + entry->name, entry->len) &&
		    !memcmp(record->address, mine->address, address_bytes(mine)))
			return true;
		at = other->next;
	}
	return false;
}

/* From the last to the first, so that each chain is in the order of the file. */
static void chain(struct names *names)
{
	names->mask = 15;
	while (names->mask < names->n_entries && names->mask < MAX_ENTRIES)
		names->mask = names->mask * 2 + 1;
	memset(names->by_name, 0, (names->mask + 1) * sizeof(*names->by_name));
	memset(names->by_address, 0, (names->mask + 1) * sizeof(*names->by_address));
	for (uint32_t i = names->n_entries; i-- > 0;) {
		struct dns_entry *entry = &names->entries[i];
		if (is_repeated(names, entry))
			continue;
		entry->next = names->by_name[entry->hash & names->mask];
		names->by_name[entry->hash & names->mask] = (uint16_t)(i + 1);
	}
	for (uint32_t i = names->n_records; i-- > 0;) {
		struct dns_record *record = &names->records[i];
		uint32_t slot = hash_of(record->address, address_bytes(record)) & names->mask;
		record->next = names->by_address[slot];
		names->by_address[slot] = (uint16_t)(i + 1);
	}
}

/* Lines `@ NETWORK SERVER[ SERVER ...]`. */
static void find_servers(struct names *names, struct word text, interface_index index)
{
	names->servers.n = 0;
	while (text.len) {
		char *end = memchr(text.at, '\n', text.len);
		if (!end)
			return; /* cut off */
		struct word line = { text.at, (size_t)(end - text.at) }, word;
		text.at = end + 1;
		text.len -= line.len + 1;
		if (!take_word(&line, &word) || word.len != 1 || *word.at != '@' || !take_word(&line, &word) ||
		    network_index(names, &word) < 0)
			continue;
		while (line.len && take_word(&line, &word))
			servers_add(&names->servers, word.at, word.len, index);
	}
}

void names_load(struct names *names, const char *owner, size_t size, interface_index index)
{
	struct word text = { names->text, size < NAMES_BYTES ? size : NAMES_BYTES };
	struct line line;
	names->n_networks = names->n_records = names->n_entries = 0;
	names->kept = 0;
	find_our_networks(names, owner, text);
	find_servers(names, text, index);
	while (names->n_networks && next_line(&text, &line))
		keep_line(names, &line);
	chain(names);
}

/* ---- looking up ---- */

bool names_external(const struct names *names)
{
	for (uint32_t i = 0; i < names->n_networks; i++)
		if (!names->networks[i].internal)
			return true;
	return false;
}

static bool is_wanted(const struct names *names, const struct dns_entry *entry, const struct dns_wanted *wanted)
{
	return entry->hash == wanted->hash && entry->len == wanted->len &&
	       (wanted->network < 0 || names->records[entry->record].network == wanted->network) &&
	       !memcmp(names->text + entry->name, wanted->name, wanted->len);
}

struct dns_entry *names_next(struct names *names, const struct dns_wanted *wanted, const struct dns_entry *after)
{
	uint16_t at = after ? after->next : names->by_name[wanted->hash & names->mask];
	while (at && !is_wanted(names, &names->entries[at - 1], wanted))
		at = names->entries[at - 1].next;
	return at ? &names->entries[at - 1] : NULL;
}

static bool is_known(const struct names *names, const struct dns_wanted *wanted)
{
	uint16_t at = names->by_name[wanted->hash & names->mask];
	while (at && !is_wanted(names, &names->entries[at - 1], wanted))
		at = names->entries[at - 1].next;
	return at != 0;
}

/* Whether the `len` bytes of text, lower case, are the network's name. */
static bool names_network(const struct dns_network *network, const char *text, size_t len)
{
	if (network->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (dns_lower(network->name[i]) != text[i])
			return false;
	return true;
}

bool names_find(const struct names *names, const char *text, size_t len, struct dns_wanted *out)
{
	*out = (struct dns_wanted){ text, len, hash_of(text, len), -1 };
	if (is_known(names, out))
		return true;
	for (uint32_t i = 0; i < names->n_networks; i++) {
		size_t suffix = names->networks[i].len;
		if (len < suffix + 2 || text[len - suffix - 1] != '.' ||
		    !names_network(&names->networks[i], text + len - suffix, suffix))
			continue;
		*out = (struct dns_wanted){ text, len - suffix - 1, hash_of(text, len - suffix - 1), (int)i };
		if (is_known(names, out))
			return true;
	}
	return false;
}

const struct dns_record *names_at(const struct names *names, const uint8_t *address, int family,
				  const struct dns_record *after)
{
	size_t n = family == 4 ? 4 : 16;
	uint16_t at = after ? after->next : names->by_address[hash_of(address, n) & names->mask];
	for (; at; at = names->records[at - 1].next) {
		const struct dns_record *record = &names->records[at - 1];
		if (record->family == family && !memcmp(record->address, address, n))
			return record;
	}
	return NULL;
}
