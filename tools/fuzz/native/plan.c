/* plan.c: a harness for the plan reader: an input is the bytes of a plan. */
#define _GNU_SOURCE
#include "core.h"
#include "harness.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t put(uint8_t *to, const void *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
	return n;
}

/* What was read, written again as runtime/plan.py writes it. */
static size_t encode(const struct plan *plan, uint8_t *to)
{
	size_t at = 0;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct step *step = &plan->steps[i];
		const uint32_t head[2] = { step->op, step->n };
		const int64_t numbers[3] = { step->a, step->b, step->c };
		at += put(to + at, head, sizeof(head));
		at += put(to + at, numbers, sizeof(numbers));
		for (uint32_t k = 0; k < step->n; k++) {
			at += put(to + at, &step->s[k].len, sizeof(step->s[k].len));
			at += put(to + at, step->s[k].p, step->s[k].len + 1);
		}
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan plan = { 0 };
	int fd = memfd_create("plan", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file of the input");
	int error = plan_read(fd, &plan);
	close(fd);
	if (error)
		return 0;
	uint8_t *again = malloc(size + 1);
	must(encode(&plan, again) == size && !memcmp(again, data, size), "the same bytes again");
	for (uint32_t i = 0; i < plan.n; i++) {
		char **argv = step_argv(&plan.steps[i]);
		must(argv && !argv[plan.steps[i].n], "the list of strings ends");
		must(!*step_str(&plan.steps[i], plan.steps[i].n), "no more strings than there are");
		free(argv);
	}
	free(again);
	free(plan.steps);
	free(plan.data);
	free(plan.strings);
	return 0;
}
