#include <stdio.h>
#include <stdlib.h>

int main(void) {
    fputs("mesh: inverted element 17\n", stderr);
    abort();
}
