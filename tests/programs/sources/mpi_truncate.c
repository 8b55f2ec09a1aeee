#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int rank, length, status;
    char words[MPI_MAX_ERROR_STRING];
    double values[8] = {0};
    MPI_Init(&argc, &argv);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        MPI_Send(values, 8, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD);
    } else {
        status = MPI_Recv(values, 2, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (status != MPI_SUCCESS) {
            MPI_Error_string(status, words, &length);
            fprintf(stderr, "rank 1: MPI_Recv failed: %s\n", words);
            MPI_Abort(MPI_COMM_WORLD, status);
        }
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
