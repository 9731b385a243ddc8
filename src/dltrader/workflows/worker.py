"""What a process of `processes.py` runs: `python -m dltrader.workflows.worker FOLDER` makes the call that lies there.

FOLDER holds call.pickle, and at the end value.pickle or error.txt; with neither, the process was ended from outside.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from dltrader.files import write_bytes, write_text

CALL, VALUE, ERROR = "call.pickle", "value.pickle", "error.txt"


def _our_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("DLTRADER_")}


@dataclass(frozen=True)
class Setting:
    """What a call finds in place when it is made.

    Attributes:
        path: The starter's `sys.path`, so that what it can import can be imported here.
        argv: The starter's `sys.argv`, so that the manifest of a run says what its user typed.
        plugins: Modules to import first.
        environment: The starter's variables that are dltrader's own, such as where the trial ledger lies.
    """

    path: Sequence[str]
    argv: Sequence[str]
    plugins: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=_our_variables)


def pack(setting: Setting, function: Callable[[Any], Any], argument: Any) -> bytes:
    """A call, with what it is to find in place."""
    # The call is a pickle within the pickle: it can be read only when the path is set and the plugins are imported.
    return pickle.dumps({**vars(setting), "call": pickle.dumps((function, argument))})


def call(packed: bytes) -> bytes:
    """Make a packed call; the pickled value."""
    values = pickle.loads(packed)  # noqa: S301 - whoever started this process wrote it
    # Its own entries last: on another machine they may be the only ones there are.
    sys.path[:], sys.argv[:] = dict.fromkeys([*values["path"], *sys.path]), values["argv"]
    os.environ.update(values["environment"])
    for module in values["plugins"]:
        import_module(module)
    function, argument = pickle.loads(values["call"])  # noqa: S301
    return pickle.dumps(function(argument))


def work(folder: Path) -> int:
    """Make the call, and leave what it returned or raised; the exit code of the process."""
    try:
        value = call((folder / CALL).read_bytes())
    except BaseException as error:
        words = " ".join(str(error).split())
        write_text(folder / ERROR, f"{type(error).__name__}: {words}" if words else type(error).__name__)
        raise
    write_bytes(folder / VALUE, value)
    return 0


def _end_with_the_starter() -> None:
    """End when standard input does, whose other end the starter holds: however it ended, nothing goes on unseen."""
    while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter shuts down
        pass
    os._exit(1)


def main() -> None:
    """Prepare the process, and work."""
    # Even where a shell in the background has had SIGINT ignored: that is how we are asked to come to an end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a worker of Ray blocks it, and hands that down
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)  # says in the log where a worker hangs
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    sys.exit(work(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
