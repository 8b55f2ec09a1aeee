"""Messages of languages, shells, compilers and test runners."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import check_said

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
    "number-cmd": (
        "slurm_script: line 3: 20250301: command not found\n",
        ("command_not_found",),
        "20250301",
    ),
    "dash-cmd": (
        "/tmp/job.sh: 14: mpirun: not found\n",
        ("command_not_found",),
        "mpirun: not found",
    ),
    "zsh-cmd": ("zsh: command not found: snakemake\n", ("command_not_found",), "snakemake"),
    "fortran-error-stop": (
        " step 1\n Fatal: density is negative at cell 42\nERROR STOP 1\n\nError termination. Backtrace:\n#0  0x7f in main\n\tat solver.f90:12\n",
        ("code_error",),
        "density is negative",
    ),
    "matlab-err": (
        "Error using load\nUnable to find file or directory 'mesh.mat'.\n\nError in run_case (line 14)\nS = load('mesh.mat');\n",
        ("file_not_found",),
        "Unable to find file",
    ),
    "octave": (
        "error: could not find any INPUT arguments\nerror: called from\n    main at line 12 column 3\n",
        ("code_error", "configuration_error"),
        "INPUT arguments",
    ),
    "octave-undef": (
        "error: 'foo' undefined near line 3, column 5\nerror: called from\n    run at line 3 column 1\n",
        ("code_error",),
        "'foo' undefined",
    ),
    "r-pkg": (
        "Error: package or namespace load failed for 'sf' in dyn.load(file, DLLpath = DLLpath, ...):\n unable to load shared object '/home/u/R/sf/libs/sf.so':\n  libgdal.so.30: cannot open shared object file: No such file or directory\nExecution halted\n",
        ("missing_shared_library",),
        "libgdal.so.30",
    ),
    "r-nopkg": (
        "Error in library(DESeq2) : there is no package called 'DESeq2'\nExecution halted\n",
        ("missing_module",),
        "DESeq2",
    ),
    "r-file": (
        'Error in file(file, "rt") : cannot open the connection\nCalls: read.csv -> read.table -> file\nIn addition: Warning message:\nIn file(file, "rt") :\n  cannot open file \'in.csv\': No such file or directory\nExecution halted\n',
        ("file_not_found",),
        "in.csv",
    ),
    "java-cause": (
        'Exception in thread "main" java.lang.RuntimeException: job failed\n\tat org.x.Main.run(Main.java:10)\n\tat org.x.Main.main(Main.java:5)\nCaused by: java.io.FileNotFoundException: /data/a.vcf (No such file or directory)\n\tat java.io.FileInputStream.open0(Native Method)\n\t... 2 more\n',
        ("file_not_found",),
        "a.vcf",
    ),
    "rust-panic": (
        "thread 'main' panicked at src/main.rs:12:5:\nindex out of bounds: the len is 3 but the index is 7\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
        ("code_error", "crash"),
        "index out of bounds",
    ),
    "go-panic": (
        "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/home/u/main.go:8 +0x1d\nexit status 2\n",
        ("code_error", "crash"),
        "index out of range",
    ),
    "perl": (
        "Can't locate Bio/SeqIO.pm in @INC (you may need to install the Bio::SeqIO module) (@INC contains: /etc/perl) at run.pl line 3.\nBEGIN failed--compilation aborted at run.pl line 3.\n",
        ("missing_module",),
        "Bio/SeqIO.pm",
    ),
    "perl-die": (
        "Cannot open genome.fa at /home/u/scan.pl line 44.\n",
        ("file_not_found", "code_error"),
        "genome.fa",
    ),
    "node": (
        "node:internal/modules/cjs/loader:1080\n  throw err;\n  ^\n\nError: Cannot find module 'express'\nRequire stack:\n- /home/u/app.js\n",
        ("missing_module",),
        "express",
    ),
    "lua": (
        "lua: main.lua:3: attempt to index a nil value (global 'cfg')\nstack traceback:\n\tmain.lua:3: in main chunk\n",
        ("code_error",),
        "attempt to index",
    ),
    "ruby": (
        "run.rb:3:in `open': No such file or directory @ rb_sysopen - data.txt (Errno::ENOENT)\n\tfrom run.rb:3:in `<main>'\n",
        ("file_not_found",),
        "data.txt",
    ),
    "julia-sys": (
        'ERROR: LoadError: SystemError: opening file "/data/in.jld": No such file or directory\nStacktrace:\n [1] systemerror(p::String, errno::Int32)\n   @ Base ./error.jl:176\n [2] top-level scope\n   @ ~/run.jl:4\nin expression starting at /home/u/run.jl:4\n',
        ("file_not_found",),
        "in.jld",
    ),
    "julia-method": (
        "ERROR: LoadError: MethodError: no method matching solve(::Int64)\nStacktrace:\n [1] top-level scope\n   @ ~/run.jl:4\nin expression starting at /home/u/run.jl:4\n",
        ("code_error",),
        "no method matching",
    ),
    "pytest-failed": (
        "============ test session starts ============\ncollected 3 items\n\ntests/test_a.py .F.                  [100%]\n\n================= FAILURES =================\n_________ test_x _________\n\n    def test_x():\n>       assert f(2) == 3\nE       assert 4 == 3\nE        +  where 4 = f(2)\n\ntests/test_a.py:5: AssertionError\n========= short test summary info ==========\nFAILED tests/test_a.py::test_x - assert 4 == 3\n======= 1 failed, 2 passed in 0.12s ========\n",
        ("code_error",),
        "assert 4 == 3",
    ),
    "ctest": (
        "99% tests passed, 1 tests failed out of 120\n\nThe following tests FAILED:\n\t 17 - mpi_reduce (Failed)\nErrors while running CTest\n",
        ("code_error",),
        "FAILED",
    ),
    "usage-argparse": (
        "usage: train.py [-h] --data DATA\ntrain.py: error: the following arguments are required: --data\n",
        ("configuration_error",),
        "arguments are required",
    ),
    "fortran-stop": (
        " reading namelist\nERROR STOP Input grid is not monotonic\n",
        ("code_error", "configuration_error"),
        "not monotonic",
    ),
    "fortran-iostat": (
        "At line 12 of file main.f90 (unit = 10, file = 'in.dat')\nFortran runtime error: End of file\n",
        ("configuration_error", "code_error", "file_not_found"),
        "End of file",
    ),
    "fortran-forrtl": (
        "forrtl: severe (29): file not found, unit 10, file /home/u/in.dat\nImage              PC                Routine            Line        Source\nprog               000000000040A1B6  Unknown               Unknown  Unknown\n",
        ("file_not_found",),
        "forrtl: severe (29)",
    ),
    "make-fail": (
        "gcc -c a.c\na.c:3:10: fatal error: hdf5.h: No such file or directory\ncompilation terminated.\nmake: *** [Makefile:12: a.o] Error 1\n",
        ("file_not_found", "code_error", "configuration_error"),
        "hdf5.h",
    ),
    "link-fail": (
        "/usr/bin/ld: cannot find -lfftw3: No such file or directory\ncollect2: error: ld returned 1 exit status\nmake: *** [Makefile:8: all] Error 1\n",
        ("missing_shared_library", "configuration_error", "code_error", "file_not_found"),
        "-lfftw3",
    ),
    "idl": (
        "% Attempt to call undefined procedure: 'PLOTMAP'.\n% Execution halted at: $MAIN$\n",
        ("code_error", "missing_module"),
        "PLOTMAP",
    ),
    "mathematica": ("Get::noopen: Cannot open run.m.\n", ("file_not_found",), "run.m"),
    "gams": (
        "*** Error 140 in /home/u/m.gms\n    Unknown symbol\n*** Status: Compilation error(s)\n",
        ("syntax_error", "code_error"),
        "Error 140",
    ),
    "stata": (
        "use mydata.dta\nfile mydata.dta not found\nr(601);\n",
        ("file_not_found",),
        "mydata.dta",
    ),
    "sas": (
        "ERROR: File WORK.SALES.DATA does not exist.\nNOTE: The SAS System stopped processing this step because of errors.\n",
        ("file_not_found",),
        "WORK.SALES",
    ),
    "cargo": (
        'error[E0425]: cannot find value `foo` in this scope\n --> src/main.rs:3:5\n\nerror: could not compile `x` (bin "x") due to 1 previous error\n',
        ("code_error", "syntax_error"),
        "cannot find value",
    ),
    "cmake-fail": (
        'CMake Error at CMakeLists.txt:12 (find_package):\n  Could not find a package configuration file provided by "Eigen3" with any\n  of the following names:\n\n    Eigen3Config.cmake\n\n-- Configuring incomplete, errors occurred!\n',
        ("configuration_error", "file_not_found", "missing_module"),
        "Could not find a package",
    ),
    "julia-pkg": (
        'ERROR: LoadError: ArgumentError: Package DifferentialEquations not found in current path.\n- Run `import Pkg; Pkg.add("DifferentialEquations")` to install the DifferentialEquations package.\nStacktrace:\n  [1] macro expansion\n    @ Base ./loading.jl:1766 [inlined]\n',
        ("missing_module",),
        "DifferentialEquations",
    ),
    "matlab-undef": (
        "Undefined function or variable 'fitcurve'.\n\nError in main (line 3)\n",
        ("code_error", "missing_module"),
        "fitcurve",
    ),
    "matlab-brace": (
        "{Error using horzcat\nDimensions of arrays being concatenated are not consistent.\n\nError in build (line 7)\n} \n",
        ("code_error",),
        "Dimensions of arrays",
    ),
    "java-oom": (
        'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat java.util.Arrays.copyOf(Arrays.java:3332)\n',
        ("out_of_memory",),
        "OutOfMemoryError",
    ),
    "r-singular": (
        "Loading required package: Matrix\nError in solve.default(A) : \n  Lapack routine dgesv: system is exactly singular: U[3,3] = 0\nCalls: fit -> solve -> solve.default\nExecution halted\n",
        ("numerical_error",),
        "exactly singular",
    ),
    "julia-undefined": (
        "ERROR: LoadError: UndefVarError: `foo` not defined\nStacktrace:\n [1] top-level scope\n   @ ~/a.jl:3\nin expression starting at /home/u/a.jl:3\n",
        ("code_error",),
        "foo",
    ),
    "r-install": (
        "Error: unable to load R code in package 'foo'\nERROR: lazy loading failed for package 'foo'\n* removing '/home/u/R/foo'\n",
        ("code_error", "configuration_error", "missing_module"),
        "foo",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    check_said(tmp_path, CASES[name])
