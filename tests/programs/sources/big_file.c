#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static char block[65536];
    FILE *out = fopen("trajectory.bin", "w");
    for (int i = 0; i < 64; i++)
        fwrite(block, 1, sizeof block, out);
    fclose(out);
    return 0;
}
