"""A real S3 server on loopback: what a test has to know of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbt_contract.stores.s3 import connect

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "tests"


@dataclass(frozen=True)
class Server:
    """A running server with one empty bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str = BUCKET

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3 finds it, and nothing of the machine's own AWS settings."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, **settings: Any) -> "S3Client":
        """A client of this server, whatever the environment says."""
        ours = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }
        return connect(**{**ours, **settings})

    def make_bucket(self, **settings: Any) -> None:
        """Makes the bucket; `settings` are the client's."""
        client = self.client(**settings)
        client.create_bucket(Bucket=self.bucket)
        client.close()


def write_credentials(folder: Path, *, access_key: str, secret_key: str, token: str | None = None) -> None:
    """Puts credentials into a folder as the kubelet mounts a Secret: a rotation switches one symbolic link."""
    folder.mkdir(exist_ok=True)
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    found = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "AWS_SESSION_TOKEN": token}
    for name, text in found.items():
        if text is not None:
            (version / name).write_text(text)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(Path("..data", name))
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
