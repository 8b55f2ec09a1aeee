#include <stdio.h>

int main(void) {
    puts("using instructions of a newer processor");
    fflush(stdout);
    __asm__ volatile("ud2");
    return 0;
}
