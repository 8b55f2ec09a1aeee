"""Facts that Python and adaptive print beside an error: hints, points, packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llm_scheduler.logs.models import LogText, Traceback

PACKAGES = {
    "attr": "attrs",
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.protobuf": "protobuf",
    "hydra": "hydra-core",
    "IPython": "ipython",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "OpenSSL": "pyOpenSSL",
    "osgeo": "GDAL",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "usb": "pyusb",
    "websocket": "websocket-client",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
"""Packages whose name is not that of their module."""

_HINT = re.compile(r"Did you mean:? '?([\w.]+)'?")
_POINT = re.compile(r"learner\.function\((?P<point>.{1,200}?)\)\"")
_MAX_CHARS = 200


def exception_values(exception: Traceback) -> dict[str, str]:
    """Return the fields that each exception offers to templates."""
    message = exception.message.strip()
    values = {"exception": exception.exception, "message": message[:_MAX_CHARS]}
    hint = find_hint([message, *exception.notes])
    if hint:
        values["hint"] = hint
    return values


def find_hint(texts: Iterable[str]) -> str:
    """Return what Python suggests instead of a misspelt name, or ``""``."""
    for text in texts:
        found = _HINT.search(text)
        if found:
            return found.group(1)
    return ""


def find_point(logs: Iterable[LogText]) -> str:
    """Return the point at which adaptive says that the learner's function failed."""
    for text in _texts(logs):
        found = _POINT.search(text)
        if found:
            return found.group("point").strip()
    return ""


def _texts(logs: Iterable[LogText]) -> Iterator[str]:
    for log in logs:
        for traceback in log.tracebacks:
            link: Traceback | None = traceback
            while link is not None:
                yield link.message
                link = link.cause
        for line in log.lines:
            if "learner.function(" in line.text:
                yield line.text


def package_of(module: str) -> str:
    """Return the package to install for a module."""
    top = module.split(".", 1)[0]
    return PACKAGES.get(module) or PACKAGES.get(top) or top
