"""Connections that fail, all on this machine."""

from __future__ import annotations

from tests.programs.case import ProgramCase, run_python

# It is kept without listening, so that nobody else is given the port meanwhile.
_CLOSED_PORT = (
    "import socket\n"
    "kept = socket.socket()\n"
    "kept.bind(('127.0.0.1', 0))\nport = kept.getsockname()[1]\n"
)

CASES = (
    run_python(
        "closed-port",
        "network_error",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        _CLOSED_PORT + "socket.create_connection(('127.0.0.1', port), timeout=5)\n",
    ),
    run_python(
        "closed-port-in-url",
        "network_error",
        "Connection refused",
        _CLOSED_PORT + "import urllib.request\n"
        "urllib.request.urlopen(f'http://127.0.0.1:{port}/data.h5', timeout=5)\n",
    ),
    ProgramCase(
        "shell-closed-port",
        "network_error",
        "connect: Connection refused",
        script="set -e\nexec 3<>/dev/tcp/127.0.0.1/1\n",
    ),
    run_python(
        "unknown-host",
        "network_error",
        "socket.gaierror: [Errno -",
        "import socket\nsocket.create_connection(('database.invalid', 5432), timeout=20)\n",
    ),
    run_python(
        "no-answer",
        "network_error",
        "TimeoutError: timed out",
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname(), timeout=0.2)\n"
        "client.recv(100)\n",
    ),
    run_python(
        "connection-reset",
        "network_error",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "import socket, struct\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname())\n"
        "peer, _ = server.accept()\n"
        "peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "peer.close()\nclient.recv(100)\n",
    ),
)
