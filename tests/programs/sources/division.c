#include <stdio.h>

int main(int argc, char **argv) {
    volatile int bins = argc - 1;
    puts("filling the histogram");
    fflush(stdout);
    return 100 / bins;
}
