"""Suites with hidden forget sets as files: the sealed one that is published, the secret, the revealed one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import attrs

from harness.errors import BadSetting
from harness.plugins import Registry
from harness.seal import Seal, draw_seal
from harness.settings import as_json, structure
from harness.suite import Suite, load_suite


def seal_suite(path: Path, out: Path, secret: Path, registry: Registry) -> Suite:
    """Write the sealed form of a suite to ``out`` and its seeds to ``secret``, readable by its owner alone.

    Raises:
        BadSetting: if the suite is sealed already or cannot be, if its name is that of another suite, or if a file is
            there already or cannot be written.
    """
    suite = load_suite(path)
    if suite.seal is not None:
        raise BadSetting(f"{path}: '{suite.name}' is sealed already")
    if suite.name in registry.suites:
        raise BadSetting(f"{path}: '{suite.name}' is a registered suite with known seeds; give the sealed one another "
                         "name")
    opened = draw_seal(suite.requests.count)
    try:
        sealed = attrs.evolve(suite, seal=Seal(digest=opened.digest))
    except ValueError as error:
        raise BadSetting(f"{path}: {error}") from error
    _write(secret, json.dumps(as_json(opened), indent=1) + "\n", mode=0o600)
    _write(out, f'{_text(path)}\n[seal]\ndigest = "{opened.digest}"\n')
    return sealed


def reveal_suite(path: Path, out: Path, secret: Path) -> Suite:
    """Write the revealed form of a sealed suite to ``out``: the same file with salt and seeds.

    Raises:
        BadSetting: if the suite is not sealed, if the secret is not the one that it committed to, or if a file cannot
            be read or is there already.
    """
    suite = load_suite(path)
    if suite.seal is None or suite.seal.seeds:
        raise BadSetting(f"{path}: '{suite.name}' is {'revealed already' if suite.seal else 'not sealed'}")
    opened = _secret(secret)
    if opened.digest != suite.seal.digest:
        raise BadSetting(f"{secret}: opens the commitment {opened.digest[:12]}; '{suite.name}' committed to "
                         f"{suite.seal.digest[:12]}")
    try:
        revealed = attrs.evolve(suite, seal=opened)
    except ValueError as error:
        raise BadSetting(f"{secret}: {error}") from error
    # The seal is the last table of the file that `seal_suite` wrote; anywhere else these lines would not be read back.
    text = f'{_text(path)}salt = "{opened.salt}"\nseeds = {list(opened.seeds)}\n'
    if tomllib.loads(text).get("seal") != as_json(opened):
        raise BadSetting(f"{path}: [seal] is not the last table of the file; move it there")
    _write(out, text)
    return revealed


def _secret(path: Path) -> Seal:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise BadSetting(f"{path}: not the JSON that sealing wrote: {error}") from error
    found = structure(content, Seal, path.name)
    if not found.seeds:
        raise BadSetting(f"{path}: holds no seeds")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: cannot be read: {error}") from error


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    try:
        path.touch(mode=mode, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise BadSetting(f"{path}: is there already; nothing is overwritten") from error
    except OSError as error:
        raise BadSetting(f"{path}: cannot be written: {error.strerror}") from error
