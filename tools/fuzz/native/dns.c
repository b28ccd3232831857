/* dns.c: a harness for what the DNS responder reads of strangers: packets, `names`, resolv.conf.
 *
 * An input is u16 n (big-endian), n bytes of `names`, then a query; `aa…a` is the container. */
#include "dns.h"
#include "harness.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

static const char owner[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static struct names names;

static void decide(const uint8_t *query, size_t n, bool tcp)
{
	size_t room = tcp ? ANSWER_BYTES : UDP_BYTES, size = 0;
	uint8_t *answer = malloc(room); /* of its own, so that a byte too much is seen */
	enum verdict verdict = dns_decide(&names, query, n, tcp, answer, &size);
	if (verdict == DNS_SILENCE)
		must(n < DNS_HEADER || query[2] & 0x80, "only responses and scraps get no answer");
	if (verdict == DNS_FORWARD) {
		must(names_external(&names), "nothing leaves internal networks");
		size = dns_reply(query, n, RCODE_SERVFAIL, !tcp, answer);
	}
	if (verdict != DNS_SILENCE) {
		must(size >= DNS_HEADER && size <= room, "the answer's size");
		must(tcp || size <= dns_takes(query, n), "what the client takes");
		must(!memcmp(answer, query, 2) && answer[2] & 0x80, "its id, and it is a response");
		must(get16(answer + 4) == 0 || dns_answers(query, n, answer, size), "it answers the question");
	}
	free(answer);
}

static unsigned no_interface(const char *name)
{
	return (unsigned)strlen(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct servers servers;
	if (size < 2)
		return 0;
	size_t n = get16(data), rest = size - 2;
	if (n > rest)
		n = rest;
	memcpy(names.text, data + 2, n);
	ASAN_POISON_MEMORY_REGION(names.text + n, NAMES_BYTES - n);
	names_load(&names, owner, n, no_interface);
	must(names.kept <= n, "names are kept in the place of what was read");
	size_t asked = rest - n < QUERY_BYTES ? rest - n : QUERY_BYTES;
	uint8_t *query = malloc(asked + 1), *text = malloc(n + 1);
	memcpy(query, data + 2 + n, asked);
	memcpy(text, data + 2, n);
	uint8_t *exact = realloc(query, asked ? asked : 1);
	decide(exact, asked, false);
	decide(exact, asked, true);
	(void)dns_answers(exact, asked, text, n);
	(void)dns_answers(text, n, exact, asked);
	servers_parse(&servers, (const char *)text, n, no_interface);
	free(exact);
	free(text);
	ASAN_UNPOISON_MEMORY_REGION(names.text, NAMES_BYTES);
	return 0;
}
