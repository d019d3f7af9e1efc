"""What is kept of models from run to run is what would be made anew, and whatever is wrong with it is made anew."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from checker import library
from checker.cat.term import Model
from checker.library import SHIPPED, forget, load_model
from checker.parse import files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / name)
    forget()
    return tmp_path / "model"


def again(name: str) -> Model:
    forget()
    return load_model(name)


def all_of(model: Model) -> tuple[object, ...]:
    """Everything a model says, its terms by number."""
    terms = [(t.op, t.kind, t.name, t.span, [a.index for a in t.args], t.unfolded.index, t.monotone) for t in model.terms.all]
    axioms = [(a.kind, a.term.index, a.name, a.negated, a.role, a.span) for a in model.axioms]
    rest = (model.name, model.title, model.key, model.archs, model.compiled, model.answers, model.coherent)
    assert model.primitives is not None
    return terms, axioms, dict(model.primitives), {k: t.index for k, t in model.names.items()}, [t.index for t in model.plan], rest


@pytest.mark.parametrize("name", SHIPPED)
def test_a_kept_model_is_the_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = all_of(load_model(name))
    monkeypatch.setattr(library, "_made", None)  # nobody makes another
    assert all_of(again(name)) == made


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_a_damaged_file_is_made_anew(folder: Path, damage: object) -> None:
    made = all_of(load_model("sc"))
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert all_of(again("sc")) == made


def test_what_cannot_be_unpickled_is_made_anew(folder: Path) -> None:
    made = all_of(load_model("sc"))
    (file,) = folder.iterdir()
    data = pickle.dumps(folder)[:-2]
    file.write_bytes(files._seal(library._made_of(), data) + data)
    assert all_of(again("sc")) == made


def test_a_change_of_what_models_are_made_of_makes_them_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model("sc")
    monkeypatch.setattr(library, "_made_of", lambda: "another program")
    monkeypatch.setattr(library, "_made", lambda *_: "made anew")
    assert again("sc") == "made anew"
    forget()


def test_every_file_of_the_program_and_of_its_models_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = library._made_of()
    for name in ("cat/elaborate.py", "models/lib/stdlib.cat", "models/lkmm/lkmm.bell", "models/lkmm/linux.def", "c.lark"):
        assert f"/{name} " in said, name


def test_a_model_with_files_of_ones_own_is_not_kept(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "mine.def"
    table.write_text("mine(p) __load{ONCE}(*p)\n")
    load_model("lkmm", macros=str(table))
    assert not folder.exists()


def test_where_nothing_can_be_kept_models_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / "file" / name)
    assert load_model("sc").name == "sc"
