"""What a rule says about a call, for its owner to read. It is no part of the answer."""

import sys
from collections.abc import Callable


def _to_standard_error(message: str) -> None:
    print(f"log: {message}", file=sys.stderr)


_write: Callable[[str], None] = _to_standard_error


def log(message: str) -> None:
    """Logs a text. At most 64 of 200 bytes are kept per call. Natively, in tests, it goes to standard error."""
    _write(message)


def log_to(sink: Callable[[str], None]) -> None:
    """For the component: where the texts go."""
    global _write
    _write = sink
