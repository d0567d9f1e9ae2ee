"""What a check is, how it is run, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from attrs import frozen

from harness.errors import HarnessError

Status = Literal["passed", "failed", "xfail", "skipped"]
ExpectedFailures = Mapping[str, str]


class CheckFailed(AssertionError):
    """The plugin does not do what the check is named after; the message says what to change."""


class CheckSkipped(Exception):
    """The check does not apply to this plugin; the message says why."""


def require(condition: object, message: str) -> None:
    """Raise `CheckFailed` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise CheckFailed(message)


@frozen(kw_only=True)
class Check:
    """One behaviour of one plugin, not yet tried.

    Attributes:
        name: ``check_`` and what must hold.
        subject: name of the plugin.
        body: returns None or a remark when the behaviour is there; raises otherwise.
        essential: the other checks mean nothing when this one fails.
    """

    name: str
    subject: str
    body: Callable[[], str | None]
    essential: bool = False

    def __call__(self) -> None:
        """Try it, as a test does.

        Raises:
            CheckFailed: if the behaviour is not there.
            CheckSkipped: if the check does not apply.
            Exception: whatever the plugin raises.
        """
        self.body()


@frozen(kw_only=True)
class Outcome:
    """What came of one check.

    Attributes:
        check: its name.
        status: ``passed``; ``failed``; ``xfail``, it failed as was declared; ``skipped``, it does not apply.
        message: why, and how to mend it; a remark when passed.
    """

    check: str
    status: Status
    message: str = ""


def run_checks(checks: Iterable[Check], expected_failures: ExpectedFailures) -> list[Outcome]:
    """Return the outcome of every check, in order.

    Args:
        checks: of one plugin.
        expected_failures: reasons by name of check; such a check must fail.

    Raises:
        ValueError: if a failure is expected of a check that there is not.
    """
    listed = list(checks)
    unknown = sorted(set(expected_failures) - {check.name for check in listed})
    if unknown:
        raise ValueError(f"expected_failures names {', '.join(unknown)}, which is no check of this plugin; "
                         f"its checks: {', '.join(check.name for check in listed)}")
    return list(_outcomes(listed, expected_failures))


def _outcomes(checks: Iterable[Check], expected_failures: ExpectedFailures) -> Iterator[Outcome]:
    pointless = ""
    for check in checks:
        if pointless:
            yield Outcome(check=check.name, status="skipped", message=pointless)
            continue
        outcome = _expected(_run(check), expected_failures.get(check.name))
        if check.essential and outcome.status == "failed":
            pointless = f"means nothing while {check.name} fails"
        elif check.essential and outcome.status == "skipped":
            pointless = f"means nothing without {check.name}"
        yield outcome


def _run(check: Check) -> Outcome:
    try:
        remark = check.body()
    except CheckSkipped as reason:
        return Outcome(check=check.name, status="skipped", message=str(reason))
    except CheckFailed as failure:
        return Outcome(check=check.name, status="failed", message=str(failure))
    # The border of one check: whatever a plugin raises is the outcome of this check and of no other.
    except Exception as error:
        return Outcome(check=check.name, status="failed", message=_in_words(error))
    return Outcome(check=check.name, status="passed", message=remark or "")


def _in_words(error: Exception) -> str:
    said = str(error) if isinstance(error, HarnessError) else f"it raised {type(error).__name__}: {error}"
    return " ".join(said.split())


def _expected(outcome: Outcome, reason: str | None) -> Outcome:
    if reason is None or outcome.status == "skipped":
        return outcome
    if outcome.status == "failed":
        return Outcome(check=outcome.check, status="xfail", message=reason)
    return Outcome(check=outcome.check, status="failed",
                   message=f"it passes, but is expected to fail ({reason}); take it out of expected_failures")
