"""Dataset adapters by name: functions from a folder of raw files to problems."""

from collections.abc import Callable, Iterator
from pathlib import Path

from workflow.lib.datasets.logicbench import logicbench_bqa
from workflow.lib.datasets.piqa import piqa
from workflow.lib.datasets.puzzle import puzzle
from workflow.lib.records import Problem

ADAPTERS: dict[str, Callable[[Path, str], Iterator[Problem]]] = {
    "logicbench_bqa": logicbench_bqa,
    "piqa": piqa,
    "puzzle": puzzle,
}
