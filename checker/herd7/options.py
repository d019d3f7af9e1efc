"""The options of herd7 7.58, on a command line and in .cfg files: one row each, and what they ask for.

What is asked is kept as text by its name in `Asked`; `KNOWN` says which values there are, and which of them are supported.
What herd7 does not know is refused, and so is, by its name, what herd7 knows and this does not; an option that only says what
is the case anyway is taken. Options of pictures that do not say what is in them are taken, and kept as `style`.

    asked(["-conf", "linux-kernel.cfg", "MP.litmus"])    Asked(values={"model": "linux-kernel.cat", …}, files=("MP.litmus",))
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field


class BadOption(Exception):
    """What is wrong with an option or a .cfg file, as herd7 puts it; `refused` where herd7 would take it."""


class Said(Exception):
    """The text that an option asks for in place of a run."""


class Asked(Struct):
    """What was asked for. `lists` holds what is given more than once; `style` how pictures are to look."""

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    style: list[tuple[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def on(self, name: str) -> bool:
        return self.values.get(name) == "true"

    def number(self, name: str) -> int | None:
        return int(self.values[name]) if name in self.values else None

    def each(self, name: str) -> frozenset[str]:
        """The names in all lists, which have commas."""
        return frozenset(word for text in self.lists.get(name, ()) for word in text.split(",") if word)


class Row(Struct, frozen=True):
    """An option: what it takes, `only` which values are supported (any where None), the key in .cfg files ("" for none).

    `takes` is nothing (a flag), bool, int, float, string, list, or the words it may be; `fixed` is what a flag stands for.
    """

    takes: str
    only: str | None = None
    key: str | None = None
    fixed: tuple[str, str] | None = None
    style: bool = False


BOOLS = ("true", "false")
VARIANTS = frozenset(
    [
        "success",
        "instr",
        "specialx0",
        "normw",
        "acqrelasfence",
        "backcompat",
        "fullscdepend",
        "splittedrmw",
        "switchdepscwrite",
        "switchdepscresult",
        "lrscdiffok",
        "mixed",
        "dontcheckmixed",
        "weakpredicated",
        "lkmmv1",
        "lkmmv2",
        "memtag",
        "vmsa",
        "kvm",
        "synchronous",
        "sync",
        "asynchronous",
        "async",
        "asymmetric",
        "asym",
        "handled",
        "fatal",
        "faulttonext",
        "cutoff",
        "deps",
        "morello",
        "instances",
        "noptebranch",
        "pte2",
        "pte-squared",
        "phantomonload",
        "optrfrmw",
        "constrainedunpredictable",
        "exp",
        "self",
        "cos-opt",
        "test",
        "asl",
        "strict",
        "warn",
        "s128",
        "telechat",
        "oldsolver",
        "oota",
    ]
)
SUPPORTED_VARIANTS = frozenset({"lkmmv2"})

_PICTURE = {
    "bool": "mono showthread edgemerge labelinit showlegend showkind shortlegend squished fixedsize showobserved brackets texmacros"
    " showpo showinitrf showfinalrf oneinit showinitwrites relabel withbox labelbox movelabel",
    "float": "scale xscale yscale dsiy siwidth ptscale boxscale extrachars threadposy margin pad penwidth arrowsize",
    "int": "fontsize edgefontsizedelta",
    "string": "shift initrfpos finalrfpos initpos classes sep fontname edgeattr overlap",
    "list": "doshow unshow symetric noid showraw",
    "free cluster columns": "graph",
    "all mem noregs memf": "showevents",
    "plain fig": "dotmode",
    "dot neato circo": "dotcom",
    "spline true line false polyline ortho curved none": "splines",
}

ROWS: dict[str, Row] = {
    "-version": Row("", key=""),
    "-libdir": Row("", key=""),
    "-help": Row("", key=""),
    "--help": Row("", key=""),
    "-set-libdir": Row("string", key=""),
    "-v": Row("", key="", fixed=("verbose", "1")),
    "-q": Row("", key="", fixed=("verbose", "-1")),
    "-I": Row("list", key="include"),
    "-exit": Row("bool", key=""),
    "-timeout": Row("float"),
    "-conf": Row("string"),
    "-bell": Row("string"),
    "-macros": Row("string"),
    "-o": Row("string", key=""),
    "-suffix": Row("string"),
    "-dumpes": Row("bool", "false", key=""),
    "-view": Row("gv evince preview", ""),
    "-gv": Row("", "", key=""),
    "-evince": Row("", "", key=""),
    "-preview": Row("", "", key=""),
    "-unroll": Row("int"),
    "-hexa": Row("bool", "false"),
    "-switch": Row("", "", key=""),
    "-web": Row("", key="", fixed=("conf", "web.cfg")),
    "-c11": Row("", key="", fixed=("conf", "cpp11.cfg")),
    "-debug": Row("string", ""),
    "-morefences": Row("bool", key=""),
    "-model": Row("string"),
    "-cat": Row("string"),
    "-through": Row("all invalid none", "none"),
    "-throughflag": Row("string", "none", key=""),
    "-skipcheck": Row("list", key=""),
    "-skipchecks": Row("list"),
    "-strictskip": Row("bool", "false"),
    "-cycles": Row("list", "", key=""),
    "-variant": Row("list"),
    "-machsize": Row("auto byte short word quad s128", "auto word"),
    "-endian": Row("little big", "little"),
    "-archcheck": Row("bool"),
    "-optace": Row("false true iico"),
    "-initwrites": Row("bool", "false"),
    "-show": Row("prop all neg cond none wit"),
    "-showflag": Row("string"),
    "-speedcheck": Row("false true fast"),
    "-nshow": Row("int"),
    "-badexecs": Row("bool"),
    "-badflag": Row("string"),
    "-checkfilter": Row("bool"),
    "-showone": Row("bool", key=""),
    "-maxphantom": Row("string", "none", key=""),
    "-statelessrc11": Row("bool", "false", key=""),
    "-dumpallfaults": Row("", key=""),
    "-names": Row("list"),
    "-excl": Row("list"),
    "-rename": Row("list", ""),
    "-kinds": Row("list"),
    "-conds": Row("list", ""),
    "-candidates": Row("bool", "false", key=""),
    "-restrict": Row("observed nonambiguous condone none", "none"),
    "-outcomereads": Row("bool", "false"),
    "-tikz": Row("bool", "false", key=""),
    "-dotheader": Row("string"),
    **{f"-{name}": Row(takes, style=True) for takes, names in _PICTURE.items() for name in names.split()},
}
_KEYS = {
    **{name.lstrip("-") if row.key is None else row.key: name for name, row in ROWS.items() if row.key != ""},
    "verbose": "-verbose",
    "local-conf": "-local-conf",
    "oknames": "-oknames",
    "nonames": "-nonames",
}
_ONLY_KEYS = {
    "-verbose": Row("int"),
    "-local-conf": Row("string"),
    "-oknames": Row("list"),
    "-nonames": Row("list"),
}
_CALLED = {"skipcheck": "skipchecks", "cat": "model"}
_EXPECTED = {"bool": "a boolean", "int": "an integer", "float": "a float"}
_NUMBERS = {"int": r"[+-]?[0-9][0-9_]*", "float": r"[+-]?(?:[0-9][0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9]+)?|inf|nan)"}

Find = Callable[[str, Asked], Path]


def asked(argv: Sequence[str], find: Find, about: dict[str, str]) -> Asked:
    """What a command line asks for. `find` finds a file that is named, `about` is what -version, -libdir and -help say.

    Raises BadOption, Said, and what `find` raises.
    """
    made = Asked()
    words = iter(argv)
    for word in words:
        if not word.startswith("-"):
            made.files.append(word)
            continue
        name, equals, value = (word, "", "") if word in ROWS else word.partition("=")
        row = ROWS.get(name)
        if row is None:
            raise BadOption(f"unknown option '{word}'.")
        if not row.takes:
            if name in about:
                raise Said(about[name])
            _flag(made, name, row, find)
        elif equals:
            _take(made, name, row, value, find)
        else:
            _take(made, name, row, _argument(name, words), find)
    return made


def _argument(name: str, words: Iterator[str]) -> str:
    for word in words:
        return word
    raise BadOption(f"option '{name}' needs an argument.")


def _flag(made: Asked, name: str, row: Row, find: Find) -> None:
    if row.only is not None:
        raise BadOption(f"option '{name}' is not supported.")
    if row.fixed is None:
        return
    if row.fixed[0] == "conf":
        _configured(made, find(row.fixed[1], made), find)
    else:
        made.values[row.fixed[0]] = row.fixed[1]


def _take(made: Asked, name: str, row: Row, value: str, find: Find) -> None:
    """Note the value of an option. Raises BadOption where herd7 would not take it, or it is not supported."""
    problem = _wrong(name, row, value)
    if problem:
        raise BadOption(problem)
    key = _CALLED.get(name.lstrip("-"), name.lstrip("-"))
    if key == "conf":
        _configured(made, find(value, made), find)
    elif row.style:
        made.style.append((key, value))
    elif row.takes == "list":
        made.lists.setdefault(key, []).append(value)
    elif value == "none" and key in ("timeout", "badflag"):
        made.values.pop(key, None)
    else:
        _set(made, key, value)


def _set(made: Asked, key: str, value: str) -> None:
    if key == "showone":
        if value == "true":
            made.values["nshow"] = "1"
    elif key == "showflag":
        made.values.update(show="flag", showflag=value)
    else:
        made.values[key] = value.lower() if key in ("show", "speedcheck", "through") else value


def _wrong(name: str, row: Row, value: str) -> str:
    """Why herd7 would not take this value of an option, or it is not supported here; empty where it is."""
    takes = row.takes
    if takes == "bool" and value not in BOOLS:
        return f"wrong argument '{value}'; option '{name}' expects a boolean."
    if takes in _NUMBERS and not re.fullmatch(_NUMBERS[takes], value) and not (value == "none" and takes == "float"):
        return f"wrong argument '{value}'; option '{name}' expects {_EXPECTED[takes]}."
    if " " in takes and value.lower() not in takes.split():
        return f"bad tag for {name}, allowed tag are {','.join(takes.split())}."
    if name == "-variant":
        return _wrong_variant(value)
    if name in ("-model", "-cat") and not value.endswith(".cat"):
        return f"bad tag for {name}, allowed tag are <filename>.cat."
    if row.only is not None and value.lower() not in row.only.split():
        return f"option '{name} {value}' is not supported."
    return ""


def _wrong_variant(value: str) -> str:
    for tag in value.split(","):
        if tag.lower() not in VARIANTS and not re.fullmatch(r"T[0-9][0-9]|ASL(?:Type)?\+\S+", tag):
            return f"tag {tag} for -variant is wrong, allowed tags are {','.join(sorted(VARIANTS))}."
        if tag.lower() not in SUPPORTED_VARIANTS:
            return f"option '-variant {tag}' is not supported."
    return ""


# ---------------------------------------------------------------- .cfg files

_LINE = re.compile(r"([A-Za-z-]+)(?:[ \t\r]*=[ \t\r]*|[ \t\r]+)([^ \t\n\r].*)")


def _configured(made: Asked, path: Path, find: Find) -> None:
    """Take the options that a .cfg file sets. Raises BadOption with the place."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.match(line)
        if not found:
            raise BadOption(f'File "{path}", line {number}, character 0: Unknown key in configuration file')
        key, value = found[1], found[2].rstrip()
        name = _KEYS.get(key)
        if name is None:
            raise BadOption(f"File \"{path}\", line {number}, character {len(line)}: Unknown key '{key}' in configuration file")
        try:
            if key == "local-conf":
                _configured(made, path.parent / value, find)
            else:
                _take(made, name, _ONLY_KEYS.get(name) or ROWS[name], value, find)
        except BadOption as error:
            text = str(error)
            raise error if text.startswith("File ") else BadOption(f'File "{path}", line {number}: {text}') from None


def find_in(folders: Sequence[str], name: str) -> Path | None:
    """The file `name`: as it is where it says its folder, otherwise the first in `folders`."""
    if os.path.isabs(name) or name.startswith(("./", "../")):
        return Path(name)
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)
