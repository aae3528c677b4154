"""What to say when a library is missing that only an optional extra installs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pagemill.errors import UsageError

_OURS = "pagemill"


@contextlib.contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing third-party library into one line that says what to install; wrap the imports in it.

    Args:
        extra: The extra of pagemill that brings the libraries, as in pyproject.toml.
        purpose: What needs them, as the start of a sentence.

    Raises:
        UsageError: A library is not installed. A missing module of pagemill itself is a bug, and stays as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == _OURS:
            raise
        raise UsageError(
            f"{purpose} needs libraries that are not installed; type: pip install 'pagemill[{extra}]'"
        ) from error
