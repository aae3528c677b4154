"""What to say when something optional is missing: libraries of an extra, fonts of the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pagemill.errors import UsageError

INSTALL_FONTS = "apt-get install fonts-noto-cjk"  # Chinese, Japanese and Korean, on Debian and Ubuntu
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
    except ImportError as error:
        if not _is_missing(error) or (error.name or "").partition(".")[0] == _OURS:
            raise
        raise UsageError(
            f"{purpose} needs libraries that are not installed; type: pip install 'pagemill[{extra}]'"
        ) from error


def _is_missing(error: ImportError) -> bool:
    """Whether a library is absent. A library that is there but broken names its file in `path`.

    `from google.cloud import run_v2` raises a plain ImportError, because `google.cloud` is a namespace package.
    """
    return isinstance(error, ModuleNotFoundError) or (error.name is not None and error.path is None)
