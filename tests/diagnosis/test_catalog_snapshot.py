"""The built-in causes as one file: the same as the TOML files, or not used."""

from __future__ import annotations

import json
import shutil

import pytest

from llm_scheduler.diagnosis import catalog as catalog_module
from llm_scheduler.diagnosis import patterns
from llm_scheduler.diagnosis.catalog import BUILT_IN, load_catalog
from llm_scheduler.diagnosis.catalog_snapshot import NAME, read_snapshot, write_snapshot


@pytest.fixture
def folder(tmp_path):
    """A small folder of causes with its snapshot."""
    catalog = load_catalog(strict=True)
    shutil.copy(BUILT_IN / "adaptive.toml", tmp_path)
    pairs = [(cause, catalog.place_of(cause.id)) for cause in catalog]
    own = [pair for pair in pairs if pair[1].file.endswith("/adaptive.toml")]
    assert own
    write_snapshot(tmp_path, own)
    return tmp_path


def test_the_snapshot_of_the_package_is_up_to_date():
    snapshot = read_snapshot(BUILT_IN)
    assert snapshot is not None, "run `make catalog`"
    strict = load_catalog(strict=True)
    quick = load_catalog()
    assert list(quick) == list(strict)
    for cause, entry in snapshot.entries:
        assert entry.place == strict.place_of(cause.id)
        assert quick.place_of(cause.id) == entry.place
    for pattern, texts in snapshot.literals.items():
        assert patterns._find_literals(pattern) == texts


def test_it_is_used_as_long_as_it_fits_the_files(folder):
    assert read_snapshot(folder) is not None
    with (folder / "adaptive.toml").open("a") as file:
        file.write("# one more remark\n")
    assert read_snapshot(folder) is None


def test_a_new_file_makes_it_old(folder):
    (folder / "more.toml").write_text("")
    assert read_snapshot(folder) is None


def test_other_words_of_alarm_make_it_old(folder, monkeypatch):
    monkeypatch.setattr("llm_scheduler.diagnosis.catalog_snapshot.WORDS", ("ouch",))
    assert read_snapshot(folder) is None


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"sources": 1}', "\xff"])
def test_a_damaged_one_is_not_used(folder, damage):
    (folder / NAME).write_bytes(damage.encode("latin-1"))
    assert read_snapshot(folder) is None


def test_a_cause_that_is_none_makes_it_useless(folder):
    values = json.loads((folder / NAME).read_text())
    del values["causes"][0]["cause"]["title"]
    (folder / NAME).write_text(json.dumps(values))
    assert read_snapshot(folder) is None


def test_without_it_the_files_are_read(folder, monkeypatch):
    (folder / NAME).unlink()
    monkeypatch.setattr(catalog_module, "BUILT_IN", folder)
    found = catalog_module._read_built_in.__wrapped__(False)
    assert set(found.causes) == {c.id for c in load_catalog() if c.id.startswith("adaptive")}
