"""A Pub/Sub subscription, pulled with unary requests.

A streaming pull would take messages ahead of what is gathered, and would hold them in the client library's threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from google.api_core import exceptions as api
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth import exceptions as auth
from google.pubsub_v1.services.subscriber import SubscriberAsyncClient
from google.pubsub_v1.types import ReceivedMessage

from pagemill.domain.uploads.notifications import Message
from pagemill.errors import StoreUnusable, Transient, UsageError
from pagemill.gcp.api import GoogleApi

_PULL_SECONDS = 90.0  # the service answers an unsuccessful pull before; a shorter limit would delay messages
_CALL_SECONDS = 60.0
_UNANSWERED_SECONDS = 1800.0
_MOST_IDS = 1000  # in a request, which may have 512 KiB
_PASSING = if_exception_type(
    api.Aborted, api.InternalServerError, api.ServiceUnavailable, api.TooManyRequests, api.Unknown
)
_LOGIN = "gcloud auth application-default login"


class PubSubSubscription:
    """One subscription. Its client belongs to the running event loop."""

    def __init__(self, google: GoogleApi, name: str, *, emulator: str = "") -> None:
        """Open the client; no request is sent yet.

        Args:
            google: Opens and closes clients.
            name: Of the subscription: projects/PROJECT/subscriptions/ID.
            emulator: host:port of an emulator; empty: the real service.
        """
        self.name = name
        self._client = google.client(SubscriberAsyncClient, emulator)

    async def pull(self, most: int) -> Sequence[Message]:
        """Wait for messages, a minute or so; return those that there are, perhaps none.

        Raises:
            UsageError: There is no such subscription, or we may not use it.
            StoreUnusable: The service has not answered for half an hour.
        """
        retry = AsyncRetry(predicate=_PASSING, initial=0.25, maximum=30.0, timeout=_UNANSWERED_SECONDS)
        with self._explained():
            try:
                answer = await self._client.pull(
                    request={"subscription": self.name, "max_messages": most}, retry=retry, timeout=_PULL_SECONDS
                )
            except api.DeadlineExceeded:
                return []
        return [_message(received) for received in answer.received_messages]

    async def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        """Keep messages from being delivered again, from now on for so long.

        Raises:
            Transient: The service did not take that, at least for some.
        """
        for some in _in_requests(ack_ids):
            request = {"subscription": self.name, "ack_ids": some, "ack_deadline_seconds": seconds}
            with _not_taken():
                await self._client.modify_ack_deadline(request=request, retry=_retry(), timeout=_CALL_SECONDS)

    async def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Let the messages never come again.

        Raises:
            Transient: The service did not take that, at least for some: they come again.
        """
        for some in _in_requests(ack_ids):
            request = {"subscription": self.name, "ack_ids": some}
            with _not_taken():
                await self._client.acknowledge(request=request, retry=_retry(), timeout=_CALL_SECONDS)

    async def release(self, ack_ids: Sequence[str]) -> None:
        """Let the messages come again at once. It counts as a delivery that failed.

        Raises:
            Transient: The service did not take that: they come again later.
        """
        await self.extend(ack_ids, 0)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Translate the errors of a pull."""
        _, project, _, subscription = self.name.split("/")
        try:
            yield
        except api.NotFound as error:
            raise UsageError(
                f"there is no subscription {self.name}; create it: gcloud pubsub subscriptions create {subscription} "
                f"--topic=TOPIC --project={project}"
            ) from error
        except api.PermissionDenied as error:
            raise UsageError(
                f"the subscription {self.name} may not be pulled ({error.message}); grant it: gcloud pubsub "
                f"subscriptions add-iam-policy-binding {subscription} --project={project} --member=MEMBER "
                "--role=roles/pubsub.subscriber"
            ) from error
        except (api.FailedPrecondition, api.InvalidArgument) as error:
            raise UsageError(
                f"the subscription {self.name} cannot be pulled: {error.message}; it has to be a pull subscription"
            ) from error
        except (api.Unauthenticated, auth.GoogleAuthError) as error:
            raise UsageError(f"{self.name}: no usable Google credentials ({error}); type: {_LOGIN}") from error
        except api.GoogleAPIError as error:
            raise StoreUnusable(f"{self.name}: Pub/Sub does not answer as expected: {error}; watch again") from error


@contextlib.contextmanager
def _not_taken() -> Iterator[None]:
    try:
        yield
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        raise Transient(str(error)) from error


def _retry() -> AsyncRetry:
    return AsyncRetry(predicate=_PASSING, initial=0.25, maximum=5.0, timeout=_CALL_SECONDS)


def _in_requests(ack_ids: Sequence[str]) -> Iterator[list[str]]:
    for begin in range(0, len(ack_ids), _MOST_IDS):
        yield list(ack_ids[begin : begin + _MOST_IDS])


def _message(received: ReceivedMessage) -> Message:
    return Message(
        id=received.message.message_id,
        ack_id=received.ack_id,
        attributes=dict(received.message.attributes),
        data=received.message.data,
        may_be_dead_lettered=received.delivery_attempt > 0,  # 0 where the subscription has no dead letter topic
    )
