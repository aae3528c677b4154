"""Why a run ends early: one object that a run, its page reader and its gate share."""

from __future__ import annotations

from collections.abc import Callable

from pagemill.errors import PagemillError


class RunStop:
    """Set once. Pages in flight finish, and nothing new begins."""

    def __init__(self) -> None:
        self._reason: PagemillError | None = None
        self._listing_error: PagemillError | None = None
        self._listeners: list[Callable[[], object]] = []

    @property
    def reason(self) -> PagemillError | None:
        """Why no further page may begin; None while pages may."""
        return self._reason

    @property
    def stopped_by(self) -> PagemillError | None:
        """Why the run is incomplete, for its summary."""
        return self._reason or self._listing_error

    def now(self, error: PagemillError) -> None:
        """Begin no further page. Only the first reason is kept."""
        if self._reason is None:
            self._reason = error
            for listener in self._listeners:
                listener()

    def listing_failed(self, error: PagemillError) -> None:
        """Find no further documents. Those that were found before are read to their end."""
        self._listing_error = error

    def on_stop(self, listener: Callable[[], object]) -> None:
        """Call `listener` when the run is stopped."""
        self._listeners.append(listener)
