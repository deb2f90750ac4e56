"""`Child`: a retraining in a process of its own, driven by lines of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from qtpy.QtCore import QObject, QProcess, Signal  # type: ignore[attr-defined]

WAIT_MS = 2000
"""How long a killed process may take to be gone."""


class Child(QObject):
    """Runs one retraining at a time.

    Its signals come on the main thread: `happened` (an event: a dict), `ended` (a line for the
    person if it failed, else empty).

    Attributes
    ----------
    program : list of str
        What is run; the arguments follow.
    """

    happened = Signal(dict)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.program = [sys.executable, "-u", "-m", "napari_nuclei", "retrain"]
        self._process: QProcess | None = None
        self._rest = b""
        self._said = b""
        self._error = ""

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def start(self, arguments: Sequence[str]) -> None:
        """Start a retraining; one that runs is cancelled."""
        self.cancel()
        process = self._process = QProcess(self)
        self._rest = self._said = b""
        self._error = ""
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        program, *first = self.program
        process.start(program, [*first, *arguments, "--lines"])

    def cancel(self) -> None:
        """End the process at once; the same retraining goes on from its checkpoint later."""
        process, self._process = self._process, None
        if process is None:
            return
        process.blockSignals(True)
        process.kill()
        process.waitForFinished(WAIT_MS)
        process.deleteLater()
        self.ended.emit("")

    def _on_output(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + self._process.readAllStandardOutput().data()).split(
            b"\n"
        )
        for text in lines:
            try:
                event = json.loads(text)
            except ValueError:  # somebody else's print
                continue
            if isinstance(event, dict) and "event" in event:
                if event["event"] == "error":
                    self._error = str(event.get("text", ""))
                self.happened.emit(event)

    def _on_errors(self) -> None:
        if self._process is not None:
            self._said = (self._said + self._process.readAllStandardError().data())[-4000:]

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if self._process is not None and error == QProcess.ProcessError.FailedToStart:
            reason = self._process.errorString()
            self._end(f"Training cannot be started: {reason}.")

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is None:
            return
        self._on_output()
        self._on_errors()
        if code in (0, 1) and status == QProcess.ExitStatus.NormalExit and not self._error:
            self._end("")
            return
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1] if lines else "no message"
        self._end(
            self._error
            or f"The training stopped unexpectedly ({last[:200]}). Press Retrain to continue "
            "from its last checkpoint, if there is one."
        )

    def _end(self, text: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        self.ended.emit(text)
