"""The recursion limit is raised while somebody needs it and put back by whoever leaves last."""

from __future__ import annotations

import sys
import threading

from checker.core.depth import deep_recursion


def test_the_last_of_two_threads_to_leave_puts_the_limit_back() -> None:
    before = sys.getrecursionlimit()
    first_in, first_out, second_in = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with deep_recursion(before + 1000):
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second() -> None:
        first_in.wait(10)
        with deep_recursion(before + 2000):
            second_in.set()
            first_out.wait(10)
            assert sys.getrecursionlimit() == before + 2000

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.getrecursionlimit() == before
