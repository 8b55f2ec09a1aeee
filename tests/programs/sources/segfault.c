#include <stddef.h>
#include <stdio.h>

static double energy(const double *spins) { return spins[12]; }

int main(void) {
    puts("computing the energy");
    fflush(stdout);
    printf("%f\n", energy(NULL));
    return 0;
}
