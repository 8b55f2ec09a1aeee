#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

/* The abort is only how the program ends; the missing file is why. */
int main(int argc, char **argv) {
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0 && fopen("potential.dat", "r") == NULL) {
        fprintf(stderr, "rank 0: can't open potential.dat: %s\n", strerror(errno));
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
