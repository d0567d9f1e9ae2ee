import re

import attrs
import numpy as np
import pytest

from harness.cli import run_main
from harness.plan import ORACLE
from harness.record import read_record, write_record
from harness.store import Store
from leaderboard.histograms import Curve, histogram, roc
from leaderboard.report import make_report
from leaderboard.samples import CONFIDENCE, Groups, Samples, edges
from tests.conftest import TINY
from tests.leaderboard.conftest import execute, make_record, with_cells


@pytest.fixture(scope="module")
def samples(tiny_run, registry):
    """Return the samples of a real run."""
    record = read_record(tiny_run / "record.json")
    from harness.context import Place, load_dataset
    from harness.settings import structure
    from harness.suite import Suite

    data = load_dataset(registry, structure(record.suite, Suite, "suite").data, Place(store=tiny_run))
    return Samples(record, Store(tiny_run.parents[1], create=False), data)


def test_samples_are_split_into_forget_retain_and_test(samples):
    groups = samples.groups(CONFIDENCE, "ft", "retain+forget")

    # Two originals and two forget sets of 12 among 120, 120 to test on.
    assert groups.models == 4
    assert (len(groups.forget), len(groups.retain), len(groups.test)) == (4 * 12, 4 * 108, 4 * 120)


def test_every_array_that_an_auditor_kept_for_the_pool_is_shown(samples):
    assert CONFIDENCE in samples.kinds
    assert "rmia: ratio" in samples.kinds


def test_log_odds_are_those_of_the_true_classs_probability(samples):
    cell = next(cell for cell in samples.record.cells if cell.method == ORACLE and cell.request == cell.run == 0)
    logits = samples.store.arrays(cell.key, "signals")["test"].astype(float)
    labels = samples.data.test.labels
    chance = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]

    # The first oracle's test samples come first; both ways round in the last of 16 digits.
    found = samples.groups(CONFIDENCE, ORACLE, None).test[:len(labels)]
    assert found == pytest.approx(np.log(chance / (1 - chance)), rel=1e-9)


def test_a_method_without_models_has_no_samples(samples):
    assert samples.groups(CONFIDENCE, "unheard-of", "retain+forget") is None


def test_one_file_holds_everything_and_refers_to_nothing(tiny_run, tmp_path, capsys):
    out = tmp_path / "report.html"

    assert run_main(["report", str(tiny_run), "--out", str(out)]) == 0

    text = out.read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == str(out)
    assert "Log-odds of the true class, sample by sample" in text
    assert text.count('class="plot histogram"') >= 8
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert not re.findall(r"https?://(?!www\.w3\.org)", text)
    anchors = set(re.findall(r'id="(row-[0-9a-f]+)"', text))
    assert set(re.findall(r'href="#(row-[0-9a-f]+)"', text)) <= anchors


def test_ids_are_not_repeated(tiny_run, samples):
    text = make_report(samples.record, samples)

    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_without_its_store_a_run_has_a_report_without_histograms(tmp_path, capsys):
    write_record(make_record(), tmp_path / "elsewhere/runs/toy/record.json")

    assert run_main(["report", str(tmp_path / "elsewhere/runs/toy"), "--out", str(tmp_path / "r.html")]) == 0

    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No histograms" in text
    assert "picky" in text
    assert "needs input_gradients" in text


def test_failures_are_listed_with_their_reasons():
    record = with_cells(make_record(), "far", status="timeout", error="stopped after 3600 s", scores={})
    cells = tuple(attrs.evolve(cell, scores={k: v for k, v in cell.scores.items() if k != "rmia"},
                               audit_errors={"rmia": "ValueError: <i>bad</i>"})
                  if cell.method == "near" and cell.run == 1 else cell for cell in record.cells)

    text = make_report(attrs.evolve(record, cells=cells), None)

    assert text.count("timeout: stopped after 3600 s") >= 18
    assert "rmia of near retain+forget original 0 forget set 0 run 1" in text
    assert "ValueError: &lt;i&gt;bad&lt;/i&gt;" in text


@pytest.fixture
def groups():
    """Return three groups that are easy to count."""
    return Groups(forget=np.array([0.1, 0.1, 0.9]), retain=np.array([0.9, 0.9]), test=np.array([0.1, np.nan]), models=1)


def test_bins_leave_outliers_to_the_edges():
    many = Groups(forget=np.r_[np.linspace(0, 1, 1000), 1e9], retain=np.zeros(0), test=np.array([-np.inf]), models=1)

    found = edges([many])

    assert found[0] >= 0.0
    assert found[-1] <= 1.01


def test_a_histogram_has_an_area_for_each_set(groups):
    picture = histogram("h", "<title>", groups, np.array([0.0, 0.5, 1.0]))

    assert [part for part in ("forget", "retain", "test") if f'class="area {part}"' in picture] == [
        "forget", "retain", "test"]
    assert "&lt;title&gt;" in picture


def test_a_perfect_attack_is_a_line_at_the_top():
    curve = Curve(label="c", kind="method", positive=np.linspace(2, 3, 100), negative=np.linspace(0, 1, 100))

    path = re.search(r'class="curve method" d="M([^"]+)"', roc("r", "t", [curve])).group(1)

    assert {point.split()[1] for point in path.split("L")} == {"4.0"}


def test_a_blind_attack_is_the_diagonal():
    same = np.linspace(0, 1, 1001)

    path = re.search(r'class="curve method" d="M([^"]+)"',
                     roc("r", "t", [Curve(label="c", kind="method", positive=same, negative=same)])).group(1)

    points = np.array([[float(number) for number in point.split()] for point in path.split("L")])
    # One rate in a thousand is a step of a quarter of a pixel at the right and of 26 at the left end.
    assert np.abs((points[:, 0] - 34) - (264 - points[:, 1]))[20:].max() < 6


def test_what_an_audit_drew_is_in_the_report_once_for_each_method(tmp_path, registry):
    content = {**TINY, "name": "drawn-v1", "originals": 1, "requests": {"size": 0.1, "count": 1},
               "references": {"count": 0}, "access": ["retain+forget"], "auditors": [{"name": "amun-bound"}]}
    folder = execute(content, tmp_path / "store", registry)
    record = read_record(folder / "record.json")
    found = Samples(record, Store(tmp_path / "store", create=False), None)

    assert [(one.method, one.name) for one in found.figures()] == [
        (method, "bound.png") for method in ("oracle", "original", "ft", "ga")]
    html = make_report(record, found)
    assert html.count("data:image/png;base64,") == 4
    assert "img-src data:" in html


def test_a_run_without_figures_has_no_section_for_them(tiny_run, samples):
    assert "What audits drew" not in make_report(read_record(tiny_run / "record.json"), samples)
