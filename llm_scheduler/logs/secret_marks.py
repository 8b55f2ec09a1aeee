"""Which lines are worth a closer look for secrets, told in two quick steps.

The first step runs over all lines at once and knows short marks only, the second
runs over the lines it found. Both may find too much, and never too little.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from llm_scheduler.logs.secret_forms import CRYPT, FOREIGN, KEY_PREFILTER, PREFILTER

_RE2_MEMORY_BYTES = 64 << 20
_SMALL_BYTES = 1 << 13
"""So few bytes are searched as quickly in the second way as in the first."""
UNSEEN = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]"
    r"|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf"
)
"""Bytes that do not show, and so may stand inside of a secret: control characters,
UTF-8 of what has no width."""

_QUICK = (
    r"(?i:pass|pwd|secret|cred|token|key|auth|cookie|bearer|basic[^a-z]|negotiate|signature)",
    r"_PAT|sk-|SK[0-9a-f]{8}|[rs]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|GR134894|ATBB",
    r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|c_|sa_)|AT[AC]TT3|xox|xapp-|AIza|ya29\.|1//0",
    r"GOCSPX-|dckr_|do[opr]_v1_|dapi[0-9a-f]|hv[bsr]\.|nvapi-|lsv2_|wandb|pcsk_",
    r"shp(?:at|ca|pa|ss)_|sntry[su]_|PMAK-|pscale_|dp\.[psc]t\.|rubygems_|figd_|FwoGZXIvYXdz",
    r"IQoJb3JpZ2lu|eyJ|SG\.|hf_|api_org_|npm_|pypi-|r8_|gsk_|pplx-|xai-|fw_|tvly-|ntn_|pn[ub]_",
    r"lin_api_|sbp_|KGAT_|-us[0-9]|\.atlasv1\.|8Q~|A(?:KIA|SIA|GPA|IDA|ROA|BIA|CCA)[A-Z0-9]",
    r"[A-Za-z0-9+/]==|hooks\.slack|/webhooks/|webhook\.office|api\.telegram|\.[0-9a-f]{32}",
    r"[0-9]{8}:[\w-]{8}|[0-9a-f]-[0-9a-f]{8}-[0-9a-f]{8}|\.[\w-]{6}\.[\w-]{8}|//[^\s/]*@",
    r":[^\s:/@]+@[\w-]|(?i:oracle|ora-[0-9]|sqlldr|expdp|impdp|login['\"=:(\[ ]|flyv1)",
    r"(?i:pw(?:[_-]?[a-z0-9]{1,8})?)\\*['\"]?\]?\s*(?:[+?]?[=:]|<<?-)|(?i:setenv|_pw\s)",
    r"NRAK-|LTAI|AKCp|cmVmdGtu|pul-[0-9a-f]|sq0(?:atp|csp)-|jina_|csk-|e2b_|ls__",
    r"jdbc:oracle|sqlplus|%26|fm[12][ar]?_lJPE",
    f"(?i:{FOREIGN})",
    r"[?&;](?i:sig|code|x-amz|x-goog|awsaccess|api|access|id_|id-|idtoken|refresh|client)",
    r"mongo|mosquitto_pub|mysql|7z|ldap|mount\.cifs|xfreerdp|echo |printf ",
    r"(?:docker|podman|singularity|apptainer|redis-cli|zip|openssl|ipmitool)\W",
    r"(?:curl|lftp|smbclient|wget|http)[^\w:]",
    r"(?i:aes(?:128|256)-|arcfour-|rc4-|des3-)|MIT-MAGIC|\$(?:" + CRYPT + r")\$|\{S(?:SHA|MD5)",
    r":(?:[0-9]{4,5}|\*):[A-Za-z0-9_*-]+:|PRIVATE|Private-|[A-Za-z0-9+/]{48}",
    UNSEEN,
)
PRECISE = f"{PREFILTER}|{UNSEEN}"
"""What `precise_search` looks for."""
Search = Callable[..., Any]


def find_suspicious(joined: bytes, raws: Sequence[bytes]) -> list[int]:
    """Tell which lines may hold a secret.

    Parameters
    ----------
    joined
        The lines with newlines between them.
    raws
        The lines.
    """
    precise = precise_search()
    # What the precise step finds the quick one finds too: few lines need one of them only.
    first = precise if len(joined) <= _SMALL_BYTES else quick_search()
    if first(joined) is None:
        return []
    return [i for i in _find_marked(joined, raws) if precise(raws[i]) is not None]


def _find_marked(joined: bytes, raws: Sequence[bytes]) -> Iterator[int]:
    search = quick_search()
    starts = list(accumulate((len(raw) + 1 for raw in raws), initial=0))
    found = search(joined)
    while found is not None:
        i = bisect_right(starts, found.start()) - 1
        yield i
        found = search(joined, starts[i + 1]) if i + 1 < len(raws) else None


@lru_cache(maxsize=1)
def quick_search() -> Search:
    """Return what finds the first mark of a secret."""
    return _compile("|".join(_QUICK))


@lru_cache(maxsize=1)
def precise_search() -> Search:
    """Return what finds the first place that looks like a secret."""
    return _compile(PRECISE)


@lru_cache(maxsize=1)
def key_search() -> Search:
    """Return what finds the first place that looks like a part of a private key."""
    return _compile(KEY_PREFILTER)


def _compile(source: str) -> Search:
    """Compile an expression over bytes for RE2, or for `re` where it is not installed."""
    raw = source.encode("latin-1")
    try:
        import re2
    except ImportError:
        return re.compile(raw).search
    options = re2.Options()
    options.max_mem = _RE2_MEMORY_BYTES
    options.never_capture = True
    options.encoding = re2.Options.Encoding.LATIN1
    search: Search = re2.compile(raw, options).search
    return search
