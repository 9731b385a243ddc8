"""Everything dltrader raises for its users.

DLTraderError
├── ConfigError          a configuration that cannot be (also ValueError)
├── UnknownNameError     a name that no registry knows (also LookupError)
├── BarsError            bars that break the rules of bars (also ValueError)
├── SourceError          a source that could not deliver bars (also OSError)
├── FeatureError         a feature that cannot be computed (also ValueError)
│   └── LookAheadError   a feature that sees bars it must not see
├── EnvironmentStateError  a step before reset or after the end (also RuntimeError)
├── ActionError          an action outside the action space (also ValueError)
├── SnapshotError        a snapshot that cannot be answered (also ValueError)
├── VoteError            an ensemble of which no model can vote (also RuntimeError)
├── BundleError          a policy file that is damaged or does not fit (also ValueError)
├── RunError             a run folder that is missing, incomplete or in the way (also OSError)
├── LedgerError          a trial ledger that is locked, not writable, damaged or too new (also OSError)
└── MissingExtraError    an optional dependency that is not installed (also ImportError)

Every message says what was found, what is allowed and what to do, in one line.
"""

from __future__ import annotations


class DLTraderError(Exception):
    """The root: catching it catches whatever dltrader raises on purpose."""


class ConfigError(DLTraderError, ValueError):
    """A configuration with an unknown key, a value out of range or a contradiction."""


class UnknownNameError(DLTraderError, LookupError):
    """A source, feature, scheme, reward, extractor or agent that is not registered."""


class BarsError(DLTraderError, ValueError):
    """Bars that are empty, unsorted, not finite or contradict themselves."""


class SourceError(DLTraderError, OSError):
    """A source of bars that is missing, unreachable or answered with nothing."""


class FeatureError(DLTraderError, ValueError):
    """A feature that cannot be computed from the bars it was given."""


class LookAheadError(FeatureError):
    """A feature whose value at a bar depends on later bars."""


class EnvironmentStateError(DLTraderError, RuntimeError):
    """A call that the environment's state does not allow, such as step before reset."""


class ActionError(DLTraderError, ValueError):
    """An action that lies outside the action space."""


class SnapshotError(DLTraderError, ValueError):
    """A snapshot that is no JSON, lacks something, or shows another market than the ensemble was trained on."""


class VoteError(DLTraderError, RuntimeError):
    """An ensemble of which every model has failed or is missing."""


class BundleError(DLTraderError, ValueError):
    """A policy bundle that is truncated, altered or made for something else."""


class RunError(DLTraderError, OSError):
    """A run folder that is missing, incomplete or already there."""


class LedgerError(DLTraderError, OSError):
    """A trial ledger that is locked, not writable, damaged, or of a newer version."""


class MissingExtraError(DLTraderError, ImportError):
    """An optional dependency that is not installed.

    Args:
        package: What is missing, as people call it.
        extra: The extra of dltrader that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'{package} is not installed; run: pip install "dltrader[{extra}]"')
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Made again from its arguments, so that it survives the way out of another process."""
        return type(self), (self.package, self.extra)
