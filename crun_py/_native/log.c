/* log.c: what is in the container's log.  Runs in the streams; its files are the monitor's (log_files.c).
 *
 * json-file (docker's): one object per line, {"log":…,"stream":…,"time":…}.  Text is valid UTF-8 in the file whatever the container wrote: other bytes become U+FFFD.
 * k8s-file (the kubelet's, podman's): TIME STREAM F|P TEXT, bytes as they came.
 * A line of more than LINE_MAX_BYTES is written in parts; a part has no "\n" at its end, or
 * a P for partial.
 * What a full disk does not take is lost, and counted: an entry without text, with the member
 * "lost" or the tag P:lost=N, says how many entries are missing before it (logs.py reads it). */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* OUT: what a whole read becomes at most is written at once, for a file system takes few large
 * pieces faster than many small ones */
enum { TIME_BYTES = 30, LINE_MAX_BYTES = 16 << 10, ENTRY_MAX = LINE_MAX_BYTES * 6 + 128 };
enum { OUT = CHUNK * 6, KEPT = 64 << 10 };

struct log {
	int fd, format;
	int (*next)(bool rotate);
	int64_t max_bytes, size;
	int64_t lost; /* entries that are missing, and of which the file does not tell yet */
	size_t out_used;
	bool wide; /* pages of `out` beyond KEPT were touched */
	struct {
		size_t used;
		char data[LINE_MAX_BYTES];
	} line[2];
	char out[OUT + ENTRY_MAX];
};

/* What an ASCII byte becomes; 8 bytes each, so that one fixed-size copy does. */
static struct escaped {
	char text[7];
	unsigned char n;
} escapes[128];

static void set_escape(unsigned char c, const char *text)
{
	escapes[c].n = (unsigned char)strlen(text);
	memcpy(escapes[c].text, text, escapes[c].n);
}

static void fill_escapes(void)
{
	char text[8];
	for (unsigned c = 0; c < 128; c++) {
		snprintf(text, sizeof(text), c < 0x20 || c == 0x7f ? "\\u%04x" : "%c", c);
		set_escape((unsigned char)c, text);
	}
	set_escape('\n', "\\n");
	set_escape('\t', "\\t");
	set_escape('\r', "\\r");
	set_escape('"', "\\\"");
	set_escape('\\', "\\\\");
}

struct log *log_open(int fd, int64_t max_bytes, int format)
{
	struct stat st;
	struct log *log = fd < 0 || fstat(fd, &st) ? NULL : malloc(sizeof(*log)); /* not zeroed: pages are touched when used */
	if (!log)
		return NULL;
	log->fd = fd;
	log->next = NULL;
	fill_escapes();
	log->size = st.st_size;
	log->format = format;
	log->max_bytes = max_bytes;
	log->wide = false;
	log->lost = 0;
	log->out_used = log->line[0].used = log->line[1].used = 0;
	return log;
}

/* Append whole entries; returns how many bytes of them the file has.  A part of one would make the
 * next one unreadable as well. */
static size_t write_entries(struct log *log, const char *text, size_t n)
{
	size_t at = 0;
	while (log->fd >= 0 && at < n) {
		ssize_t done = write(log->fd, text + at, n - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			break; /* disk full: the text is lost, the container goes on */
		at += (size_t)done;
	}
	size_t whole = at;
	while (whole && text[whole - 1] != '\n')
		whole--;
	if (whole < at) /* from the end: somebody may have truncated it meanwhile */
		(void)ftruncate(log->fd, lseek(log->fd, 0, SEEK_END) - (off_t)(at - whole));
	log->size += (int64_t)whole;
	return whole;
}

static void tell_lost(struct log *log)
{
	char time[40], entry[160];
	now_rfc3339(time);
	int n = snprintf(entry, sizeof(entry),
			 log->format == LOG_K8S
				 ? "%s stderr P:lost=%lld \n"
				 : "{\"log\":\"\",\"stream\":\"stderr\",\"time\":\"%s\",\"lost\":%lld}\n",
			 time, (long long)log->lost);
	if (write_entries(log, entry, (size_t)n) == (size_t)n)
		log->lost = 0;
}

static void flush_out(struct log *log)
{
	log->wide = log->wide || log->out_used > KEPT;
	if (log->fd < 0 && log->out_used) /* it was rotated on a full disk */
		log->fd = log->next(false);
	if (log->lost && log->out_used)
		tell_lost(log);
	size_t at = log->lost ? 0 : write_entries(log, log->out, log->out_used);
	for (; at < log->out_used; at++)
		log->lost += log->out[at] == '\n'; /* each entry has one */
	log->out_used = 0;
}

void log_feed(struct log *log, int (*next)(bool rotate))
{
	log->next = next;
}

int log_fd(const struct log *log)
{
	return log->fd;
}

int64_t log_lost(const struct log *log)
{
	return log->lost;
}

/* The flood is over: its memory goes back. */
static void narrow(struct log *log)
{
	const uintptr_t page = 4096;
	uintptr_t from = ((uintptr_t)log->out + KEPT + page - 1) & ~(page - 1);
	uintptr_t to = ((uintptr_t)log->out + sizeof(log->out)) & ~(page - 1);
	(void)madvise((void *)from, to - from, MADV_DONTNEED); /* larger pages: it stays */
	log->wide = false;
}

static void rotate(struct log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = log->next(true);
	log->size = 0;
}

/* Bytes of the UTF-8 sequence at p (RFC 3629), 0 when it is not one. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* How many bytes from p on need no escape: printable ASCII but '"' and '\\'.  Eight at a
 * time, for a flood of output spends most of its time here. */
static size_t plain_length(const unsigned char *p, size_t n)
{
	const uint64_t ones = ~(uint64_t)0 / 255, tops = ones * 128;
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		uint64_t word;
		memcpy(&word, p + i, sizeof(word));
		uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\', del = word ^ ones * 0x7f;
		/* a byte's top bit is set where it is < 0x20, '"', '\\', 0x7f or not ASCII */
		uint64_t odd = (word - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones) | word;
		if (odd & tops)
			break;
	}
	while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static char *append(char *out, const char *text, size_t n)
{
	memcpy(out, text, n);
	return out + n;
}

/* A run of NUL bytes, which binary output is full of, eight at a time. */
static const char *escape_nuls(char **out, const char *p, const char *end)
{
	static const char eight[] = "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000";
	uint64_t word = 0;
	for (; end - p >= (ptrdiff_t)sizeof(word); p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (word)
			break;
		*out = append(*out, eight, sizeof(eight) - 1);
	}
	return p;
}

/* Writes up to 7 bytes past what it returns. */
static char *escape(char *out, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + n;
	while (p < end) {
		size_t plain = plain_length(p, (size_t)(end - p));
		memcpy(out, p, plain);
		out += plain;
		p += plain;
		p = (const unsigned char *)escape_nuls(&out, (const char *)p, (const char *)end);
		for (; p < end && *p < 0x80 && escapes[*p].n > 1; p++) {
			memcpy(out, escapes[*p].text, sizeof(escapes[*p].text));
			out += escapes[*p].n;
		}
		if (p == end || *p < 0x80)
			continue;
		size_t len = utf8_length(p, (size_t)(end - p));
		if (len)
			out = append(out, (const char *)p, len);
		else
			out = append(out, "\\ufffd", 6);
		p += len ? len : 1;
	}
	return out;
}

static char *put_json(char *end, int stream, const char *text, size_t n, const char *time)
{
	static const char head[] = "{\"log\":\"", tail[] = "\"}\n";
	static const char names[2][32] = { "\",\"stream\":\"stdout\",\"time\":\"", "\",\"stream\":\"stderr\",\"time\":\"" };
	end = append(end, head, sizeof(head) - 1);
	end = escape(end, text, n);
	end = append(end, names[stream], strlen(names[0]));
	end = append(end, time, TIME_BYTES);
	return append(end, tail, sizeof(tail) - 1);
}

static char *put_k8s(char *end, int stream, const char *text, size_t n, const char *time)
{
	bool whole = n && text[n - 1] == '\n';
	end = append(end, time, TIME_BYTES);
	end = append(end, stream == STDERR_STREAM ? " stderr " : " stdout ", 8);
	end = append(end, whole ? "F " : "P ", 2);
	end = append(end, text, n);
	return whole ? end : append(end, "\n", 1);
}

static void put_entry(struct log *log, int stream, const char *text, size_t n, const char *time)
{
	char *start = log->out + log->out_used;
	char *end = (log->format == LOG_K8S ? put_k8s : put_json)(start, stream, text, n, time);
	log->out_used += (size_t)(end - start);
	if (log->max_bytes && log->size + (int64_t)log->out_used >= log->max_bytes) {
		flush_out(log);
		rotate(log);
	} else if (log->out_used >= OUT) {
		flush_out(log);
	}
}

void log_write(struct log *log, int stream, const char *data, size_t n)
{
	char time[40];
	now_rfc3339(time);
	size_t *used = &log->line[stream].used;
	char *held = log->line[stream].data;
	bool flood = n == CHUNK;
	while (n) {
		const char *newline = memchr(data, '\n', n);
		size_t take = newline ? (size_t)(newline - data) + 1 : n;
		if (!*used && newline && take <= LINE_MAX_BYTES) {
			put_entry(log, stream, data, take, time);
		} else {
			if (take > LINE_MAX_BYTES - *used)
				take = LINE_MAX_BYTES - *used;
			memcpy(held + *used, data, take);
			*used += take;
			if (*used == LINE_MAX_BYTES || held[*used - 1] == '\n') {
				put_entry(log, stream, held, *used, time);
				*used = 0;
			}
		}
		data += take;
		n -= take;
	}
	flush_out(log);
	if (log->wide && !flood)
		narrow(log);
}

int64_t log_close(struct log *log)
{
	char time[40];
	now_rfc3339(time);
	for (int stream = 0; stream < 2; stream++)
		if (log->line[stream].used)
			put_entry(log, stream, log->line[stream].data, log->line[stream].used, time);
	flush_out(log);
	if (log->lost)
		tell_lost(log);
	int64_t lost = log->lost;
	if (log->fd >= 0)
		close(log->fd);
	free(log);
	return lost;
}
