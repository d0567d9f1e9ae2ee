import attrs

from leaderboard.names import kind_of, method_names, slug
from tests.leaderboard.conftest import named


def renamed(row, name, *aliases):
    return attrs.evolve(row, method=attrs.evolve(row.method, name=name, aliases=aliases))


def test_renamed_methods_are_one_method(rows):
    found = method_names([renamed(rows[1], "trew"), renamed(rows[2], "rwft"), renamed(rows[3], "trw")])

    assert set(found.values()) == {"trw"}


def test_an_alias_that_a_row_declares_is_followed(rows):
    found = method_names([renamed(rows[1], "rmia-forget", "rf"), renamed(rows[2], "rf")])

    assert found["rf"] == "rmia-forget"


def test_kinds_of_rows(rows):
    assert [kind_of(named(rows, title)) for title in ("oracle", "original", "near")] == ["oracle", "control", "method"]


def test_a_slug_is_the_name_where_that_is_safe():
    assert slug("neggrad+") == "neggrad+"


def test_slugs_of_unsafe_names_are_no_paths_and_stay_different():
    names = ["../../etc/passwd", "..", "", "a/b", "a b", "A", "a", "é", "<script>", "x" * 300]

    found = [slug(name) for name in names]

    assert len(set(found)) == len(names)
    assert not any("/" in text or text.startswith(".") or "<" in text or len(text) > 80 for text in found)
