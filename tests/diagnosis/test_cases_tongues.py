"""Messages of shells and of the C library in other languages than English."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import check_said

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
    "german-bash": (
        "/var/spool/slurmd/job1/slurm_script: Zeile 12: ./loeser: Datei oder Verzeichnis nicht gefunden\n",
        ("file_not_found", "command_not_found"),
        "nicht gefunden",
    ),
    "german-cmd": (
        "lauf.sh: Zeile 4: gmx_mpi: Kommando nicht gefunden.\n",
        ("command_not_found",),
        "gmx_mpi",
    ),
    "german-perm": (
        "bash: ./run.sh: Keine Berechtigung\n",
        ("permission_denied",),
        "Keine Berechtigung",
    ),
    "german-disk": (
        "cp: Fehler beim Schreiben von '/scratch/x': Auf dem Gerät ist kein Speicherplatz mehr verfügbar\n",
        ("disk_full",),
        "kein Speicherplatz",
    ),
    "german-segv": (
        "lauf.sh: Zeile 9: 4242 Speicherzugriffsfehler  (Speicherabzug geschrieben) ./a.out\n",
        ("crash",),
        "Speicherzugriffsfehler",
    ),
    "french-file": (
        "cat: donnees/entree.txt: Aucun fichier ou dossier de ce type\n",
        ("file_not_found",),
        "Aucun fichier",
    ),
    "french-cmd": (
        "job.sh: ligne 7: mpirun : commande introuvable\n",
        ("command_not_found",),
        "introuvable",
    ),
    "french-perm": (
        "mkdir: impossible de créer le répertoire «/data/run»: Permission non accordée\n",
        ("permission_denied",),
        "non accord",
    ),
    "french-segv": (
        "job.sh: ligne 3: 12345 Erreur de segmentation  (core dumped)./calcul\n",
        ("crash",),
        "segmentation",
    ),
    "spanish-file": (
        "ls: no se puede acceder a 'datos': No existe el fichero o el directorio\n",
        ("file_not_found",),
        "No existe",
    ),
    "spanish-cmd": (
        "bash: línea 3: orca: orden no encontrada\n",
        ("command_not_found",),
        "no encontrada",
    ),
    "spanish-perm": ("bash: ./a.sh: Permiso denegado\n", ("permission_denied",), "denegado"),
    "italian-file": (
        "cat: dati.txt: File o directory non esistente\n",
        ("file_not_found",),
        "non esistente",
    ),
    "italian-cmd": (
        "run.sh: riga 2: python3: comando non trovato\n",
        ("command_not_found",),
        "non trovato",
    ),
    "port-file": (
        "cat: dados.csv: Arquivo ou diretório inexistente\n",
        ("file_not_found",),
        "inexistente",
    ),
    "port-cmd": (
        "run.sh: linha 5: samtools: comando não encontrado\n",
        ("command_not_found",),
        "encontrado",
    ),
    "chinese-file": ("cat: 数据.txt: 没有那个文件或目录\n", ("file_not_found",), "没有那个文件"),
    "chinese-cmd": ("run.sh:行3: vasp_std: 未找到命令\n", ("command_not_found",), "vasp_std"),
    "chinese-perm": ("bash: ./run.sh: 权限不够\n", ("permission_denied",), "权限不够"),
    "japanese-file": (
        "cat: data.txt: そのようなファイルやディレクトリはありません\n",
        ("file_not_found",),
        "data.txt",
    ),
    "chinese-full": (
        "开始计算\ncp: 写入'/scratch/a'时出错: 设备上没有空间\n",
        ("disk_full",),
        "没有空间",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    check_said(tmp_path, CASES[name])
