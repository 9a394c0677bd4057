"""The invariants need a finished run: the rule ``check_results`` calls them, ``make test`` does not."""

collect_ignore = ["test_results.py"]
