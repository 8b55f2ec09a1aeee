#include <stdlib.h>

int main(void) {
    char *volatile grid = malloc(64);
    free(grid);
    free(grid);
    return 0;
}
