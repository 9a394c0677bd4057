"""Grids of whole numbers that must keep sums or differ: every grid that keeps the rules is right."""

import json
import re
from collections import Counter
from math import isqrt

BESIDES = frozenset(" \t,|[]()")  # what may stand between the numbers of a row
LARGEST = 9  # digits of one cell

Grid = list[list[int]]


def grid_in(answer: str) -> Grid:
    """Return the first rows of numbers in ``answer`` that follow on each other, one row per line."""
    rows: Grid = []
    for line in answer.splitlines():
        numbers = re.findall(r"[0-9]+", line)
        if numbers and set(re.sub(r"[0-9]+", "", line)) <= BESIDES:
            rows.append([int(digits[: LARGEST + 1]) for digits in numbers])
        elif rows:
            break
    return rows


def kakurasu(answer: str, instance: str) -> bool:
    """Return whether ``answer`` is a grid of 0 and 1 with the right weighted sums.

    A 1 counts as its column's number in its row's sum, and as its row's number in its column's.

    Args:
        answer: Rows of 0 and 1.
        instance: JSON ``{"row_sums": [1, 9], "col_sums": [4, 4, 4]}``.
    """
    puzzle = json.loads(instance)
    grid = grid_in(answer)
    if not _fits(grid, len(puzzle["row_sums"]), len(puzzle["col_sums"])) or set().union(*grid) - {0, 1}:
        return False
    sums = _weighted(grid), _weighted(_columns(grid))
    return sums == (puzzle["row_sums"], puzzle["col_sums"])


def mini_sudoku(answer: str, instance: str) -> bool:
    """Return whether ``answer`` completes the puzzle: every row, column and box holds each number once.

    Args:
        answer: Rows of numbers.
        instance: JSON ``{"puzzle": [[3, 0, 4, 0], …]}``, 0 where a number is missing.
    """
    given = json.loads(instance)["puzzle"]
    grid, size = grid_in(answer), len(given)
    if not _fits(grid, size, size) or not _keeps(grid, given):
        return False
    box = isqrt(size)
    boxes = [
        [grid[top + i][left + j] for i in range(box) for j in range(box)]
        for top in range(0, size, box)
        for left in range(0, size, box)
    ]
    return all(sorted(part) == list(range(1, size + 1)) for part in [*grid, *_columns(grid), *boxes])


def survo(answer: str, instance: str) -> bool:
    """Return whether ``answer`` fills the gaps with the numbers given, so that rows and columns add up.

    Args:
        answer: Rows of numbers; the last of each row and of each column is the sum of the others.
        instance: JSON ``{"puzzle": [[1, 0, 11], …], "candidate_numbers": [5, …]}``, 0 for a gap.
    """
    puzzle = json.loads(instance)
    given = puzzle["puzzle"]
    grid = grid_in(answer)
    if not _fits(grid, len(given), len(given[0])) or not _keeps(grid, given):
        return False
    gaps = ((i, j) for i, row in enumerate(given) for j, cell in enumerate(row) if cell == 0)
    filled = Counter(grid[i][j] for i, j in gaps)
    sums = all(sum(line[:-1]) == line[-1] for line in [*grid, *_columns(grid)])
    return sums and filled == Counter(puzzle["candidate_numbers"])


def _fits(grid: Grid, rows: int, columns: int) -> bool:
    return len(grid) == rows and all(len(row) == columns for row in grid)


def _keeps(grid: Grid, given: Grid) -> bool:
    pairs = (pair for row, asked in zip(grid, given, strict=True) for pair in zip(row, asked, strict=True))
    return all(cell == asked for cell, asked in pairs if asked)


def _columns(grid: Grid) -> Grid:
    return [list(column) for column in zip(*grid, strict=True)]


def _weighted(grid: Grid) -> list[int]:
    return [sum(weight * cell for weight, cell in enumerate(row, start=1)) for row in grid]
