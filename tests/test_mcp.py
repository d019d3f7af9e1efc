"""The tools for programs, asked by a real client over the pipes of a real process: typed answers, errors in words, limits kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner

from checker.cli import cli
from checker.library import SHIPPED

mcp = pytest.importorskip("mcp")
stdio = pytest.importorskip("mcp.client.stdio")

LITMUS = Path(__file__).parent.parent / "litmus"
SMP_RMB = (LITMUS / "kvm" / "emulate-block-smp-rmb.litmus").read_text()
MP = """C MP

{}

P0(int *x, int *y)
{
	WRITE_ONCE(*x, 1);
	WRITE_ONCE(*y, 1);
}

P1(int *x, int *y)
{
	int r0;
	int r1;

	r0 = READ_ONCE(*y);
	r1 = READ_ONCE(*x);
}

exists (1:r0=1 /\\ 1:r1=0)
"""


def served(work: Callable[[Any], Awaitable[None]], *options: str) -> None:
    """Do `work` with a client of `checker mcp` in another process."""

    wrong: list[AssertionError] = []

    async def talk() -> None:
        params = mcp.StdioServerParameters(command=sys.executable, args=["-m", "checker", "mcp", *options])
        with anyio.fail_after(120):
            async with stdio.stdio_client(params) as (reading, writing), mcp.ClientSession(reading, writing) as session:
                await session.initialize()
                try:
                    await work(session)
                except AssertionError as error:  # which would leave as one of a group of a group
                    wrong.append(error)

    anyio.run(talk)
    for error in wrong:
        raise error


def rows(said: Any) -> Any:
    """What a tool answered: typed, and the same as text."""
    assert not said.is_error, said.content
    found = said.structured_content
    return found["result"] if set(found) == {"result"} else found


def test_all_tools_are_there_with_types_of_what_they_take_and_answer() -> None:
    async def work(session: Any) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {"check", "explain", "audit", "repair", "compare"}
        for tool in tools.values():
            assert "test" in tool.input_schema["required"]
            assert tool.output_schema["properties"]
            assert tool.annotations.read_only_hint
        named = json.dumps(tools["check"].input_schema)
        assert all(f'"{model}"' in named for model in SHIPPED)

    served(work)


def test_each_tool_answers_as_its_command_does(tmp_path: Path) -> None:
    path = tmp_path / "test.litmus"
    path.write_text(SMP_RMB)
    weak = tmp_path / "weak" / "test.litmus"
    weak.parent.mkdir()
    weak.write_text(MP)

    def same(row: dict[str, Any], other: dict[str, Any]) -> None:
        for each in (row, other):
            for key in ("file", "seconds", "check_seconds", "more_states"):
                each.pop(key, None)
        assert row == other

    def printed(*args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in CliRunner().invoke(cli, [*args, "--format", "json"]).stdout.splitlines()]

    async def work(session: Any) -> None:
        for test, file in ((SMP_RMB, path), (MP, weak)):
            for tool, command in (("check", ["run", "--states"]), ("explain", ["explain"]), ("audit", ["audit"])):
                asked = {"test": test, "models": ["lkmm", "aarch64"]}
                found = rows(await session.call_tool(tool, asked))
                wanted = printed(*command, "-m", "lkmm", "-m", "aarch64", str(file))
                assert len(found) == len(wanted) == 2
                for row, other in zip(found, wanted, strict=True):
                    same(row, other)
        (wanted,) = printed("repair", "-m", "lkmm", str(weak))
        found = rows(await session.call_tool("repair", {"test": MP, "models": ["lkmm"]}))
        assert [a["text"] for a in found["alternatives"]] == [a["text"] for a in wanted["alternatives"]]
        assert found["alternatives"]
        found = rows(await session.call_tool("compare", {"test": MP, "first": "lkmm", "second": "x86-tso"}))
        assert [o["by"] for o in found["outcomes"]] == ["lkmm"]

    served(work)


def test_without_models_those_that_the_text_names_are_asked() -> None:
    async def work(session: Any) -> None:
        assert {row["model"] for row in rows(await session.call_tool("check", {"test": SMP_RMB}))} > {"lkmm", "x86-tso"}
        assert [row["model"] for row in rows(await session.call_tool("check", {"test": MP}))] == ["lkmm"]

    served(work)


def test_what_cannot_be_asked_is_an_error_in_words_and_the_server_goes_on() -> None:
    async def work(session: Any) -> None:
        for asked, words in (
            ({"test": MP.replace("READ_ONCE", "READ_TWICE")}, "READ_TWICE"),
            ({"test": MP, "models": ["/etc/passwd"]}, "models"),
            ({"test": MP, "unroll": 0}, "unroll"),
            ({"test": MP + "x" * 2000}, "more than the 2,000 allowed"),
            ({"test": ""}, "empty"),
        ):
            said = await session.call_tool("check", asked)
            assert said.is_error, asked
            assert words in said.content[0].text
            assert "Traceback" not in said.content[0].text
        assert rows(await session.call_tool("check", {"test": MP}))[0]["observation"] == "Sometimes"

    served(work, "--characters", "2000")


def busy(n: int) -> str:
    """A test that takes longer than anybody wants to wait."""
    threads = [
        f"P{i}(atomic_t *x, atomic_t *y)\n{{\n"
        + "".join(f"\tint a{k} = atomic_fetch_add({k % 7 + 1}, {'xy'[k % 2]});\n" for k in range(4))
        + "}\n"
        for i in range(n)
    ]
    return "C busy\n\n{}\n\n" + "\n".join(threads) + "\nexists (x=1 /\\ y=1)\n"


def test_a_call_takes_no_longer_than_it_may_and_others_are_answered_meanwhile() -> None:
    async def work(session: Any) -> None:
        began = time.monotonic()
        quick: list[float] = []

        async def ask_quickly() -> None:
            assert rows(await session.call_tool("check", {"test": MP}))
            quick.append(time.monotonic() - began)

        async with anyio.create_task_group() as group:
            group.start_soon(ask_quickly)
            said = await session.call_tool("check", {"test": busy(12)})
        assert time.monotonic() - began < 20
        if said.is_error:
            assert "not answered within 1 s" in said.content[0].text
        else:
            assert "1 s" in rows(said)[0]["unknown_because"]
        assert len(quick) == 1

    served(work, "--timeout", "1", "--jobs", "2")


def test_a_call_takes_no_more_memory_than_it_may() -> None:
    async def work(session: Any) -> None:
        said = await session.call_tool("check", {"test": busy(12)})
        words = said.content[0].text if said.is_error else rows(said)[0]["unknown_because"]
        assert "memory" in words

    served(work, "--timeout", "60", "--memory", "256")


def test_without_the_library_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "checker.serve", raising=False)
    done = CliRunner().invoke(cli, ["mcp"])
    assert done.exit_code == 2
    assert "pip install 'litmus-checker[mcp]'" in done.output
