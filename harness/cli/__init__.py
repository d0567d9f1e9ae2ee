"""The command `unlearn`: results on standard output, everything else on standard error.

Exit codes: 0 done; 1 an audit or check did not meet its criterion; 2 the user's mistake, told in one line;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from harness.cli.auditing import audit_command
from harness.cli.checking import check_command
from harness.cli.doctor import doctor
from harness.cli.listing import list_command, show
from harness.cli.planning import plan_command
from harness.cli.running import run_command
from harness.cli.scaffolding import new_plugin
from harness.cli.store import store_command
from harness.cli.tuning import tune_command
from harness.errors import HarnessError, UnknownName
from harness.plugins import load_registry

COMMANDS = (run_command, plan_command, tune_command, audit_command, list_command, show, check_command, new_plugin,
            store_command, doctor)
BUILT_IN = {command.name: command for command in COMMANDS}


class Commands(click.Group):
    """The built-in commands, and those that plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*(name for name in BUILT_IN if name), *load_registry().commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command; plugins are loaded only for a name that is not built in."""
        if cmd_name in BUILT_IN:
            return BUILT_IN[cmd_name]
        added = load_registry().commands
        if cmd_name not in added.entries:
            raise UnknownName("command", cmd_name, [*filter(None, BUILT_IN), *added])
        command: click.Command = added[cmd_name]
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["--help"], "max_content_width": 110})
@click.version_option(package_name="unlearning-harness", prog_name="unlearn")
def group() -> None:
    """Put a machine-unlearning claim to the test, against models retrained without the forgotten samples.

    \b
    unlearn run digits-v1                              train, unlearn, audit; a table and rows in one minute
    unlearn run digits-v1 --plugin mine.py             your own method beside the others
    unlearn tune digits-v1 --method amun               its hyper-parameters, found on other forget sets
    unlearn list unlearners                            what is there
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run_main(arguments))


def run_main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = group.main(args=arguments, prog_name="unlearn", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except HarnessError as error:
        return _complain(str(error))
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted; what was computed is stored, the same command continues from there")
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone; Python would complain again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(message: str) -> int:
    click.echo(f"unlearn: {' '.join(message.split())}", err=True)
    return 2
