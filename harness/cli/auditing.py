"""`unlearn audit`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from tabulate import tabulate

from harness.cli.options import DEFAULT_STORE, named_device, named_suite
from harness.context import Place
from harness.errors import BadSetting
from harness.plugins import Registry, load_registry
from harness.suite import AuditorSpec, ModelSpec, Suite

if TYPE_CHECKING:
    from harness.auditing.evidence import Evidence
    from harness.auditing.report import AuditOutcome

PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--data", metavar="NAME|FILE", help="A data set by name, or FILE.npz with train_inputs, train_labels, "
                                                     "test_inputs and test_labels."),
    click.option("--forget", type=PATH, metavar="FILE", help="Indices of the training examples that were to be "
                                                             "forgotten: .txt, .json or .npz."),
    click.option("--retain", type=PATH, metavar="FILE", help="Indices of those that were kept [default: all others]."),
    click.option("--test", type=PATH, metavar="FILE", help="Indices into the test set [default: all]."),
    click.option("--original", metavar="URI", help="The model before unlearning."),
    click.option("--oracle", "oracles", multiple=True, metavar="URI", help="A model retrained without the forget set; "
                                                                           "repeatable, three or more are best."),
    click.option("--references", type=PATH, metavar="FILE", help="Answers of models trained on random halves of the "
                 "pool: .npz with logits (R, P, C) and membership (R, P)."),
    click.option("--suite", metavar="SUITE", help="Take data, forget set, original, oracles and references from a "
                                                  "suite; what the store lacks is trained."),
    click.option("--request", type=int, default=0, show_default=True, metavar="R", help="Forget set of the suite."),
    click.option("--architecture", metavar="NAME", help="Network of a safetensors file."),
    click.option("--setting", "settings", multiple=True, metavar="KEY=VALUE", help="Setting of the architecture, e.g. "
                                                                                   "hidden=[64]; repeatable."),
    click.option("--auditor", "auditors", multiple=True, metavar="NAME", help="Run only this auditor; repeatable."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For what is random in audits."),
    click.option("--threads", type=click.IntRange(1), default=1, show_default=True, metavar="N",
                 help="CPU threads of a model."),
    click.option("--timeout", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True,
                 metavar="SECONDS", help="For one answer of a server."),
    click.option("--store", type=PATH, default=DEFAULT_STORE, show_default=True, metavar="DIR",
                 help="Where a suite's models are kept and found again."),
    click.option("--jobs", type=click.IntRange(0), metavar="N", help="Worker processes that train what a suite's store "
                 "lacks; 0 trains in this one [default: one per core]."),
    click.option("--data-root", type=PATH, envvar="UNLEARN_DATA_ROOT", metavar="DIR",
                 help="Folder of the data sets [env: UNLEARN_DATA_ROOT]."),
    click.option("--download", is_flag=True, help="Download a missing data set into --data-root."),
    click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda, cuda:1 or auto."),
    click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=PATH,
                 help="Load a plugin from a Python file; repeatable."),
    click.option("--out", type=PATH, metavar="FILE", help="Also write a report, one HTML file."),
    click.option("--json", "as_rows", is_flag=True, help="Print JSON."),
)


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("audit")
@click.argument("model")
@_with_options
def audit_command(model: str, seed: int, as_rows: bool, **options: Any) -> int:
    """Audit one MODEL that is said to have forgotten something, by all audits whose needs are met.

    MODEL is a URI: onnx:FILE, torch:FILE.safetensors (with --architecture), http(s)://HOST/v2/models/NAME,
    signals:FILE with its answers, or callable:FILE.py:FUNCTION. So are --original and --oracle.
    A verdict needs oracles, to know what a retrained model looks like, and the original, to know that the audits would
    notice. Exit code 1 if the model is found to differ from a retrained one. A server is given the
    token in the environment variable UNLEARN_HTTP_TOKEN.

    \b
    unlearn audit onnx:model.onnx --suite digits-v1
    unlearn audit http://127.0.0.1:8080/v2/models/digits --data digits --forget forget.txt \\
        --original onnx:before.onnx --oracle onnx:o1.onnx --oracle onnx:o2.onnx --oracle onnx:o3.onnx \\
        --out report.html
    """
    from harness.auditing.report import audit

    registry = load_registry(options["plugins"])
    for broken in registry.broken:
        click.echo(f"unlearn: warning: {broken.cause}", err=True)
    suite = named_suite(registry, options["suite"]) if options["suite"] else None
    auditors, unconfigured = _auditors(registry, suite, options["auditors"])
    evidence = _evidence(model, registry, suite, auditors, options)
    outcome = audit(evidence, auditors, registry, seed, unconfigured)
    if options["out"]:
        from harness.auditing.page import write_page

        write_page(outcome, seed, options["out"])
    click.echo(json.dumps(outcome.as_json(), indent=1) if as_rows else _text(outcome))
    return 1 if outcome.verdict.found_difference else 0


def _auditors(registry: Registry, suite: Suite | None,
              chosen: tuple[str, ...]) -> tuple[dict[str, AuditorSpec], dict[str, str]]:
    """Return specs by title: the suite's, and every other registered auditor; and those that need settings."""
    specs = {spec.title: spec for spec in suite.auditors} if suite else {}
    named = {spec.name for spec in specs.values()}
    unconfigured = {}
    for name in registry.auditors:
        fields = attrs.fields(registry.auditors[name])  # type: ignore[arg-type]
        needed = [field.name for field in fields if field.default is attrs.NOTHING and field.init]
        if name not in named and needed:
            unconfigured[name] = f"has no default for {', '.join(needed)}; a suite can set it"
        elif name not in named:
            specs[name] = AuditorSpec(name=name)
    if not chosen:
        return specs, unconfigured
    for name in chosen:
        if name not in specs:
            registry.auditors.find(name)
    return {title: spec for title, spec in specs.items() if title in chosen or spec.name in chosen}, {}


def _evidence(model: str, registry: Registry, suite: Suite | None, auditors: Mapping[str, AuditorSpec],
              options: Mapping[str, Any]) -> Evidence:
    from harness.auditing.opening import gather, load_data, read_selection

    place = Place(store=options["store"], data_root=options["data_root"], download=options["download"],
                  device=named_device(options["device"]), plugins=options["plugins"])
    opener = _opener(registry, suite, place, options)
    given = {"original": options["original"], "oracles": options["oracles"], "references": options["references"]}
    if suite is None:
        if not (options["data"] and options["forget"]):
            raise BadSetting("say what was forgotten: --data and --forget, or --suite")
        whole = load_data(options["data"], registry, place)
        selection = read_selection(whole, options["forget"], options["retain"], options["test"])
        return gather(selection, opener, model, **given)
    for name in ("data", "forget", "retain", "test"):
        if options[name]:
            raise BadSetting(f"--{name}: suite '{suite.name}' brings its own; leave out --{name} or --suite")
    return _from_suite(model, suite, auditors, registry, place, opener, options, given)


def _from_suite(model: str, suite: Suite, auditors: Mapping[str, AuditorSpec], registry: Registry, place: Place,
                opener: Any, options: Mapping[str, Any], given: Mapping[str, Any]) -> Evidence:
    from harness.auditing.opening import gather
    from harness.auditing.stored import from_suite
    from harness.progress import BarProgress, make_progress

    progress = make_progress()
    registry.manager.register(progress)
    try:
        brought = from_suite(suite, options["request"], auditors, registry, place, jobs=options["jobs"])
    finally:
        if isinstance(progress, BarProgress):
            progress.stop()
    evidence = gather(brought.selection, opener, model, **given)
    return attrs.evolve(evidence, original=evidence.original or brought.original,
                        oracles=evidence.oracles or brought.oracles,
                        references=evidence.references or brought.references)


def _opener(registry: Registry, suite: Suite | None, place: Place, options: Mapping[str, Any]) -> Any:
    from harness.auditing.opening import Opener

    named = options["architecture"]
    spec = suite.model if suite and not named else ModelSpec(name=named) if named else None
    settings = {**(spec.settings if spec else {}), **dict(_setting(text) for text in options["settings"])}
    return Opener(registry=registry, architecture=registry.models[spec.name] if spec else None, settings=settings,
                  device=place.device, threads=options["threads"], timeout=options["timeout"])


def _setting(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``; the value is read as TOML, else as text."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise BadSetting(f"--setting '{text}': expected KEY=VALUE, e.g. hidden=[64]")
    try:
        return name.strip(), tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _text(outcome: AuditOutcome) -> str:
    table = tabulate([list(line.values()) for line in outcome.lines()],
                     headers=["auditor", "score", "audited", "oracle", "original", "beside the oracle"],
                     disable_numparse=True)
    return "\n".join([table, "", *outcome.notes(), "", outcome.verdict.text])
