"""How far a job is: one line a minute in its log, and a bar on the terminal that it was started from."""

import time

from tqdm import tqdm  # type: ignore[import-untyped]

from workflow.lib.logs import terminal

EVERY = 60.0  # seconds between two lines in the log


class Progress:
    """Tells of a job of ``total`` steps, if known; the first and the last step are always told."""

    def __init__(self, name: str, total: int | None) -> None:
        """Start at step 0; ``name`` says what counts."""
        self._name = name
        self.total = total
        self._told = time.monotonic()
        screen = terminal()
        self._bar = None if screen is None else tqdm(total=total, desc=name, file=screen, leave=False)

    def at(self, step: int, about: object = "", *, last: bool = False) -> None:
        """Tell that ``step`` steps, from 1, are done, and ``about`` them; nothing follows ``last``."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)
        now = time.monotonic()
        if now - self._told > EVERY or last or step in (1, self.total):
            self._told = now
            total = "" if self.total is None else f" of {self.total}"
            print(f"{self._name} {step}{total}: {about}", flush=True)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
