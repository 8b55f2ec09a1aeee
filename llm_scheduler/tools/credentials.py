"""Which files hold keys and passwords, told by their names and by what is in them.

They are refused even inside a folder that may be read. Names are compared without
case, without characters that do not show and without what some file systems ignore at
the end of a name, as ``.SSH`` or ``.ssh.`` can be the same folder as ``.ssh``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_FOLDERS = word_set(
    ".ssh .gnupg .aws .azure .kube .docker .password-store .gcloud .oci .chef .1password "
    ".mozilla .thunderbird .gsutil .globus .globusonline .terraform.d .databricks .pki "
    ".snowflake .kaggle .netlify .heroku .fly .pulumi .subversion"
)
"""Nothing below a folder of one of these names is read or written."""
_SUBFOLDERS = word_set(
    ".config/gcloud .config/gh .config/hub .config/glab-cli .config/rclone .config/op "
    ".config/doctl .config/llm-scheduler .config/google-chrome .config/chromium "
    ".config/configstore .config/sops .config/netlify .config/scw .config/hcloud "
    ".config/linode-cli .config/github-copilot .config/containers .config/filezilla "
    ".config/remmina .config/git/credentials .local/share/keyrings .local/share/kwalletd "
    ".local/share/python_keyring .local/share/jupyter/runtime .local/share/llm-scheduler "
    ".local/state/llm-scheduler library/keychains etc/ssh etc/munge etc/sudoers.d"
)
"""The same, for folders that are told by where they lie."""
_NAMES = word_set(
    ".netrc _netrc .git-credentials .pgpass .my.cnf .mylogin.cnf .npmrc .yarnrc .yarnrc.yml "
    ".pypirc .htpasswd .htdigest .dockercfg .dockerconfigjson .vault-token .vault_pass "
    ".vault_password .s3cfg .boto .msmtprc .fetchmailrc .mbsyncrc .offlineimaprc .muttrc "
    ".esmtprc .smbcredentials .k5login .k5identity .envrc .rhosts .shosts hosts.equiv "
    ".xauthority .iceauthority .ldaprc kaggle.json .wandbrc .comet.config .sentryclirc "
    ".terraformrc .databrickscfg .snowsql .odbc.ini authorized_keys authorized_keys2 "
    "known_hosts shadow gshadow sudoers master.key terraform.tfstate jupyter_cookie_secret "
    "notebook_cookie_secret jupyterhub_cookie_secret slurmdbd.conf secrets.py secret.py "
    "credentials.py passwords.py api_keys.py apikeys.py key.json keys.json "
    "service_account.json service-account.json client_secret.json "
    "application_default_credentials.json secring.gpg wallet.dat cookies.sqlite logins.json "
    "key3.db key4.db cert9.db .python_history .bash_history .zsh_history .sh_history .history "
    ".psql_history .mysql_history .sqlite_history .node_repl_history .lesshst .viminfo"
)
_ENDINGS = word_set(
    ".pem .key .ppk .p12 .pfx .p8 .pkcs12 .jks .keystore .kdbx .kdb .keytab .gpg .pgp .age "
    ".ovpn .jwk .jwt .token .secret .secrets .passwd .password .credentials .rdp .env"
)
_STARTS = re.compile(
    r"\.?id_(?:rsa|dsa|ecdsa|ed25519|xmss)|\.?krb5cc_|x509up_|ssh_host_|\.env(?![a-z])"
)
_BACKUP = re.compile(r"(?:\.(?:bak|backup|old|orig|save|sav|swp|swo|tmp|copy|dist|[0-9]+)|~|#)$")
# Sources, tables and pictures may be about passwords without having any.
_OTHER_ENDINGS = word_set(
    "py pyi pyx ipynb c h cc cpp cxx hpp hh cu f f90 f95 jl r rs go java js ts tsx jsx lua m "
    "sh bash md rst tex html css csv tsv parquet feather npy npz h5 hdf5 nc log out err svg "
    "png jpg pdf so o a whl"
)
_SECRET_WORDS = word_set(
    "secret secrets credential credentials passwd password passwords passphrase apikey"
)
_KEY_WORDS = frozenset(["key", "keys", "auth"])
_TOKEN_WORDS = frozenset(["token", "tokens", "pwd"])
_WORDS_BEFORE_KEY = word_set(
    "api access auth secret private hf ssh gpg github gitlab openai anthropic license"
)
_WORD = re.compile(r"[a-z]+")
_OWN = re.compile(r"\.failures\.sqlite(?:-(?:journal|wal|shm))?$")
"""The failures and approvals of runs, whichever they are."""

_KEY_BLOCK = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s{0,4}[A-Za-z-]{2,30}: [^\n]{0,200}\n){0,6}[\s\"'+,\\nr]{0,60}[A-Za-z0-9+/=]{40}"
    rb"|PuTTY-User-Key-File-\d"
    rb"|b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=\r\n]{60}"
    rb"|AGE-SECRET-KEY-1[A-Z0-9]{50}"
)


def why_credential(path: str) -> str:
    """Say why a file is taken for one that holds keys; empty when it is not.

    Parameters
    ----------
    path
        Absolute; each of its folders counts.

    """
    parts = [_fold(part) for part in path.split("/") if part]
    for i, part in enumerate(parts):
        if part in _FOLDERS:
            return f"what lies in {part} is secret"
        for n_parts in (2, 3, 4):
            if "/".join(parts[max(0, i + 1 - n_parts) : i + 1]) in _SUBFOLDERS:
                return f"what lies in {parts[i - 1]}/{part} may be secret"
    return _why_name(parts[-1]) if parts else ""


@lru_cache(maxsize=8192)
def _fold(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(char for char in folded if unicodedata.category(char) not in ("Cf", "Cc"))
    return seen.split(":")[0].rstrip(". ") or seen


@lru_cache(maxsize=8192)
def _why_name(name: str) -> str:
    while (shorter := _BACKUP.sub("", name)) not in (name, ""):
        name = shorter
    if _OWN.search(name):
        return "files called NAME.failures.sqlite belong to llm_scheduler itself"
    stem, _, ending = name.rpartition(".")
    # The swap file of vim has a dot before the name.
    if name in _NAMES or name.removeprefix(".") in _NAMES:
        return f"files called {name} hold keys, passwords or what was typed"
    if _STARTS.match(name):
        return "" if ending == "pub" else "files of this name hold keys or passwords"
    if "." in name and f".{ending}" in _ENDINGS:
        return f"files that end in .{ending} hold keys or passwords"
    if stem and ending in _OTHER_ENDINGS:
        return ""
    return "files of this name hold keys or passwords" if _has_secret_word(stem or name) else ""


def _has_secret_word(stem: str) -> bool:
    words = _WORD.findall(stem)
    if not words or _SECRET_WORDS & set(words):
        return bool(words)
    if words[-1] in _KEY_WORDS:
        return len(words) == 1 or words[-2] in _WORDS_BEFORE_KEY
    return words[-1] in _TOKEN_WORDS


def holds_private_key(content: bytes) -> bool:
    """Tell whether there is a private key in a file."""
    return _KEY_BLOCK.search(content) is not None
