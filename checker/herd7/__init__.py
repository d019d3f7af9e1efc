"""herd7's seat: its options, its output and its exit codes, so that what calls herd7 may call this.

`options.py` reads a command line, and the files that it names; `run.py` checks the tests and prints; `hashes.py` tells tests
apart as herd7 does; `pictures.py` draws executions.
"""
