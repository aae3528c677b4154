"""A circuit breaker for a document whose pages make every render worker crash or hang."""

from __future__ import annotations

from dataclasses import dataclass, field

from pagemill.domain.pages.planning import format_pages
from pagemill.errors import PageUnreadable, RenderingLost

_MOST_LOST = 10  # pages of a document in a row; each costs up to twice the time limit of a page


@dataclass(slots=True)
class LostPages:
    """The pages of one document, over all its chunks, that were lost in a row.

    A document may have thousands of pages that hang. When so many in a row were lost, in the order in which they came
    back, the others are not tried.
    """

    _in_a_row: list[int] = field(default_factory=list)
    _reason: str = ""

    def end_row(self) -> None:
        """Note that a page was rendered, or was refused by a worker that is well."""
        if not self._reason:
            self._in_a_row.clear()

    def add(self, number: int, error: RenderingLost) -> None:
        """Note that no worker survived a page."""
        self._in_a_row.append(number)
        if len(self._in_a_row) == _MOST_LOST:
            pages = format_pages(sorted(self._in_a_row))
            self._reason = (
                f"not rendered, because {_MOST_LOST} pages in a row (pages {pages}) could not be: {error}; for the "
                f"others type --pages {max(self._in_a_row) + 1}-, or set a larger PAGEMILL_PAGE_SECONDS"
            )

    def check(self) -> None:
        """Check that the next page is worth a try.

        Raises:
            PageUnreadable: Too many in a row were lost.
        """
        if self._reason:
            raise PageUnreadable(self._reason)
