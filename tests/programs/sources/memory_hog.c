#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Grows by 4 MB at a time up to 400 MB, then waits: a scheduler that looks at the
   memory only now and then must get a chance to see it. */
int main(void) {
    for (int i = 0; i < 100; i++) {
        char *block = malloc(4 << 20);
        if (block == NULL) {
            perror("malloc");
            return 1;
        }
        memset(block, 1, 4 << 20);
        usleep(20000);
    }
    sleep(60);
    return 0;
}
