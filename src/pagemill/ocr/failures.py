"""What a failed request means: whether the address, our credentials, the endpoint or the page is the cause."""

from __future__ import annotations

import re
import socket
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from pagemill.domain.service.endpoint_url import is_loopback
from pagemill.errors import (
    EndpointNotFound,
    EndpointRefusesUs,
    EndpointUnavailable,
    MalformedAnswer,
    NothingListens,
    PagemillError,
    RequestRejected,
    UsageError,
    causes,
    out_of_resources,
)
from pagemill.ocr.answers import Answer, describe, detail, excerpt, retry_after

NOT_THERE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_REFUSED_WITH_ADVICE = {
    HTTPStatus.PAYMENT_REQUIRED: "the account that it knows us by has to be paid or topped up",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the proxy's user name and password into HTTPS_PROXY or HTTP_PROXY",
}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
# Of a front end between two connections or two revisions. Another request may be answered.
_PASSING = {HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.TOO_EARLY}
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
_REFUSED_BY_PROXY = re.compile(r"40[37]\b")


async def refuse_redirect(response: httpx.Response) -> None:
    """Refuse an answer that points elsewhere. httpx would read the address, and could fail over it.

    Raises:
        UsageError: It is such an answer.
    """
    if not response.is_redirect:
        return
    where = _without_secrets(next(iter(response.headers.get_list("Location")), ""))
    raise UsageError(
        f"{response.request.url} answered {response.status_code} and points to {where or 'no other address'}; pagemill "
        "follows no redirect, so that no page and no key goes elsewhere: set the endpoint's final URL"
    )


def failure(answer: Answer, url: str, advice: str) -> PagemillError | None:
    """What the answer to a page means, if it is an error; None if it is none.

    Args:
        answer: To a request that held a page.
        url: The endpoint.
        advice: What to do when it refuses our credentials.
    """
    status = answer.status
    if answer.is_success:
        return None
    if refusal := refused(answer, url, advice):
        return refusal
    what = f"the endpoint answered {detail(answer)}"
    if status in NOT_THERE:
        return EndpointNotFound(
            f"{what}; check the URL, and that the model reads images",
            page_may_be_the_cause=True,
            retry_after_seconds=retry_after(answer),
        )
    if status in _BUSY | _PASSING or HTTPStatus.INTERNAL_SERVER_ERROR <= status < 600:  # noqa: PLR2004 -- RFC 9110, 15
        return EndpointUnavailable(
            what, page_may_be_the_cause=status not in _BUSY, retry_after_seconds=retry_after(answer)
        )
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RequestRejected(f"the endpoint refuses the page: {detail(answer)}")
    return MalformedAnswer(f"{what}, which is no status of an answer", page_may_be_the_cause=True)


def refused(answer: Answer, url: str, advice: str) -> EndpointRefusesUs | None:
    """The error of an answer that lets nobody in, or not us; None if it is none."""
    if answer.status in _REFUSED_WITH_ADVICE:
        advice = _REFUSED_WITH_ADVICE[HTTPStatus(answer.status)]
    elif answer.status not in REFUSED:
        return None
    return EndpointRefusesUs(f"the endpoint {url} refuses us: {detail(answer)}; {advice}")


def connection_failure(error: Exception, url: str) -> PagemillError:
    """What it means that a request got no answer.

    Args:
        error: Of the HTTP client, or of a library below it.
        url: Where the request went.
    """
    root = _root(error)
    if lacking := out_of_resources(root):
        return lacking
    if explained := next(filter(None, (_explained(cause, url) for cause in causes(root))), None):
        return explained
    if isinstance(error, httpx.ProxyError) and _REFUSED_BY_PROXY.match(str(error)):
        return UsageError(f"the proxy before {url} refuses us: {excerpt(str(error))}; check HTTPS_PROXY and HTTP_PROXY")
    return EndpointUnavailable(
        f"{url} gives no answer: {describe(error)}", page_may_be_the_cause=not isinstance(error, _NOT_SENT)
    )


def _root(error: Exception) -> BaseException:
    """What an error of httpx was raised for: httpcore hides that as a cause, and keeps it as an argument."""
    below = error.__cause__
    return below.args[0] if below and below.args and isinstance(below.args[0], BaseException) else error


def _explained(cause: BaseException, url: str) -> PagemillError | None:
    """What to do about the cause of a broken connection, if it does not pass by itself; None if it may."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UsageError(
            f"the certificate of {url} is refused: {cause.verify_message}; check the host's name, or set SSL_CERT_FILE "
            "to a file with the certificates of the authorities to trust"
        )
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return UsageError(f"{url} does not speak TLS ({cause.reason}); type http:// if it is meant to be without")
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME:
        return EndpointNotFound(f"{url}: there is no host of this name ({cause.strerror}); check the URL")
    if isinstance(cause, ConnectionRefusedError) and is_loopback(url):
        return NothingListens(
            f"nothing listens at {url}: the connection is refused; start the service first, or use the embedded one: "
            "--endpoint local"
        )
    return None


def _without_secrets(address: str) -> str:
    """An address that an endpoint points to, without the user name, password and query that it may hold."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    host, path = parts.netloc.rpartition("@")[2], "" if "@" in parts.path else parts.path
    return excerpt(parts._replace(netloc=host, path=path, query="", fragment="").geturl())
