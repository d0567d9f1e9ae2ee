"""The commands that the leaderboard adds to `unlearn`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from harness import hookimpl
from leaderboard.board_cli import leaderboard
from leaderboard.cli import compare_command, report, rerun_command, submit, verify
from leaderboard.sealing_cli import suite_command


@hookimpl
def harness_commands() -> Sequence[click.Command]:
    """Return the leaderboard's commands."""
    return [verify, submit, compare_command, report, rerun_command, leaderboard, suite_command]
