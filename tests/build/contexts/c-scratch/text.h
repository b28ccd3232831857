#define TEXT "static"
int shorten(int n);
