#include <stdio.h>

double dock_ship(double length);

int main(void) {
    printf("%f\n", dock_ship(3.0));
    return 0;
}
