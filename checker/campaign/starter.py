"""What `checker init` puts into a repository: a scenario to begin with, and a policy. Nothing that is there is touched."""

from __future__ import annotations

from pathlib import Path

from checker.parse.files import write_whole

SCENARIO = """C ready-flag

(*
 * Result: Never
 * Result(aarch64): Never
 * Result(x86-tso): Never
 *
 * P0: sets something up, then says that it is ready.
 * P1: sees that it is ready, and uses it.
 *
 * Pairs: smp_store_release() with smp_load_acquire().
 *
 * Forbidden: P1 saw it ready, but not set up.
 *
 * To have patches of the code that P1 stands for judged by this test, say behind the results which function that is:
 * "Source:", then "P1 = path/to/file.c:function (ready = member)".
 *)

{}

P0(int *data, int *ready)
{
	WRITE_ONCE(*data, 1);
	smp_store_release(ready, 1);
}

P1(int *data, int *ready)
{
	int seen;
	int found;

	seen = smp_load_acquire(ready);
	found = READ_ONCE(*data);
}

exists (1:seen=1 /\\ 1:found=0)
"""

POLICY = """# What `checker gate` checks, and what stops a change. Every setting is optional.
[gate]
paths = ["litmus"]
# baseline = "litmus/baseline.json"   # made with: checker gate --baseline litmus/baseline.json --update-baseline
require = ["lkmm"]                    # models that every test must say something of
timeout = 60                          # seconds for one test under one model
memory = 4096                         # MiB for one worker
# What stops a change. "uncovered": a barrier of the kernel is removed or weakened, and no test can judge that.
block = [
    "unexpected", "changed", "race-appeared", "flag-appeared", "missing", "unknown", "removed", "harmful", "review", "uncovered",
]
"""

FILES = {"litmus/ready-flag.litmus": SCENARIO, "checker.toml": POLICY}


def write_starter(folder: Path) -> tuple[list[str], list[str]]:
    """The files that were written, and those that were there."""
    written, there = [], []
    for name, text in FILES.items():
        file = folder / name
        if file.exists() or file.is_symlink():
            there.append(name)
            continue
        write_whole(file, text.encode())
        written.append(name)
    return written, there
