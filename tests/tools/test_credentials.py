"""Files that hold keys are refused; files that are only about them are not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llm_scheduler.tools.credentials import holds_private_key, why_credential
from llm_scheduler.tools.start_files import find_warning, why_not_written
from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import READS, WRITES, attempt

SECRET_NAMES = [
    ".ssh/id_rsa", ".ssh/config", ".SSH/config", ".Ssh/x", ".ssh./x", ".ssh /x", ".s\u200dsh/x",
    "．ｓｓｈ/x", "sub/.ssh/known", ".gnupg/secring.gpg", ".aws/credentials", ".kube/config",
    ".docker/config.json", ".netrc", "_netrc", ".NETRC", ".netrc.bak", ".netrc~", "..netrc.swp",
    ".env", ".env.local", ".env.prod.bak", ".ENV", "prod.env", ".envrc", "server.pem", "a.PEM",
    "server.key", "cert.p12", "store.jks", "id_rsa", "id_ed25519", "id_ecdsa_sk", ".id_rsa.swp",
    "id_rsa.bak", "ID_RSA", "ssh_host_rsa_key", ".git-credentials", ".pgpass", ".npmrc", ".pypirc",
    ".my.cnf", ".config/gcloud/access.db", ".config/gh/hosts.yml", ".config/rclone/rclone.conf",
    ".config/llm-scheduler/config.toml", ".local/state/llm-scheduler/x.sqlite",
    ".local/share/keyrings/login", "token", "hf_token", "token.txt", "api-token.json", "tokens.yml",
    "github_token.old", "password.txt", "passwords", "db_password.conf", "credentials",
    "credentials.json", "my-credentials.toml", "secrets.yaml", "secrets.prod.json",
    "client_secret.json", "secrets.py", "api_key", "apikey.txt", "openai.key", "key.json",
    "service_account.json", "kaggle.json", ".wandbrc", ".vault-token", "krb5cc_1000",
    "authorized_keys", ".htpasswd", "vault.kdbx", "terraform.tfstate", ".bash_history",
    ".python_history", "cookies.sqlite", "notebook_cookie_secret", "user.keytab",
]  # fmt: skip
PLAIN_NAMES = [
    "model.py", "tokenizer.py", "tokenizer.json", "token_counts.json", "tokens.csv",
    "test_token.py", "secretary.txt", "keyboard.json", "monkey.txt", "foreign_key.txt",
    "password_test.py", "env.py", "environment.yml", "env/x.txt", ".environment", "id_map.csv",
    "ids.txt", "id_rsa.pub", "keys.csv", "key_points.txt", "author.txt", "sshd.log", "ssh/config",
    "aws.md", "run.json", "config.toml", "keynote.md", "pem.txt", "data/secret_sauce.py",
    "attention_keys.npy", "job.out", "docker/config.json", "Dockerfile", "authors.txt",
    "passing.txt", "tokenization.txt", "credit.json",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_files_with_keys_are_known_by_name(name):
    assert why_credential(f"/work/run/{name}")


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_other_files_are_not_taken_for_them(name):
    assert not why_credential(f"/work/run/{name}")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.py").write_text("x = 1\n")
    return folder


@pytest.mark.parametrize("name", SECRET_NAMES[::4])
def test_they_are_neither_read_nor_written_under_any_name(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\nHIDDEN\n")
    (folder / "alias.txt").symlink_to(name)
    workspace = Workspace([folder])
    for given in (name, "alias.txt", str(path), f"./{name}"):
        for action, do in {"read": READS["read"], **WRITES}.items():
            if action in ("delete", "move_from") and given == "alias.txt":
                continue  # the link itself, which is refused as such
            text, is_refused = attempt(lambda do=do, given=given: do(workspace, given))
            assert is_refused, (action, given, text)
            assert "HIDDEN" not in text
    found = READS["search"](workspace, ".")
    assert "HIDDEN" not in found
    assert "that may hold secrets" in found
    assert path.read_text() == "x = 1\nHIDDEN\n"


def test_a_link_called_like_one_is_refused_too(folder):
    (folder / "plain.txt").write_text("HIDDEN")
    (folder / ".env").symlink_to("plain.txt")
    assert attempt(lambda: READS["read"](Workspace([folder]), ".env"))[1]


def test_the_home_folders_keys_are_known_where_they_are_mounted_too(folder, monkeypatch):
    home, mounted = folder.parent / "home", folder / "mounted"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("HIDDEN")
    mounted.mkdir()
    monkeypatch.setenv("HOME", str(home))
    mount = ["mount", "--bind", str(home / ".ssh"), str(mounted)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert (mounted / "config").read_text() == "HIDDEN"
        workspace = Workspace([folder])
        for do in (READS["read"], WRITES["write"]):
            text, is_refused = attempt(lambda do=do: do(workspace, "mounted/config"))
            assert is_refused, text
        assert "HIDDEN" not in READS["search"](workspace, ".")
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" * 3
KEYS = {
    "pkcs8": f"-----BEGIN PRIVATE KEY-----\n{BODY}-----END PRIVATE KEY-----\n",
    "rsa": f"-----BEGIN RSA PRIVATE KEY-----\r\n{BODY}",
    "encrypted": "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    f"DEK-Info: AES-128-CBC,0123456789ABCDEF\n\n{BODY}",
    "openssh": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}",
    "pgp": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n{BODY}",
    "in JSON": '{"private_key": "-----BEGIN PRIVATE KEY-----\\n' + BODY.replace("\n", "\\n") + '"}',
    "in Python": '    KEY = """-----BEGIN PRIVATE KEY-----\n    ' + BODY + '"""',
    "putty": "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n",
    "age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2,
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_private_keys_are_known_by_what_is_in_the_file(folder, key):
    assert holds_private_key(key.encode())
    path = folder / "notes.txt"
    path.write_text(f"x = 1\n{key}")
    workspace = Workspace([folder])
    for do in (READS["read"], *(WRITES[name] for name in ("replace", "write", "move_from"))):
        text, is_refused = attempt(lambda do=do: do(workspace, "notes.txt"))
        assert is_refused
        assert "MIIEv" not in text
    assert "MIIEv" not in READS["search"](workspace, ".")


@pytest.mark.parametrize(
    "text",
    [
        'if "-----BEGIN PRIVATE KEY-----" in text:\n    raise ValueError',
        f"-----BEGIN CERTIFICATE-----\n{BODY}",
        f"-----BEGIN PUBLIC KEY-----\n{BODY}",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    ],
)
def test_what_only_speaks_of_keys_is_no_key(text):
    assert not holds_private_key(text.encode())


# -- files that are run by themselves -----------------------------------------------------

RUN_BY_ITSELF = [
    ".bashrc", ".BASHRC", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".cshrc", ".login",
    "sub/.bashrc", ".git/hooks/pre-commit", ".git/config", "sub/.git/hooks/post-checkout",
    "repo/hooks/pre-push", ".gitconfig", ".gitattributes", ".hg/hgrc", "evil.pth",
    "sitecustomize.py", "usercustomize.py", "lib/python3.11/site-packages/numpy/__init__.py",
    ".ipython/profile_default/startup/x.py", "ipython_config.py", ".jupyter/x.py",
    "jupyter_server_config.py", ".vimrc", ".exrc", ".emacs", ".dir-locals.el", ".gdbinit",
    ".pdbrc", ".Rprofile", ".vscode/tasks.json", ".mcp.json", ".claude/settings.json",
    ".config/systemd/user/x.service", "cron.d/x", "crontab", "autostart/x.desktop", "x.desktop",
    "x.so", "x.pyc", "__pycache__/model.cpython-311.pyc", "data/learner.pickle", "x.pkl",
    "model.joblib", "model.pt", ".condarc", "pip.conf", ".screenrc", ".forward", ".modulerc",
    "pyvenv.cfg", ".Bashrc.", "x.PTH",
]  # fmt: skip


@pytest.mark.parametrize("name", RUN_BY_ITSELF)
def test_files_that_run_by_themselves_are_not_written(folder, name):
    workspace = Workspace([folder])
    for do in ("write", "move_to", "make"):
        text, is_refused = attempt(lambda do=do: WRITES[do](workspace, name))
        assert is_refused, (do, text)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\n")
    for do in ("replace", "write"):
        text, is_refused = attempt(lambda do=do: WRITES[do](workspace, name))
        assert is_refused, (do, text)
    assert path.read_text() == "x = 1\n"


@pytest.mark.parametrize(
    "name", ["model.py", "job.sh", "run.sbatch", "data/x.csv", "hooks/train.py", "git/x", "a.npy"]
)
def test_ordinary_files_are_written(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    change = WRITES["write"]
    assert not attempt(lambda: change(Workspace([folder]), name))[1]
    assert (folder / name).read_text() == "new\n"


def test_broken_data_may_be_deleted(folder):
    (folder / "learner.pickle").write_bytes(b"\x80\x04.")
    assert not attempt(lambda: WRITES["delete"](Workspace([folder]), "learner.pickle"))[1]
    assert not (folder / "learner.pickle").exists()


def test_settings_in_the_home_folder_are_not_written(tmp_path):
    home = str(tmp_path)
    for name in (".config/x.toml", ".anything", ".local/bin/x"):
        assert why_not_written(f"{home}/{name}", root=home, home=home)
    assert not why_not_written(f"{home}/.cache/run/x.py", root=f"{home}/.cache/run", home=home)
    assert not why_not_written(f"{home}/run/.hidden", root=home, home=home)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Makefile", "builds"),
        ("setup.py", "installs"),
        ("conftest.py", "tests"),
        (".gitlab-ci.yml", "other machines"),
        ("requirements.txt", "downloaded"),
        ("AGENTS.md", "other assistants"),
        ("random.py", "standard module random"),
        ("json", "standard module json"),
    ],
)
def test_what_others_run_on_purpose_is_warned_of(name, words):
    assert words in find_warning(f"/work/run/{name}", is_new=True)
    assert not find_warning("/work/run/model.py", is_new=True)
