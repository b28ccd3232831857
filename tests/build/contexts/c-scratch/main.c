#include <stdio.h>
#include <unistd.h>
#include "text.h"

int main(int count, char **words)
{
	printf("%s, %s (%d)\n", TEXT, count > 1 ? words[1] : "?", shorten(getuid()));
	return 0;
}
