#include "text.h"

int shorten(int n)
{
	return n % 1000;
}
