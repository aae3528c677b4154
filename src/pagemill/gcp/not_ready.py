"""Why a revision of Cloud Run does not start."""

from __future__ import annotations

import contextlib

from google.api_core import exceptions as api
from google.cloud import run_v2

from pagemill.errors import NotReady
from pagemill.gcp.api import READS, GoogleApi
from pagemill.gcp.quota import quota_fix


async def not_ready(
    google: GoogleApi, revisions: run_v2.RevisionsAsyncClient, service: run_v2.Service, message: str
) -> NotReady:
    """The error that names the newest revision, the reason why it does not start, and its logs.

    Args:
        google: Translates errors.
        revisions: Reads the revision.
        service: What it is of.
        message: The error of the operation that made it; empty: it succeeded.
    """
    name = service.latest_created_revision
    reasons = [message, service.terminal_condition.message]
    logs = ""
    with contextlib.suppress(api.NotFound), google.translated_errors(f"reading {name}"):
        revision = await revisions.get_revision(name=name, retry=READS)
        logs = revision.log_uri
        reasons += [
            condition.message
            for condition in revision.conditions
            if condition.state == run_v2.Condition.State.CONDITION_FAILED
        ]
    reason = next(filter(None, reversed(reasons)), "no reason is given").rstrip(".")
    short = name.rpartition("/")[2]
    return NotReady(
        f"the revision {short} does not start: {quota_fix(reason, google.project) or reason}; its logs: "
        f"{logs or 'none'}; type: pagemill deploy --logs --revision {short}"
    )
