#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    size_t wanted = (size_t)4 << 30;
    char *matrix = malloc(wanted);
    if (matrix == NULL) {
        perror("matrix: malloc");
        return 1;
    }
    memset(matrix, 0, wanted);
    return 0;
}
