#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    FILE *in = fopen(argv[1], "r");
    if (in == NULL) {
        fprintf(stderr, "ERROR: can't open %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    return 0;
}
