"""S3 clients: configured by the environment for trainers and commands, by given settings alone for the operator."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbt_contract.errors import StoreRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CREDENTIALS = "PBT_S3_CREDENTIALS"
ADDRESSING = "PBT_S3_ADDRESSING"
REQUEST_CHECKSUMS, RESPONSE_CHECKSUMS = "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"


def connect(**settings: Any) -> "S3Client":
    """A client by the AWS_* and PBT_S3_* variables, and AWS' files.

    Args:
        **settings: arguments of boto3's `Session.client` that go before them: endpoint_url, region_name, ...

    Raises:
        StoreRefused: the settings contradict themselves.
    """
    folder = os.environ.get(CREDENTIALS)
    options = {
        # Many stores don't know the trailing checksums that boto3 would add; records carry SHA-256.
        "request_checksum_calculation": os.environ.get(REQUEST_CHECKSUMS) or "when_required",
        "response_checksum_validation": os.environ.get(RESPONSE_CHECKSUMS) or "when_required",
        "s3": {"addressing_style": os.environ.get(ADDRESSING) or "auto"},
    }
    return make_client(credentials=Path(folder) if folder else None, options=options, **settings)


def make_client(
    *, credentials: Path | None, options: Mapping[str, Any], region_name: str | None = None, **settings: Any
) -> "S3Client":
    """A client with patience and a connection pool as stores need them. Safe to use from several threads.

    Args:
        credentials: a folder of files, which are read again once they change; boto3's own chain where None.
        options: of botocore's `Config`.
        region_name: the environment's where None.
        **settings: further arguments of boto3's `Session.client`.

    Raises:
        StoreRefused: the settings contradict themselves.
    """
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session as Base

    base = Base()  # not the default session, which would keep credentials that were rotated since
    # Nobody here asks when an object was written, and parsing a date for each name is most of what a listing costs.
    base.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    if credentials is not None:
        from pbt_contract.stores.credentials import only_from

        base.register_component("credential_provider", only_from(credentials))
    try:
        session = Session(botocore_session=base)
        config = Config(
            **{
                "retries": {"mode": "standard", "total_max_attempts": 3},
                "connect_timeout": 5,
                "read_timeout": 60,
                "max_pool_connections": 32,
                **options,
            }
        )
        region = region_name or os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        client: S3Client = session.client("s3", region_name=region, config=config, **settings)
    except (BotoCoreError, ValueError) as error:
        raise StoreRefused(f"S3: {error}; correct the AWS_* variables or {ADDRESSING}") from error
    return client
