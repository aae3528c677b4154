"""The error tree. What a class says is how long it lasts and whose fault it is; the message says the rest.

PagemillError
├── UsageError                  wrong options or configuration                      exit 2
│   ├── EndpointRefusesUs       401 or 403: who we are, or that we may not
│   ├── WrongModel              it serves another model
│   └── OutOfResources          the machine has no memory, processes or open files left
├── DeploymentFailed            the previous revision keeps serving                 exit 6
│   ├── Conflict                somebody else changed the service meanwhile
│   └── NotReady                a revision did not start
├── EndpointNeverAnswered       nothing to send pages to                            exit 4
├── ShardLost                   somebody who read for us did not report                exit 7
├── StoreUnusable               source or destination cannot be read or written     exit 5
│   ├── NoRoomLeft              the disk of the destination or of the temporary folder is full
│   └── NameUnusable            one name cannot be used there; others may
├── Permanent                   asking again gives the same answer
│   ├── DocumentUnreadable      this file is no readable PDF
│   │   ├── DocumentChanged     it is no longer the file that was listed
│   │   └── DocumentWithheld    the source does not hand it out, perhaps none of its documents
│   ├── KeyTaken                another document's results are where this one's would be
│   ├── PageUnreadable          this page cannot be rendered
│   │   └── RenderingLost       no render worker survives it
│   ├── RequestRejected         the endpoint refuses this page (4xx)
│   └── WorkerFault             a worker process raised an error that is none of these
└── Transient                   asking again may help
    ├── EndpointUnavailable     connection error, timeout, 429 or 5xx
    │   ├── EndpointNotFound    no endpoint at this address; at the start of a run it ends the run
    │   │   └── NothingListens  on this machine: the connection is refused
    │   └── MalformedAnswer     the endpoint answered, but not in its own protocol
    ├── PreconditionFailed      somebody else wrote the object first
    └── WorkerLost              a worker process crashed, hung or ran out of memory
        └── WorkerNeverReady    it ended before its first request, which is not the cause
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

_FILES = "too many files are open; allow more: ulimit -n 65536"
_MEMORY = "the machine has no memory left; free some, or give it more"
_LACKING = {errno.EMFILE: _FILES, errno.ENFILE: _FILES, errno.ENOMEM: _MEMORY}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a full disk, a quota, a limit on the size of files


class PagemillError(Exception):
    """Anything pagemill reports in its own words: what happened, to which object, what to do next."""

    def __str__(self) -> str:
        """The message; a lone surrogate in it, which no store or terminal takes, becomes its escape."""
        return super().__str__().encode("utf-8", "backslashreplace").decode()


class UsageError(PagemillError):
    """An option or a setting is wrong; nothing was done."""


class EndpointRefusesUs(UsageError):
    """The endpoint does not let us in."""


class WrongModel(UsageError):
    """The endpoint serves another model than the one asked for."""


class OutOfResources(UsageError):
    """The machine lacks memory, processes or open files: no document is to blame, and none can be read."""


class DeploymentFailed(PagemillError):
    """A deployment did not succeed; the previous revision keeps serving."""


class Conflict(DeploymentFailed):
    """Somebody else changed the service after we had read it."""


class NotReady(DeploymentFailed):
    """A revision did not become ready."""


class EndpointNeverAnswered(PagemillError):
    """The endpoint gave no sign of life within the deadline; everything finished is kept."""


class StoreUnusable(PagemillError):
    """The source cannot be read or the destination cannot be written."""


class NoRoomLeft(StoreUnusable):
    """A file cannot be written whole: the disk, a quota or a limit of the process leaves no room for it."""


class NameUnusable(StoreUnusable):
    """The destination has no room for one name: a file is where its folder should be, or the name is not allowed."""


class ShardLost(PagemillError):
    """A run that read for this one did not come to its end; everything finished is kept."""


class Permanent(PagemillError):
    """Asking again would give the same answer."""


class DocumentUnreadable(Permanent):
    """The file is not a PDF that can be opened."""


class DocumentChanged(DocumentUnreadable):
    """The file was changed, replaced or deleted after it was listed."""


class DocumentWithheld(DocumentUnreadable):
    """The source does not hand the file out."""

    def __init__(self, message: str, *, cause: str = "") -> None:
        """Describe the trouble.

        Args:
            message: What happened.
            cause: The trouble in words that name no document: other documents may have the same.
        """
        super().__init__(message)
        self.cause = cause


class KeyTaken(Permanent):
    """Another document has its results where this document's would be written."""


class PageUnreadable(Permanent):
    """The page cannot be rendered."""


class RenderingLost(PageUnreadable):
    """Every render worker that had the page crashed, or took too long."""


class RequestRejected(Permanent):
    """The endpoint refuses this request, whoever sends it and whenever."""


class WorkerFault(Permanent):
    """A worker process raised an error that nobody has foreseen; it goes on."""


class Transient(PagemillError):
    """Asking again may help."""


class EndpointUnavailable(Transient):
    """No answer for now: connection error, timeout, 429 or 5xx."""

    def __init__(
        self, message: str, *, page_may_be_the_cause: bool = False, retry_after_seconds: float | None = None
    ) -> None:
        """Describe the trouble.

        Args:
            message: What happened.
            page_may_be_the_cause: The endpoint had the whole request before it failed, and was not merely busy.
            retry_after_seconds: When the endpoint itself asks to be asked again.
        """
        super().__init__(message)
        self.page_may_be_the_cause = page_may_be_the_cause
        self.retry_after_seconds = retry_after_seconds


class EndpointNotFound(EndpointUnavailable):
    """No OCR endpoint is at this address: no such host, no such path. Once it was there, it may come back."""


class NothingListens(EndpointNotFound):
    """Connections to an address of this machine are refused."""


class MalformedAnswer(EndpointUnavailable):
    """The endpoint answered with something that is not a chat completion."""


class PreconditionFailed(Transient):
    """The object is not at the version the writer expected."""


class WorkerLost(Transient):
    """A worker process crashed, exceeded its time limit or ran out of memory."""


class ServiceStopping(WorkerLost):
    """The embedded OCR service was told to stop before the page was read."""


class WorkerNeverReady(WorkerLost):
    """A worker process ended, or was stopped, before its first request."""


def kind_of(error: PagemillError) -> str:
    """The name of the class above that an error is of: other processes know only those."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)


def reported(kind: str, message: str) -> PagemillError:
    """An error that another process met, by what `kind_of` made of it there."""
    found = globals().get(kind)
    return found(message) if isinstance(found, type) and issubclass(found, PagemillError) else PagemillError(message)


def out_of_resources(error: BaseException) -> OutOfResources | None:
    """What the machine lacks, if that is why an error was raised; None otherwise."""
    for leaf in causes(error):
        if isinstance(leaf, OutOfResources):
            return leaf
        if isinstance(leaf, MemoryError):
            return OutOfResources(_MEMORY)
        if isinstance(leaf, OSError) and leaf.errno in _LACKING:
            return OutOfResources(_LACKING[leaf.errno])
        if isinstance(leaf, RuntimeError) and "can't start new thread" in str(leaf):
            return OutOfResources("the machine starts no further thread; allow more: ulimit -u unlimited")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, or the one error; of each also what it was raised from."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from causes(inner)
        return
    yield error
    if error.__cause__:
        yield from causes(error.__cause__)


def stated(error: BaseException) -> PagemillError | None:
    """The error in our own words that an exception is, or that a group begins with; None if any of it is another."""
    if isinstance(error, BaseExceptionGroup):
        found = [stated(inner) for inner in error.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, PagemillError) else None
