"""More than 200 failures that are not the same, each as the log of a job shows it."""

from __future__ import annotations

_TRACEBACK = """Traceback (most recent call last):
  File "/home/ann/run/main.py", line 12, in <module>
    main()
  File "/home/ann/run/model.py", line 34, in {function}
    work()
{error}
"""
_HEAD = "Job 4711 starts on node07.cluster.edu at 2026-11-20T10:11:12\nloading 3 files\n"

_EXCEPTIONS = """
solve|ValueError: operands could not be broadcast together with shapes (3,) (4,)
solve|ValueError: cannot convert float NaN to integer
solve|ValueError: x and y must have the same length
solve|ValueError: array must not contain infs or NaNs
solve|ValueError: not enough values to unpack (expected 2, got 1)
solve|ValueError: could not convert string to float: 'abc'
solve|ValueError: The truth value of an array with more than one element is ambiguous.
solve|ValueError: Unknown optimizer: 'adamx'
prepare|ValueError: x and y must have the same length
load_data|ValueError: x and y must have the same length
solve|TypeError: can't convert cuda:0 device type tensor to numpy.
solve|TypeError: 'NoneType' object is not subscriptable
solve|TypeError: 'NoneType' object is not callable
solve|TypeError: unsupported operand type(s) for +: 'int' and 'str'
solve|TypeError: missing 1 required positional argument: 'beta'
solve|TypeError: missing 1 required positional argument: 'gamma'
solve|TypeError: cost() got an unexpected keyword argument 'alpha'
solve|TypeError: Object of type ndarray is not JSON serializable
solve|KeyError: 'alpha'
solve|KeyError: 'temperature'
solve|KeyError: 'h2o'
solve|IndexError: list index out of range
solve|IndexError: index 5 is out of bounds for axis 0 with size 3
solve|AttributeError: 'NoneType' object has no attribute 'shape'
solve|AttributeError: 'NoneType' object has no attribute 'group'
solve|AttributeError: module 'numpy' has no attribute 'float'
solve|AttributeError: module 'numpy' has no attribute 'bool'
solve|AttributeError: module 'networkx' has no attribute 'draw'
solve|NameError: name 'foo' is not defined
solve|NameError: name 'np' is not defined
solve|UnboundLocalError: local variable 'x' referenced before assignment
solve|ZeroDivisionError: division by zero
solve|ZeroDivisionError: float modulo
solve|OverflowError: math range error
solve|OverflowError: cannot serialize a bytes object larger than 4 GiB
solve|FloatingPointError: underflow encountered in multiply
solve|numpy.linalg.LinAlgError: Singular matrix
solve|numpy.linalg.LinAlgError: SVD did not converge
solve|numpy.linalg.LinAlgError: Eigenvalues did not converge
solve|scipy.linalg.LinAlgError: leading minor is not positive definite
solve|ModuleNotFoundError: No module named 'torch'
solve|ModuleNotFoundError: No module named 'numexpr'
solve|ModuleNotFoundError: No module named 'h5py'
solve|ModuleNotFoundError: No module named 'mpi4py'
solve|ModuleNotFoundError: No module named 'sklearn.externals'
solve|ImportError: cannot import name 'Mapping' from 'collections'
solve|ImportError: cannot import name 'load' from 'mypackage'
solve|ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory
solve|ImportError: libmpi.so.40: cannot open shared object file: No such file or directory
solve|ImportError: libhdf5.so.103: cannot open shared object file: No such file or directory
solve|ImportError: /lib64/libc.so.6: version `GLIBC_2.29' not found
solve|FileNotFoundError: [Errno 2] No such file or directory: '/data/ann/x_1.npy'
solve|PermissionError: [Errno 13] Permission denied: '/data/ann/x_1.npy'
solve|IsADirectoryError: [Errno 21] Is a directory: '/data/ann'
solve|FileExistsError: [Errno 17] File exists: '/data/ann'
solve|NotADirectoryError: [Errno 20] Not a directory: '/data/ann/x'
solve|OSError: [Errno 28] No space left on device
solve|OSError: [Errno 122] Disk quota exceeded
solve|OSError: [Errno 116] Stale file handle
solve|OSError: [Errno 5] Input/output error
solve|OSError: [Errno 30] Read-only file system: '/opt/x'
solve|OSError: [Errno 24] Too many open files
solve|OSError: Unable to open file (truncated file: eof = 96, sblock->base_addr = 0)
solve|OSError: Unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'
solve|BlockingIOError: [Errno 11] Resource temporarily unavailable
solve|ConnectionRefusedError: [Errno 111] Connection refused
solve|ConnectionResetError: [Errno 104] Connection reset by peer
solve|BrokenPipeError: [Errno 32] Broken pipe
solve|TimeoutError: [Errno 110] Connection timed out
solve|socket.gaierror: [Errno -2] Name or service not known
solve|ssl.SSLCertVerificationError: certificate verify failed: unable to get issuer
solve|urllib.error.HTTPError: HTTP Error 404: Not Found
solve|requests.exceptions.ReadTimeout: Read timed out. (read timeout=10)
solve|MemoryError
solve|numpy.core._exceptions._ArrayMemoryError: Unable to allocate 1.5 GiB for an array
solve|RecursionError: maximum recursion depth exceeded
solve|RuntimeError: CUDA error: device-side assert triggered
solve|RuntimeError: CUDA error: an illegal memory access was encountered
solve|RuntimeError: CUDA error: no kernel image is available for execution on the device
solve|RuntimeError: CUDA error: invalid device ordinal
solve|RuntimeError: No CUDA GPUs are available
solve|RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED
solve|RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED
solve|RuntimeError: Expected all tensors to be on the same device
solve|RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x10 and 20x5)
solve|RuntimeError: Trying to backward through the graph a second time
solve|RuntimeError: NCCL error: unhandled system error
solve|RuntimeError: Address already in use
solve|RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error.
solve|RuntimeError: dictionary changed size during iteration
solve|RuntimeError: can't start new thread
solve|torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 44.00 MiB (GPU 0)
solve|torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients
solve|jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory
solve|jaxlib.xla_extension.XlaRuntimeError: INTERNAL: no supported devices found
solve|tensorflow.python.framework.errors_impl.InvalidArgumentError: Matrix is not invertible
solve|tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor
solve|pickle.UnpicklingError: invalid load key, '<'
solve|EOFError: Ran out of input
solve|AttributeError: Can't pickle local object 'main.<locals>.f'
solve|concurrent.futures.process.BrokenProcessPool: A process was terminated abruptly
solve|subprocess.CalledProcessError: Command '['solver']' returned non-zero exit status 1.
solve|sqlite3.OperationalError: database is locked
solve|sqlite3.OperationalError: no such table: results
solve|json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
solve|yaml.scanner.ScannerError: mapping values are not allowed here
solve|pandas.errors.EmptyDataError: No columns to parse from file
solve|UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
solve|AssertionError: energy is not conserved
solve|AssertionError
solve|NotImplementedError: periodic boundaries
solve|StopIteration
solve|KeyboardInterrupt
solve|mpi4py.MPI.Exception: MPI_ERR_TRUNCATE: message truncated
solve|ase.calculators.calculator.CalculationFailed: vasp in /home/ann/v failed
solve|pyscf.lib.exceptions.BasisNotFoundError: Basis not found for H
solve|mypackage.errors.ConvergenceError: no convergence after 100 steps
"""

_LINES = r"""
slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***
slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO PREEMPTION ***
slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO NODE FAILURE ***
slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 ***
slurmstepd: error: Detected 1 oom-kill event(s) in StepId=20.batch.
slurmstepd: error: Job 20 exceeded memory limit (154161152 > 104857600), being killed
slurmstepd: error: execve(): solver: No such file or directory
slurmstepd: error: couldn't chdir to `/scratch/ann': No such file or directory
srun: error: Unable to create step for job 7: Invalid Trackable RESource (TRES) specification
srun: error: Unable to create step for job 7: More processors requested than permitted
sbatch: error: Batch job submission failed: Invalid account specified
sbatch: error: Batch job submission failed: Requested node configuration is not available
sbatch: error: Batch job submission failed: Invalid qos specification
sbatch: error: invalid partition specified: gpuu
=>> PBS: job killed: walltime 5423 exceeded limit 5400
=>> PBS: job killed: mem 4194304kb exceeded limit 2097152kb
=>> PBS: job killed: ncpus 17.2 exceeded limit 16 (sum)
TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.
TERM_RUNLIMIT: job killed after reaching LSF run time limit.
TERM_OWNER: job killed by owner.
qsub: Job rejected by all possible destinations
/var/spool/slurmd/job1/slurm_script: line 5: julia: command not found
/var/spool/slurmd/job1/slurm_script: line 5: mpirun: command not found
/var/spool/slurmd/job1/slurm_script: line 5: module: command not found
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Segmentation fault (core dumped) ./solver
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Bus error (core dumped) ./solver
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Illegal instruction (core dumped) ./solver
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Floating point exception (core dumped) ./solver
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Aborted (core dumped) ./solver
/var/spool/slurmd/job1/slurm_script: line 9: 4711 Killed ./solver
bash: ./solver: cannot execute binary file: Exec format error
bash: ./run.sh: /bin/bash^M: bad interpreter: No such file or directory
python: can't open file '/home/ann/run.py': [Errno 2] No such file or directory
python: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file
./solver: error while loading shared libraries: libmkl_rt.so.2: cannot open shared object file
./solver: error while loading shared libraries: libgfortran.so.5: cannot open shared object file
./solver: symbol lookup error: ./solver: undefined symbol: dgemm_
./solver: symbol lookup error: ./solver: undefined symbol: mpi_init_
Lmod has detected the following error: The following module(s) are unknown: "gcc/13.9"
Lmod has detected the following error: The following module(s) are unknown: "cudnn"
ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for 'intel'
CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'.
EnvironmentNameNotFound: Could not find conda environment: sim
Solving environment: failed with ResolvePackageNotFound: - pytorch
ERROR: Could not find a version that satisfies the requirement foo (from versions: none)
ERROR: No matching distribution found for bar
error: subprocess-exited-with-error pip build wheel for numpy
FATAL:   could not open image /home/ann/x.sif: failed to retrieve path: no such file or directory
FATAL:   container creation failed: mount /proc/self/fd/3->/var/lib failed: can't mount image
FATAL:   exec /opt/run failed: permission denied
cp: error writing '/scratch/ann/out.h5': No space left on device
mkdir: cannot create directory '/scratch/ann': Permission denied
tar: Unexpected EOF in archive
ls: cannot access '/work/ann': Transport endpoint is not connected
write error: Disk quota exceeded
FLEXlm error -5,357: No such feature exists.
License checkout failed: License Manager Error -4: all licenses are in use
wget: unable to resolve host address 'ftp.ncbi.nlm.nih.gov'
curl: (28) Connection timed out after 300 seconds
curl: (60) SSL certificate problem: unable to get local issuer certificate
ssh: connect to host node07 port 22: Connection refused
fatal: not a git repository (or any of the parent directories): .git
psycopg2.OperationalError: FATAL: remaining connection slots are reserved
MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD with errorcode 1.
mpirun noticed that process rank 3 with PID 88 on node n1 exited on signal 11 (Segmentation fault).
There are not enough slots available in the system to satisfy the 64 slots that were requested.
Fatal error in MPI_Init_thread: Other MPI error, error stack:
Fatal error in PMPI_Recv: Message truncated, error stack:
An ORTE daemon has unexpectedly failed after launch and before communicating back to mpirun.
UCX  ERROR no active messages transport to n1: Unsupported operation
NCCL WARN Call to ibv_create_qp failed with error Cannot allocate memory
NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.
cudaErrorECCUncorrectable: uncorrectable ECC error encountered
CUDA driver version is insufficient for CUDA runtime version: fatal error
HIP error: hipErrorNoBinaryForGpu: Unable to find code object for all current devices!
terminate called after throwing an instance of 'std::bad_alloc'
terminate called after throwing an instance of 'std::out_of_range'
terminate called without an active exception
double free or corruption (!prev): fatal error
*** stack smashing detected ***: terminated
malloc(): corrupted top size: abort
solver: mesh.cpp:88: void refine(): Assertion `n > 0' failed.
solver: mesh.cpp:90: void coarsen(): Assertion `n > 0' failed.
forrtl: severe (174): SIGSEGV, segmentation fault occurred
forrtl: severe (24): end-of-file during read, unit 10, file /home/ann/in.dat
forrtl: severe (41): insufficient virtual memory
forrtl: error (65): floating invalid
Fortran runtime error: End of file
Fortran runtime error: Bad real number in item 1 of list input
Fortran runtime error: Cannot open file 'params.in': No such file or directory
ERROR STOP negative density
Program received signal SIGFPE: Floating-point exception - erroneous arithmetic operation.
Program received signal SIGSEGV: Segmentation fault - invalid memory reference.
Fatal Python error: Segmentation fault
Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding
thread 'main' panicked at 'index out of bounds: the len is 3 but the index is 5', src/main.rs:10:5
thread 'main' panicked at 'called `Option::unwrap()` on a `None` value', src/lib.rs:3:9
panic: runtime error: invalid memory address or nil pointer dereference
Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
Exception in thread "main" java.lang.OutOfMemoryError: GC overhead limit exceeded
Exception in thread "main" java.lang.NullPointerException
Exception in thread "main" java.lang.UnsupportedClassVersionError: org/x/Main has been compiled
Error: Could not find or load main class org.x.Main
Can't locate Bio/SeqIO.pm in @INC (you may need to install the Bio::SeqIO module) at run.pl line 3.
Can't locate JSON.pm in @INC (you may need to install the JSON module) at run.pl line 3.
Illegal division by zero at run.pl line 5.
ERROR: LoadError: UndefVarError: `foo` not defined
ERROR: LoadError: ArgumentError: Package CSV not found in current path.
ERROR: LoadError: ArgumentError: Package Plots not found in current path.
ERROR: LoadError: BoundsError: attempt to access 3-element Vector{Float64} at index [4]
ERROR: LoadError: OutOfMemoryError()
Undefined function or variable 'x'. fatal error
Fatal error: Step 88: The total potential energy is nan
Fatal error: No such moleculetype SOL
ERROR: Lost atoms: original 32000 current 31999 (src/thermo.cpp:481)
ERROR: Unknown pair style eam/alloy (src/force.cpp:275)
Error termination via Lnk1e in /opt/g16/l502.exe at Fri Nov 20 10:11:12 2026.
ZBRENT: fatal error in bracketing
VERY BAD NEWS! internal error in subroutine SGRCON
FOAM FATAL ERROR: Attempt to return primitive failed
FOAM FATAL IO ERROR: keyword div is undefined in dictionary
A USER ERROR has occurred: Contig chr1 not present in the sequence dictionary
[E::hts_open_format] Failed to open file "reads.bam" : No such file or directory
[main_samview] fail to read the header
MissingInputException in rule align: error
WorkflowError: Target rules may not contain wildcards.
IncompleteFilesException: error, rerun with --rerun-incomplete
Unable to acquire lock on session with ID: error
"""

_R = (
    "Error in solve.default(a) : singular\nExecution halted\n",
    "Error in library(dplyr) : there is no package called 'dplyr'\nExecution halted\n",
    "Error in library(Seurat) : there is no package called 'Seurat'\nExecution halted\n",
    "Error: object 'x' not found\nExecution halted\n",
    "Error: cannot allocate vector of size 1.2 Gb\nExecution halted\n",
    'Error in file(file, "rt") : cannot open the connection\nExecution halted\n',
    "Error in `mutate()`:\n! Problem\nCaused by error:\n! object 'y' not found\nExecution halted\n",
    "{Error using chol (line 3)\nMatrix must be positive definite.\n}\n",
    "{Error using conn (line 3)\nOut of memory.\n}\n",
)


def make_failures() -> list[str]:
    """Return the logs; no two show the same failure."""
    logs = []
    for entry in _EXCEPTIONS.strip().splitlines():
        function, _, error = entry.partition("|")
        logs.append(_HEAD + _TRACEBACK.format(function=function, error=error))
    logs += [f"{_HEAD}{line}\n" for line in _LINES.strip().splitlines()]
    return [*logs, *(_HEAD + text for text in _R)]
