"""Translates S3's answers into the errors of a store. The only place that knows S3's error codes."""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)

from pbt_contract.errors import NotFound, StoreRefused, StoreUnavailable

FAILURES = (ClientError, BotoCoreError)
"""All that botocore raises, within s3transfer as well; none of it is worth more than a retry or a message."""

_MISSING = {"NoSuchKey", "NotFound", "404"}
_TAKEN = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
_BEYOND = {"InvalidRange", "416"}
_STALE = {"ExpiredToken", "InvalidToken", "InvalidTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_RIGHTS = (
    "grant trainers s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket, and the operator "
    "s3:DeleteObject and s3:ListBucketMultipartUploads as well"
)
_REGION = "correct the region (AWS_REGION) or the endpoint (AWS_ENDPOINT_URL_S3)"
_TRUST = "if the store has a certificate authority of its own, name its PEM file (AWS_CA_BUNDLE)"
_CREDENTIALS = (
    "give trainers a Secret (spec.storage.credentialsSecretRef) or a service account with an identity at the store; on "
    "one machine set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_RENEW = "renew the session token (AWS_SESSION_TOKEN, or the mounted credentials)"
_ROOM = "free some room in the store, or raise its quota"
_REMEDIES = {
    "NoSuchBucket": "create the bucket or correct its name",
    "InvalidBucketName": "correct the bucket's name",
    "AccessDenied": _RIGHTS,
    "403": _RIGHTS,
    "InvalidAccessKeyId": "correct the access key (AWS_ACCESS_KEY_ID, or the mounted credentials)",
    "SignatureDoesNotMatch": "correct the secret key (AWS_SECRET_ACCESS_KEY, or the mounted credentials)",
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "ExpiredToken": _RENEW,
    "InvalidToken": _RENEW,
    "InvalidTokenId": _RENEW,
    "KMS.DisabledException": "enable the bucket's KMS key",
    "KMS.InvalidStateException": "enable the bucket's KMS key",
    "KMS.NotFoundException": "correct the KMS key in the bucket's encryption settings",
    "NotImplemented": "this store has no conditional writes (If-None-Match: *): choose one that has them",
}
_HINTS = {
    "RequestTimeTooSkewed": "set the clock of this machine or node",
    "InsufficientStorage": _ROOM,
    "507": _ROOM,
    "XMinioStorageFull": _ROOM,
    "XMinioAdminBucketQuotaExceeded": _ROOM,
    "QuotaExceeded": _ROOM,
}
"""Of answers that may be others in a while, so that it is worth trying on."""
_SAID = (
    (
        re.compile(r"\bkms:", re.IGNORECASE),
        "grant trainers kms:GenerateDataKey and kms:Decrypt for the bucket's KMS key",
    ),
    (
        re.compile(r"object[ -]lock|WORM", re.IGNORECASE),
        "choose a bucket without object lock, which keeps what is to be deleted",
    ),
)
"""Remedies by the words of a message, where the code alone doesn't say it."""


def code(error: Exception) -> str:
    """S3's name for the error; empty if it isn't an answer of the server."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def taken(error: Exception) -> bool:
    """Whether a record is there already: another writer's, or this one's whose answer was lost."""
    return code(error) in _TAKEN


def conflict(error: Exception) -> bool:
    """Whether another write to the key was under way, so that the first one isn't settled yet."""
    return code(error) in _CONFLICT


def beyond(error: Exception) -> bool:
    """Whether an object ends before the range that was asked for."""
    return code(error) in _BEYOND


def stale(error: Exception) -> bool:
    """Whether newer credentials may be on disk already: a rotation reaches running processes as a file."""
    return code(error) in _STALE


def explained(error: Exception, place: str) -> NotFound | StoreUnavailable:
    """One of `FAILURES`, as the store's own error.

    Args:
        error: what was raised.
        place: the URL that was asked for.
    """
    answer = code(error)
    if answer in _MISSING:
        return NotFound(f"nothing is stored under {place}")
    if answer in _REMEDIES:
        said = next((remedy for words, remedy in _SAID if words.search(str(error))), _REMEDIES[answer])
        return StoreRefused(f"{place}: {error}; {said}")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return StoreRefused(f"{place}: {error}; {_CREDENTIALS}")
    if isinstance(error, ParamValidationError):
        return StoreRefused(f"{place}: {error}")
    remedy = _TRUST if isinstance(error, SSLError) else _HINTS.get(answer, "")
    return StoreUnavailable(f"{place}: {error}{f'; {remedy}' if remedy else ''}")
