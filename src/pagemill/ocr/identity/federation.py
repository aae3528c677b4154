"""Workload identity federation: identity tokens where another issuer says who runs the program, as GitHub Actions does.

google-auth has no identity tokens for `external_account` credentials. Google's STS gives them an access token, and with
it the IAM Credentials API makes identity tokens of the service account that the pool may act as.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.auth import aws, exceptions, identity_pool, impersonated_credentials, pluggable

TYPE = "external_account"
_AWS = "urn:ietf:params:aws:token-type:aws4_request"


def read_credentials(path: Path | None) -> dict[str, Any]:
    """The content of a credentials file; empty if it is none: google-auth then says why."""
    try:
        found = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def federated_credentials(info: Mapping[str, Any], audience: str) -> impersonated_credentials.IDTokenCredentials:
    """Credentials whose tokens are identity tokens of the service account that `info` names.

    Args:
        info: Content of a file of the type `external_account`.
        audience: Of the identity tokens.

    Raises:
        DefaultCredentialsError: It names no service account, or is not valid.
    """
    try:
        account = _source(info).service_account_email
        source = _source({name: value for name, value in info.items() if name != "service_account_impersonation_url"})
    except (ValueError, TypeError, AttributeError, exceptions.GoogleAuthError) as error:
        raise exceptions.DefaultCredentialsError(f"the credentials are no valid {TYPE}: {error}") from None
    if not account:
        raise exceptions.DefaultCredentialsError(
            "the federated credentials name no service account, and only service accounts have identity tokens"
        )
    target = impersonated_credentials.Credentials(source, target_principal=account, target_scopes=[])
    return impersonated_credentials.IDTokenCredentials(target, audience, include_email=True)


def advice(info: Mapping[str, Any]) -> str:
    """What to do if federated credentials get no token."""
    account = str(info.get("service_account_impersonation_url") or "").rpartition("/")[2].partition(":")[0]
    if not account:
        return (
            "set `service_account:` of google-github-actions/auth, or give --service-account to `gcloud iam "
            "workload-identity-pools create-cred-config`"
        )
    return (
        f"let the pool act as {account}: gcloud iam service-accounts add-iam-policy-binding {account} "
        "--role=roles/iam.workloadIdentityUser --member=principalSet://iam.googleapis.com/POOL/attribute.NAME/VALUE"
    )


def _source(info: Mapping[str, Any]) -> Any:
    """The credentials that STS knows, by where their tokens come from."""
    if info.get("subject_token_type") == _AWS:
        return aws.Credentials.from_info(info)
    if (info.get("credential_source") or {}).get("executable"):
        return pluggable.Credentials.from_info(info)
    return identity_pool.Credentials.from_info(info)
