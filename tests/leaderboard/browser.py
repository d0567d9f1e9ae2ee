"""A browser for tests: Chromium through its driver's HTTP interface, without another package."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps")
ENTER, TAB, SPACE = "\ue007", "\ue004", " "
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> str:
    """Return which program is not installed, or nothing."""
    return next((f"{name} is not installed" for name in ("chromium", "chromedriver") if not shutil.which(name)), "")


class Browser:
    """One window."""

    def __init__(self, address: str, width: int, height: int, profile: Path) -> None:
        self._address = address
        options = {"binary": shutil.which("chromium"),
                   "args": [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options,
                        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{answer['sessionId']}"

    def _send(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.loads(error.read())["value"]["message"]) from error

    def _command(self, name: str, content: Any) -> Any:
        return self._send("POST", f"{self._session}/{name}", content)

    def open(self, path: Path) -> None:
        """Open a file."""
        self._command("url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self._command("execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Return what a script hands to its last argument."""
        return self._command("execute/async", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click on an element, as a mouse does: it must be visible and uncovered."""
        self._command(f"element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Focus an element and press keys."""
        self._command(f"element/{self._find(selector)}/value", {"text": text})

    def _find(self, selector: str) -> str:
        return str(self._command("element", {"using": "css selector", "value": selector})[_ELEMENT])

    def texts(self, selector: str) -> list[str]:
        """Return the text of all visible elements."""
        found: list[str] = self.run("return [...document.querySelectorAll(arguments[0])]"
                                    ".filter(e => e.getClientRects().length).map(e => e.innerText)", selector)
        return found

    def emulate(self, command: str, **parameters: Any) -> None:
        """Change what the page believes of its device: a command of the Emulation domain of Chromium's protocol."""
        self._command("goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": parameters})

    def console(self) -> list[str]:
        """Return what the page complained about since the last call."""
        return [entry["message"] for entry in self._command("se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """Return every address that was asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self._command("se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def close(self) -> None:
        """End the session."""
        self._send("DELETE", self._session)


@contextmanager
def browser(folder: Path, width: int = 1280, height: int = 1000) -> Iterator[Browser]:
    """Yield a browser with a fresh profile in ``folder``."""
    with (folder / "driver.log").open("wb") as log:
        driver = subprocess.Popen([str(shutil.which("chromedriver")), "--port=0"], stdout=subprocess.PIPE, stderr=log)
        try:
            window = Browser(f"http://127.0.0.1:{_port(driver)}", width, height, folder / "profile")
            try:
                yield window
            finally:
                window.close()
        finally:
            driver.terminate()
            driver.wait(10)


def _port(driver: subprocess.Popen[bytes]) -> int:
    assert driver.stdout is not None
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        line = driver.stdout.readline().decode()
        if "successfully on port" in line:
            return int(line.rstrip(".\n").rpartition(" ")[2])
    raise RuntimeError("the browser's driver does not start")
