#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only rank 1 grows. */
int main(int argc, char **argv) {
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 1) {
        for (int i = 0; i < 100; i++) {
            memset(malloc(4 << 20), 1, 4 << 20);
            usleep(20000);
        }
        sleep(60);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
