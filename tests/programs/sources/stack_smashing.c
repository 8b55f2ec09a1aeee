#include <string.h>

static void copy_label(const char *label) {
    char name[8];
    strcpy(name, label);
}

int main(void) {
    copy_label("a label that is much longer than the eight bytes it is given");
    return 0;
}
