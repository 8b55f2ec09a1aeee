#include <mpi.h>

int main(int argc, char **argv) {
    double value = 1;
    int size;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Send(&value, 1, MPI_DOUBLE, size + 5, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
