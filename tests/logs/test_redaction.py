"""Secrets are taken out, wherever they are cut, and ordinary text stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.logs import digest_log, redact, scan_log
from llm_scheduler.logs.redaction import MARGIN_BYTES, REDACTED, redact_lines, redact_part
from llm_scheduler.logs.secret_marks import find_suspicious, precise_search, quick_search
from tests.logs.secret_assignments import ASSIGNED, INNOCENT_ASSIGNED
from tests.logs.secret_cases import BASE64, INNOCENT, SECRETS, draw

PIECE = 8
BELOW = [
    ("Password:\n§", draw(12)),
    ("Enter password: \r\n§\r", draw(12)),
    ("\x1b[1mPassword:\x1b[0m\n\x1b[2m§\x1b[0m", draw(12)),
    ("[rank3]: Password:\n[rank3]: §", draw(12)),
    ("12:00:01 Password:\n12:00:07 §", draw(12)),
    ("PASSWORD = \\\n  §", "swordfish"),
    ("prog --password \\\n  § \\\n  -v", "swordfish"),
    ('{\n  "password":\n    "§",\n', "swordfish"),
    ("password: |-\n  §", draw(12)),
    ("client_secret:\n  - '§'", "correct-horse"),
    ("'api_key':\n  '§'", draw(24)),
    ("'password':\n  'it is §',", "correct horse"),
    ("パスワード：\n§", draw(12)),
    ('{"password":\n "§"}', "swordfish"),
    ('{"a": [{"api_key":\n "§"}]},', draw(24)),
    ('PASSWORD = (\n    "§"\n)', "swordfish"),
    ("client = Client(password=(\n    '§'))", "correct horse"),
    ("user,password\nann,§", "swordfish"),
    ('"name";"api_key";"n"\r\nann;"§";2', "correct;horse"),
    ("host\tsecret\n10.0.0.1\tbob12345\nnode1\t§", "swordfish"),
]
"""Lines with § in the place of a secret that the line above it names."""
INNOCENT_BELOW = [
    "password:\nLogin failed",
    "Enter password:\n\nSubmitting job4711x",
    "Password:\nFailed",
    "Password:\n12345678",
    "Password:\n12345.pbs01",
    "Password:\n/home/ann/x12345",
    "Password:\n[12:00:01.123]",
    "Password:\n----------",
    "Password:\nstep12=0.5",
    "Password:\nTraceback (most recent call last):",
    "Password:\nValueError12:",
    "password: |\n  min_length: 8",
    '"password":\n  null',
    "tokens:\n  4096",
    "pad_token:\n  '<pad>'",
    "sort_key:\n  energy12",
    "the key:\nnode12345",
    "hidden password:\n[redacted]",
    "password = (\n    get_password()\n)",
    "token = (\n    'relu' if deep else 'tanh'\n)",
    "publickey,password\nPermission denied, please try again.",
    "step,token,loss\n1,hello,0.25\n2,world,0.125",
    "user,password\nann,yes\nbob,null\ncid,1234",
    "user,password,n\nLogged in\nann,swordfish",
    "password,user\n[redacted],ann",
]
"""Lines that look as if the second one were a secret."""


def find_leak(secret, text):
    """Return a part of a secret that stands in a text."""
    size = min(PIECE, len(secret))
    pieces = (secret[i : i + size] for i in range(len(secret) - size + 1))
    return next((piece for piece in pieces if piece in text), None)


def everything(path, max_chars=4000):
    """Return all that leaves the reading of a log as one text."""
    text = scan_log(path)
    digest = digest_log(path, max_chars=max_chars)
    diagnosis = diagnose_log(path)
    return "\n".join([repr(text), repr(digest), digest.text, diagnosis.model_dump_json()])


@pytest.mark.parametrize(("line", "secret"), SECRETS + ASSIGNED)
def test_secrets(line, secret):
    shown = redact(line.replace("§", secret))
    assert find_leak(secret, shown) is None
    assert REDACTED in shown
    assert redact(shown) == shown


@pytest.mark.parametrize("line", INNOCENT + INNOCENT_ASSIGNED)
def test_ordinary_text_stays(line):
    assert redact(line) == line


@pytest.mark.parametrize(("lines", "secret"), BELOW)
def test_the_word_below_a_name(lines, secret):
    shown = redact(f"step12345\n{lines.replace('§', secret)}\nstep67890")
    assert find_leak(secret, shown) is None
    assert shown.startswith("step12345\n")
    assert shown.endswith("\nstep67890")
    assert redact(shown) == shown


@pytest.mark.parametrize("lines", INNOCENT_BELOW)
def test_what_stands_below_a_name_and_is_no_secret(lines):
    assert redact(lines) == lines


def test_a_secret_in_the_path_of_a_frame(tmp_path):
    secret = draw(20)
    path = tmp_path / "log"
    path.write_text(
        "Traceback (most recent call last):\n"
        f'  File "/home/ann/MY_TOKEN={secret}/x.py", line 3, in main\n    solve()\n'
        f'  File "/home/ann/{secret[:4]}/y.py", line 7, in solve\n    raise ValueError(1)\n'
        "ValueError: 1\n"
    )
    shown = everything(path)
    assert find_leak(secret, shown) is None
    assert "/home/ann/MY_TOKEN=[redacted]/x.py" in shown


def test_passwords_in_the_encoding_of_old_systems():
    secret = draw(12)
    raw = f"contraseña: {secret}".encode("latin-1")
    assert redact_lines([raw]) == [raw.replace(secret.encode(), REDACTED.encode())]


@pytest.mark.parametrize(("line", "secret"), SECRETS + ASSIGNED)
def test_quick_searches_miss_nothing(line, secret):
    raw = line.replace("§", secret).encode()
    assert quick_search()(raw) is not None
    assert precise_search()(raw) is not None
    assert find_suspicious(b"x\n" + raw, [b"x", raw]) == [1]


@pytest.mark.parametrize("mark", ["\x1b[01;31m\x1b[K", "\0", "\u200b", "\x1b[0m", "\ufeff"])
def test_what_does_not_show_hides_nothing(mark, tmp_path):
    secret = "sk-proj-" + draw(40)
    path = tmp_path / "log"
    for at in (1, 5, 9, 30):
        path.write_text(f"error: key {secret[:at]}{mark}{secret[at:]} refused\n")
        assert find_leak(secret, everything(path)) is None
    path.write_text(f"error: password={mark}{secret[8:]}{mark}\n")
    assert find_leak(secret[8:], everything(path)) is None


def key_block(name="RSA ", width=64, n_lines=20):
    body = [draw(width, BASE64) for _ in range(n_lines)]
    body.append(draw(width // 3, BASE64) + "=")
    return [f"-----BEGIN {name}PRIVATE KEY-----", *body, f"-----END {name}PRIVATE KEY-----"]


@pytest.mark.parametrize("prefix", ["", "    ", "[rank3]: ", "2026-11-20 12:00:00 | "])
@pytest.mark.parametrize(("name", "width"), [("RSA ", 64), ("OPENSSH ", 70), ("", 76)])
def test_parts_of_a_private_key(prefix, name, width):
    lines = [prefix + line for line in key_block(name, width)]
    for first, last in [(0, 23), (0, 9), (1, 9), (5, 23), (18, 23), (20, 22), (21, 23), (3, 5)]:
        shown = redact("\n".join(["before", *lines[first:last], "after it"]))
        assert all(find_leak(line[len(prefix) :], shown) is None for line in lines[1:-1])
        assert shown.startswith("before")
        assert shown.endswith("after it")


def test_a_key_that_was_cut_off_hides_nothing_else():
    shown = redact("\n".join([*key_block()[:9], "Traceback (most recent call last):", "  main()"]))
    assert shown.endswith("Traceback (most recent call last):\n  main()")


def test_lines_that_are_clean_are_not_copied():
    raws = [b"step 1 loss=0.5", b"ValueError: x"]
    assert redact_lines(raws) is raws


def test_a_key_cut_at_the_end_of_the_log(tmp_path):
    path = tmp_path / "log"
    path.write_text("start\nusing sk-proj-" + draw(9))
    assert scan_log(path).lines[-1].text == f"using {REDACTED}"


def test_part_of_a_line():
    secret = "ghp_" + draw(36)
    data = b"x" * MARGIN_BYTES + b" " + secret.encode() + b" and more " + b"y" * MARGIN_BYTES
    first = data.index(b"ghp_")
    for start in range(first - 2, first + 41):
        shown = redact_part(data, start, first + 45).decode()
        assert find_leak(secret, shown) is None
        assert start > first + 40 or shown.endswith(" and ")


def test_a_run_that_comes_from_outside_is_hidden():
    data = draw(3 * MARGIN_BYTES, BASE64).encode()
    assert redact_part(data, MARGIN_BYTES, 2 * MARGIN_BYTES) == REDACTED.encode()
    sequence = b"ACGT" * MARGIN_BYTES
    assert redact_part(sequence, MARGIN_BYTES, MARGIN_BYTES + 9) == sequence[:9]


FILLS = ["x", "x y ", "error ", "=", "ACGT", "\r 10% ", "ab12 ", "0,"]
SIZES = [0, 60, 1200, 1990, 2040, 4000, 9000, 70_000, 140_000]


@given(
    case=st.sampled_from(SECRETS + ASSIGNED),
    fills=st.tuples(st.sampled_from(FILLS), st.sampled_from(FILLS)),
    sizes=st.tuples(st.sampled_from(SIZES), st.sampled_from(SIZES)),
    shift=st.integers(0, 400),
    max_chars=st.integers(1, 4000),
    n_lines=st.sampled_from([0, 5, 400]),
    told=st.booleans(),
)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_secret_planted_anywhere(tmp_path, case, fills, sizes, shift, max_chars, n_lines, told):
    line, secret = case
    if line.startswith(("  password", "db.host")):  # whole lines of files
        return
    before = (fills[0] * (sizes[0] + shift))[: sizes[0] + shift]
    after = (fills[1] * sizes[1])[: sizes[1]]
    text = line.replace("§", secret)
    text = f"RuntimeError: failed {text} fatal error" if told else text
    around = [f"step {i} loss=0.5" for i in range(n_lines)]
    at = shift % (n_lines + 1)
    path = tmp_path / "log"
    path.write_text("\n".join([*around[:at], f"{before} {text} {after}", *around[at:]]))
    assert find_leak(secret, everything(path, max_chars)) is None


@given(seed=st.integers(0, 10**6), limit=st.integers(1, 30_000))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_key_block_anywhere_in_a_log(tmp_path, seed, limit):
    lot = random.Random(seed)
    lines = [f"step {i} loss=0.5" for i in range(lot.choice([5, 70, 700]))]
    block = key_block(lot.choice(["RSA ", "", "EC "]), lot.choice([64, 70]), lot.randint(2, 40))
    at = lot.randint(0, len(lines))
    lines[at:at] = block
    lines.insert(lot.randint(at, at + len(block)), "ERROR: it failed")
    path = tmp_path / "log"
    path.write_text("\n".join(lines))
    for shown in (everything(path), repr(scan_log(path, max_bytes=limit))):
        assert all(find_leak(line, shown) is None for line in block[1:-1])


def test_secrets_of_wide_encodings(tmp_path):
    secret = "hf_" + draw(34)
    path = tmp_path / "log"
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        path.write_bytes(f"start\nerror: token {secret} refused\nend of it all\n".encode(encoding))
        assert find_leak(secret, everything(path)) is None


@pytest.mark.parametrize(
    "unit",
    [
        *("password=", 'token="', "a_token: ", "http://a:", "token=(", "curl -u ", "\x1b]", "\\n"),
        *("['", "('a',", "['-p','", "auth=('", "a:bcdefg1@", "//a:", "oracle a/b", "/TOKEN=a/"),
        *("Passwort: ", "password:\n", 'File "/token=', "pass=", "['a" + " " * 9),
        *("token:", "token=", "token=/", "setenv a_token ", "set -x a", "auth:abcdefgh", "dbpw="),
        *("token_a=", "token_a:", "--token-a ", "setenv token_a ", "secret.a", "token_a_b_c_d_e_f"),
    ],
)
def test_time_grows_with_the_size_only(unit):
    # A search that goes back to its start for each match would take minutes.
    text = unit * 6_000
    assert len(redact(text)) <= 2 * len(text)


@pytest.mark.parametrize("unit", ["token:", "token=", "a_token:"])
def test_names_in_the_value_of_a_name_are_judged_by_their_start(unit, monkeypatch):
    judged = []

    def is_secret(kind, name, before, separator, value, quoted):
        judged.append(len(value))
        return False

    monkeypatch.setattr("llm_scheduler.logs.secret_names.is_secret", is_secret)
    text = "error " + unit * 660
    assert redact(text) == text
    assert len(judged) >= 650
    assert sum(judged) <= 30 * len(text)


def test_it_is_stable():
    once = redact("password=hunter2 and Bearer abcdefghijk at https://a:b@c.org")
    assert redact(once) == once


def test_tables_that_repeat_are_hidden_whole_and_nothing_beside_their_secrets():
    token = f"ghp_{draw(36)}"
    table = [
        "user,password,note",
        f"ann,sw0rdfish,{token}",  # what no head names is looked for as everywhere
        '"bob","tr0ub,4dor","a ""b"",c"',
        "cid, ,x",
        "Logged in",
        "user,password",
        "dan,sw0rdfish",
        "dan,1234",
        "user,password",
        "",
    ]
    hidden = [
        "user,password,note",
        "ann,[redacted],[redacted]",
        '"bob","[redacted]","a ""b"",c"',
        "cid, ,x",
        "Logged in",
        "user,password",
        "dan,[redacted]",
        "dan,1234",
        "user,[redacted]",
        "",
    ]
    assert redact("\n".join(table * 50)).split("\n") == hidden * 50
