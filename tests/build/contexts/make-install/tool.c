#include <stdio.h>

int answer(void);

int main(int count, char **words)
{
	(void)words;
	return printf(count > 1 ? "tool 1.%d\n" : "the answer is %d\n", answer()) < 0;
}
