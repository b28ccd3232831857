/* harness.h: what the harnesses share.  With libFuzzer (tools/fuzz/run), or with -DFROM_STDIN a program that
 * takes u32 size (little-endian), input, again and again.  What must hold is asserted; the sanitizers watch
 * the rest. */
#ifndef CRUNPY_HARNESS_H
#define CRUNPY_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

#ifdef FROM_STDIN
int main(void)
{
	static uint8_t input[1 << 17];
	uint32_t size;
	unsigned long count = 0;
	while (fread(&size, sizeof(size), 1, stdin) == 1 && size <= sizeof(input) &&
	       fread(input, 1, size, stdin) == size) {
		uint8_t *exact = malloc(size + 1);
		memcpy(exact, input, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
		count++;
	}
	printf("%lu\n", count);
	return 0;
}
#endif
#endif
