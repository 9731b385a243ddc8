"""Names that stand for code: looked up late, so that listing a name imports nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Generic, TypeVar, cast

from dltrader.errors import BundleError, ConfigError, DLTraderError, UnknownNameError

T = TypeVar("T")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The closest known name as a hint, `"; did you mean 'x'?"`, or all of them where none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to objects, written as `"module:attribute"` and imported when asked for.

    Args:
        kind: What is registered, in words: it stands in the error messages.
        entries: Name -> `"module:attribute"`.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries: dict[str, str | T] = dict(entries)

    def register(self, name: str, entry: T) -> T:
        """Add an object under a new name and return it.

        Raises:
            ConfigError: The name is taken.
        """
        if name in self._entries:
            raise ConfigError(f"{self.kind} {name!r} is already registered; choose another name")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> T:
        """The object behind a name.

        Raises:
            UnknownNameError: Nothing is registered under the name.
        """
        if name not in self._entries:
            raise UnknownNameError(f"unknown {self.kind} {name!r}{did_you_mean(str(name), self)}")
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = cast("T", getattr(import_module(module), attribute))
            self._entries[name] = entry
        return entry

    def __contains__(self, name: object) -> bool:
        """Whether the name is registered; imports nothing."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of their registration."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._entries)

    def name_of(self, entry: object) -> str | None:
        """The name under which an object is registered, or None."""
        return next((name for name in self if self[name] is entry), None)


@contextmanager
def built_here(kind: str, folder: object, *, unreadable: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Build something from what a folder says of it: whatever does not fit is told of in one line.

    Args:
        kind: What is built, in words: "policy".
        folder: Where it is described.
        unreadable: Further errors by which a file says that it is none of its format.

    Raises:
        BundleError: The folder names something that is not registered here, or describes nothing of the kind.
        MissingExtraError: The library that reads it is not installed.
    """
    malformed: tuple[type[Exception], ...] = (AttributeError, KeyError, TypeError, ValueError, *unreadable)
    try:
        yield
    except (BundleError, ImportError):
        raise
    except DLTraderError as error:
        raise BundleError(
            f"{folder} does not fit this installation: {error}; register what is your own before, on the command line "
            "with dltrader --plugin MODULE"
        ) from None
    except malformed as error:
        raise BundleError(f"{folder} is no {kind} of this format: {error}") from None
