"""Chromium, driven by the DevTools protocol over two pipes: nothing but the standard library is needed."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = shutil.which("chromium")
_PATIENCE_S = 120.0
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions")


class Chromium:
    """One browser with one tab.

    Args:
        home: A folder of its own.
    """

    def __init__(self, home: Path) -> None:
        assert PROGRAM is not None
        theirs_in, self._send = _pipe()
        self._receive, theirs_out = _pipe()
        arguments = [PROGRAM, *_FLAGS, f"--user-data-dir={home}", "--remote-debugging-pipe", "about:blank"]
        nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        environment = {**os.environ, "HOME": str(home)}
        self._pid = os.posix_spawn(PROGRAM, arguments, environment, file_actions=[*nothing, *pipes], setpgroup=0)
        os.close(theirs_in)
        os.close(theirs_out)
        self._left = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        """All that the tab has reported: requests, console messages, exceptions."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._send)
        os.close(self._receive)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command's result; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._send, data) :]
        while True:
            reply = self._next()
            if reply.get("id") == self._number:
                assert "error" not in reply, (method, reply["error"])
                result: dict[str, Any] = reply["result"]
                return result
            self.events.append(reply)

    def open(self, page: Path) -> float:
        """Load a report; milliseconds from the start of the navigation until its charts can be used."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        ready = "document.documentElement?.dataset.ready"
        self.wait(f"location.href !== 'about:blank' && {ready}")
        return float(self.js("performance.now()"))

    def js(self, expression: str) -> Any:
        """The value of an expression, or what the promise of it comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Return when an expression is true, asked in each frame of the page."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.js(f"new Promise(done => requestAnimationFrame(() => setTimeout(() => done(!!({condition})))))"):
            assert time.monotonic() < deadline, condition

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the window's size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def dark(self, wanted: bool) -> None:
        """Say which colours the reader prefers."""
        value = "dark" if wanted else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def mouse(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer, and press its button if that is asked for."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where the middle of an element is, which is scrolled to."""
        x, y = self.js(
            f"(() => {{ const node = document.querySelector({selector!r});"
            "node.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const at = node.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2] })()"
        )
        return x, y

    def key(self, name: str) -> None:
        """Press a key."""
        code = {"Enter": 13, "ArrowRight": 39, "Tab": 9}[name]
        text = {"Enter": "\r"}.get(name, "")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)

    def errors(self) -> list[str]:
        """Console messages of errors and warnings, and exceptions."""
        found = []
        for event in self.events:
            match event.get("method"):
                case "Runtime.consoleAPICalled" if event["params"]["type"] in ("error", "warning", "assert"):
                    found.append(str(event["params"]["args"]))
                case "Runtime.exceptionThrown":
                    found.append(str(event["params"]["exceptionDetails"]))
                case "Log.entryAdded":
                    found.append(str(event["params"]["entry"]))
        return found

    def requests(self) -> list[str]:
        """URLs that were asked for."""
        sent = (event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent")
        return [params["request"]["url"] for params in sent]

    def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        import base64

        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            if not select.select([self._receive], [], [], _PATIENCE_S)[0]:
                raise TimeoutError("chromium says nothing")
            data = os.read(self._receive, 1 << 20)
            if not data:
                raise ConnectionError("chromium has ended")
            self._left += data
        message, _, self._left = self._left.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


def _pipe() -> tuple[int, int]:
    """Ends of a pipe above the numbers that the browser wants them at."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends[0], ends[1]
