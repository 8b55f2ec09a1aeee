"""Files that are missing, full disks, limits and permissions."""

from __future__ import annotations

from tests.programs.case import ProgramCase, run_c, run_python

CASES = (
    run_python(
        "python-missing-file",
        "file_not_found",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/spectrum.csv'",
        "print(open('data/spectrum.csv').read())\n",
    ),
    run_c(
        "c-missing-file",
        "file_not_found",
        "can't open potential.dat: No such file or directory",
        "open_input.c",
        script="./program potential.dat\n",
    ),
    run_python(
        "is-a-folder",
        ("file_not_found", "code_error", "configuration_error"),
        "IsADirectoryError: [Errno 21] Is a directory",
        "import os\nos.makedirs('results')\nopen('results', 'w')\n",
    ),
    run_python(
        "python-disk-full",
        "disk_full",
        "OSError: [Errno 28] No space left on device",
        "import os\npath = os.path.join(os.environ['FULL_DISK'], 'python.bin')\n"
        "with open(path, 'wb') as out:\n    for _ in range(64):\n"
        "        out.write(bytes(1 << 20))\n",
        needs_root=True,
    ),
    ProgramCase(
        "shell-disk-full",
        "disk_full",
        "No space left on device",
        script='dd if=/dev/zero of="$FULL_DISK/dump" bs=64k count=400\n',
        needs_root=True,
    ),
    ProgramCase(
        "read-only-file-system",
        "permission_denied",
        "Read-only file system",
        script='touch "$READ_ONLY_DISK/result.txt"\n',
        needs_root=True,
    ),
    run_python(
        "python-file-limit",
        ("disk_full", "configuration_error"),
        "OSError: [Errno 27] File too large",
        "with open('big.bin', 'wb') as out:\n    for _ in range(64):\n"
        "        out.write(bytes(1 << 20))\n",
        script='ulimit -f 1000\n"$PYTHON" main.py\n',
    ),
    run_c(
        "c-file-limit",
        ("disk_full", "configuration_error"),
        "File size limit exceeded",
        "big_file.c",
        script="ulimit -f 1000\n./program\n",
    ),
    run_python(
        "python-permission",
        "permission_denied",
        "PermissionError: [Errno 13] Permission denied: '/proc/sys/kernel/ostype'",
        # Not even root may write there.
        "open('/proc/sys/kernel/ostype', 'w')\n",
    ),
    ProgramCase(
        "other-users-file",
        "permission_denied",
        "cat: /etc/shadow: Permission denied",
        script="setpriv --reuid=65534 --regid=65534 --clear-groups cat /etc/shadow\n",
        needs_root=True,
    ),
    run_python(
        "too-many-open-files",
        ("configuration_error", "code_error"),
        "OSError: [Errno 24] Too many open files",
        "files = [open(f'{i}.tmp', 'w') for i in range(200)]\n",
        script='ulimit -n 64\n"$PYTHON" main.py\n',
    ),
)
