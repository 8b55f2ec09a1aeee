#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Reads a mapping behind the end of its file, as happens when a file shrinks. */
int main(void) {
    int file = open("mapped.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(file, 8192);
    volatile char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    ftruncate(file, 0);
    puts("reading the map");
    fflush(stdout);
    return map[4096];
}
