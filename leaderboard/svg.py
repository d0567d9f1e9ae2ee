"""SVG by elements: escaped by construction, without style attributes, which the pages' security policy refuses."""

from __future__ import annotations

from xml.etree import ElementTree

Element = ElementTree.Element


def element(name: str, *children: Element | str, **attributes: object) -> Element:
    """Return an element; ``class_`` is the class, underscores become hyphens, floats are rounded, None is left out."""
    made = ElementTree.Element(name)
    for key, value in attributes.items():
        if value is not None:
            made.set(key.rstrip("_").replace("_", "-") if key != "viewBox" else key, _text(value))
    for child in children:
        if isinstance(child, str):
            made.text = (made.text or "") + child
        else:
            made.append(child)
    return made


def text_of(root: Element) -> str:
    """Return the markup of an element."""
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
