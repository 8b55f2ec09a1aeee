#include <string.h>

static int descend(int depth) {
    volatile char frame[65536];
    memset((char *)frame, depth, sizeof frame);
    return descend(depth + 1) + frame[depth % 100];
}

int main(void) { return descend(0); }
