"""Which files other programs run or obey by themselves: a change there does more than it says.

Somebody who talks the model into a change may want a way to run code later, outside of
every limit here: a line in ``.bashrc``, a git hook, a ``.pth`` file, a pickle that the
next session loads. Such files are refused; others that are run on purpose, such as a
``Makefile``, are allowed with a warning. What the engine of a run keeps for itself is
read, but not written either.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from llm_scheduler.tools.credentials import word_set

_NAMES = word_set(
    ".bashrc .bash_profile .bash_login .bash_logout .bash_aliases .bash_completion .profile "
    ".zshrc .zshenv .zprofile .zlogin .zlogout .cshrc .tcshrc .login .logout .kshrc .mkshrc "
    ".inputrc .xinitrc .xsession .xprofile .xsessionrc .xserverrc .pam_environment "
    ".environment .modulerc .modulerc.lua .modules .modulespath .lmodrc.lua .forward "
    ".procmailrc .gitconfig .gitmodules .gitattributes .hgrc hgrc .vimrc .gvimrc .exrc "
    ".nvimrc _vimrc .emacs .dir-locals.el .gdbinit .lldbinit .pdbrc .pdbrc.py .pythonrc "
    ".pythonrc.py .pystartup .rprofile .renviron .octaverc startup.jl .juliarc.jl .curlrc "
    ".wgetrc .screenrc .tmux.conf .mailcap .psqlrc .sqliterc .irbrc .ghci .lessfilter "
    ".lesskey .condarc .mambarc pip.conf .pydistutils.cfg sitecustomize.py usercustomize.py "
    "pyvenv.cfg ipython_config.py jupyter_config.py jupyter_server_config.py "
    "jupyter_notebook_config.py jupyter_lab_config.py .mcp.json .tool-versions .mise.toml "
    "mise.toml crontab .crontab at.allow cron.allow direnv.toml"
)
_FOLDERS = word_set(
    ".git .hg .svn .bzr .vim .nvim .emacs.d .ipython .jupyter .bashrc.d .bash_completion.d "
    ".zsh .oh-my-zsh .vscode .vscode-server .cursor .claude .idea .direnv site-packages "
    "dist-packages cron.d cron.daily cron.hourly cron.weekly cron.monthly crontabs "
    ".slurm .openmpi init.d profile.d systemd autostart .husky .githooks __pycache__"
)
_HOOKS = word_set(
    "applypatch-msg pre-applypatch post-applypatch pre-commit prepare-commit-msg commit-msg "
    "post-commit pre-rebase post-checkout post-merge pre-push pre-receive update post-receive "
    "post-update reference-transaction push-to-checkout pre-auto-gc post-rewrite "
    "fsmonitor-watchman post-index-change"
)
_RUN_ENDINGS = word_set("pth pyc pyo so dylib dll whl egg jar desktop service timer socket pyz exe")
_PICKLES = word_set("pickle pkl p pck joblib dill cloudpickle pt ckpt")
_ENGINE_FOLDERS = word_set(".llm_scheduler")
_JOB_FILES = word_set("record.json claim script")
"""In the folder of a job, ``jobs/NUMBER``, of the local scheduler."""
_WARNINGS = (
    (
        re.compile(
            r"(gnu)?makefile|.*\.mk|cmakelists\.txt|dockerfile.*|justfile|snakefile|.*\.def"
        ),
        "what it says is run by whoever builds with it",
    ),
    (
        re.compile(r"setup\.py|setup\.cfg|pyproject\.toml|tox\.ini|noxfile\.py|conftest\.py"),
        "its contents are run by whoever installs or tests the project",
    ),
    (
        re.compile(r"\.gitlab-ci\.ya?ml|\.travis\.ya?ml|\.pre-commit-config\.ya?ml|jenkinsfile"),
        "what it says is run by other machines",
    ),
    (
        re.compile(r"requirements.*\.txt|environment\.ya?ml|package\.json|.*\.lock"),
        "what it names is downloaded and run",
    ),
    (
        re.compile(r"agents\.md|claude\.md|gemini\.md|\.cursorrules|copilot-instructions\.md"),
        "other assistants follow what it says",
    ),
)


@lru_cache(maxsize=4096)
def _fold(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(char for char in folded if unicodedata.category(char) not in ("Cf", "Cc"))
    return seen.rstrip(". ") or seen


def why_not_written(
    path: str, *, root: str, home: str, run_name: str = "", is_removal: bool = False
) -> str:
    """Say why a file is never changed by a tool; empty when it may be.

    Parameters
    ----------
    path
        Absolute and resolved.
    root
        The allowed folder in which it lies; how that is called is the user's choice.
    home
        The user's home folder, resolved.
    run_name
        The run whose files may lie there.
    is_removal
        Whether it is only taken away: that runs nothing, so data may go.

    """
    parts = [_fold(part) for part in path.removeprefix(root).split("/") if part]
    name = parts[-1] if parts else ""
    if _is_engines(parts, _fold(run_name)):
        return "the engine of the run keeps it for itself"
    ending = name.rpartition(".")[2] if "." in name else ""
    for part in parts:
        if part in _FOLDERS:
            return f"programs run or obey what lies in {part} by themselves"
    if name in _NAMES:
        return f"{name} is run or obeyed by other programs by itself"
    if len(parts) > 1 and parts[-2] == "hooks" and name.removesuffix(".sh") in _HOOKS:
        return "git runs it by itself"
    if path.startswith(f"{home}/.") and not root.startswith(f"{home}/."):
        return "hidden files of the home folder are settings of programs"
    if ending in _RUN_ENDINGS and not is_removal:
        return f"files that end in .{ending} are run when they are found"
    if ending in _PICKLES and not is_removal:
        return f"loading a file that ends in .{ending} can run whatever is in it"
    return ""


def _is_engines(parts: list[str], run_name: str) -> bool:
    """Tell what schedulers and managers write for themselves, and the logs of a run's jobs."""
    name = parts[-1] if parts else ""
    if name.endswith(".db.json") or any(part in _ENGINE_FOLDERS for part in parts):
        return True
    if any(part.endswith(".failures.logs") for part in parts):
        return True
    if len(parts) > 2 and parts[-3] == "jobs" and parts[-2].isdigit() and name in _JOB_FILES:
        return True
    if not run_name:
        return False
    rest = name.removeprefix(f"{run_name}-")
    is_log = rest[:1].isdigit() and rest.endswith((".log", ".out", ".err"))
    return rest != name and (is_log or rest == "database.json")


def find_warning(path: str, *, is_new: bool) -> str:
    """Return what to know before a file is changed that others run; mostly empty."""
    parts = path.split("/")
    name = _fold(parts[-1])
    if ".github" in parts:
        return "what it says is run by other machines"
    for pattern, warning in _WARNINGS:
        if pattern.fullmatch(name):
            return warning
    stem = parts[-1].removesuffix(".py")
    if is_new and stem in sys.stdlib_module_names and (stem != parts[-1] or "." not in stem):
        return f"Python code beside it will load it in place of the standard module {stem}"
    if is_new and _is_installed(stem) and (stem != parts[-1] or "." not in stem):
        return f"Python code beside it will load it in place of the installed package {stem}"
    return ""


def _is_installed(module: str) -> bool:
    """Tell whether a module lies where packages are installed."""
    folders = [x for x in sys.path if Path(x).name in ("site-packages", "dist-packages")]
    return module.isidentifier() and PathFinder.find_spec(module, folders) is not None
