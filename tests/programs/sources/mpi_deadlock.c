#include <mpi.h>
#include <unistd.h>

/* Rank 1 never sends what rank 0 waits for; it sleeps to spare the processor. */
int main(int argc, char **argv) {
    int rank, ready = 0;
    double value;
    MPI_Request request;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        MPI_Irecv(&value, 1, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD, &request);
        while (!ready) {
            MPI_Test(&request, &ready, MPI_STATUS_IGNORE);
            usleep(50000);
        }
    } else {
        pause();
    }
    MPI_Finalize();
    return 0;
}
