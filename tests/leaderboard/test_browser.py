"""The site in a real browser: sorted, filtered, read with a keyboard, on a phone, in the dark."""

import os
from pathlib import Path

import attrs
import pytest

from harness.rows import with_id
from harness.summary import make_rows
from leaderboard.board import Board
from leaderboard.catalog import Catalog
from leaderboard.site import build, make_site, suite_page
from tests.leaderboard.browser import ENTER, browser, missing
from tests.leaderboard.conftest import make_record, named

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "starts a browser")]
SUITE = "suites/toy-v1.retain-forget.html"
# Where axe.min.js of the npm package axe-core lies; it is no part of this repository.
AXE = os.environ.get("AXE_CORE", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return a folder with the site of a small board."""
    out = tmp_path_factory.mktemp("small") / "site"
    build(Board(rows=tuple(make_rows(make_record(access=("retain+forget", "forget-only"))))), out, Catalog())
    return out


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """Return one browser for all tests."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def titles(window):
    return window.texts("tbody.rows th a")


def press(window, name, key=""):
    """Click the heading called ``name``, or press ``key`` on it."""
    window.run("[...document.querySelectorAll('th button')].find(b => b.textContent === arguments[0]).id = 'it'", name)
    if key:
        window.type("#it", key)
    else:
        window.click("#it")
    window.run("document.getElementById('it').removeAttribute('id')")


def test_a_click_sorts_and_a_second_one_turns_the_order(site, window):
    window.open(site / SUITE)
    assert titles(window)[:3] == ["retrain", "near", "far"]

    press(window, "FT AUC")
    assert titles(window) == ["perturb", "retrain", "near", "far", "original"]
    assert window.texts("th[aria-sort=ascending] button") == ["FT AUC"]

    press(window, "FT AUC")
    assert titles(window) == ["original", "far", "near", "retrain", "perturb"]
    assert window.texts("th[aria-sort]") == window.texts("th[aria-sort=descending]")


def test_the_keyboard_sorts_too(site, window):
    window.open(site / SUITE)

    press(window, "Method", ENTER)

    assert titles(window) == ["far", "near", "original", "perturb", "retrain"]
    assert window.texts("[role=status]") == ["5 methods, by Method ascending"]


def test_gaps_are_sorted_as_gaps(site, window):
    window.open(site / SUITE)
    assert window.texts("tbody.pinned td.score b.g") == []

    window.click("label.to-gap")
    press(window, "FT AUC")

    assert titles(window)[:2] == ["retrain", "near"]
    assert all(window.texts("tbody.pinned td.score b.g"))


def test_the_filter_keeps_what_holds_every_word(site, window):
    window.open(site / SUITE)

    window.type("input[type=search]", "control ret")

    assert titles(window) == ["retrain"]
    assert window.texts("[role=status]") == ["1 of 5 methods"]


def test_rows_without_a_score_stay_last(tmp_path, window):
    rows = make_rows(make_record())
    bare = with_id(attrs.evolve(named(rows, "near"), scores=(), status="failed", reason="it diverged"))
    build(Board(rows=(*[row for row in rows if row.method.title != "near"], bare)), tmp_path / "site", Catalog())
    window.open(tmp_path / "site" / SUITE)

    for _ in range(2):
        press(window, "FT AUC")
        assert titles(window)[-1] == "near"


def test_no_page_complains_or_asks_another_machine(site, window):
    window.requested()
    for path in sorted(site.rglob("*.html")):
        window.open(path)
        assert window.console() == []
    asked = window.requested()
    assert len(asked) >= 3 * len(list(site.rglob("*.html")))
    assert [url for url in asked if not url.startswith(site.resolve().as_uri())] == []


def test_a_phone_shows_a_page_no_wider_than_itself(site, tmp_path):
    with browser(tmp_path) as phone:
        phone.emulate("setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        for path in sorted(site.rglob("*.html")):
            phone.open(path)
            assert phone.run("return document.documentElement.scrollWidth") <= 390, path.name


def test_five_thousand_rows_are_sorted_in_a_fifth_of_a_second(tmp_path, window):
    rows = make_rows(make_record())
    near = named(rows, "near")
    crowd = [attrs.evolve(near, id=f"{i:064x}", method=attrs.evolve(near.method, title=f"method-{i * 7919 % 5000:04d}"))
             for i in range(5000)]
    build(Board(rows=(rows[0],)), tmp_path / "site", Catalog())
    large = make_site(Board(rows=(rows[0], *crowd)), Catalog())
    (tmp_path / "site" / SUITE).write_text(suite_page(large, large.pages[0]), encoding="utf-8")
    window.open(tmp_path / "site" / SUITE)

    seconds = window.run_async("""
        const done = arguments[arguments.length - 1];
        const button = [...document.querySelectorAll('th button')].find(b => b.textContent === 'Method');
        const spent = [0, 1, 2].map(() => {
          const start = performance.now();
          button.click();
          document.body.offsetHeight;
          return (performance.now() - start) / 1000;
        });
        done(Math.min(...spent));""")

    assert titles(window)[:2] == ["method-0000", "method-0001"]
    # The fastest of three: other work on the machine is not the page's.
    assert seconds < 0.2


@pytest.mark.skipif(not AXE, reason="AXE_CORE does not name axe.min.js of the npm package axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(site, window, scheme):
    window.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    for path in sorted(site.rglob("*.html")):
        window.open(path)
        window.run(Path(AXE).read_text(encoding="utf-8"))
        found = window.run_async("axe.run().then(arguments[arguments.length - 1])")
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]] == [], path.name
        assert len(found["passes"]) > 10
