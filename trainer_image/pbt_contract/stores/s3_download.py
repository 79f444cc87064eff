"""A file of a bucket in parallel ranges, each straight to its place, summed while the next ones come.

s3transfer, which sends our files, passes each quarter of a megabyte of a download through a queue to one thread that
writes, and the file would be summed afterwards: twice the time.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from pbt_contract.errors import CorruptCheckpoint
from pbt_contract.records import File
from pbt_contract.stores import s3_errors
from pbt_contract.stores.parts import AT_ONCE, part_size
from pbt_contract.stores.verify import verify_digest, verify_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_CHUNK = 1 << 20
_ATTEMPTS = 5
_BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""What ends an answer in its middle, where the client itself tries nothing again."""


def download(client: "S3Client", bucket: str, name: str, file: File, path: Path, *, key: str) -> None:
    """Brings a file that is what its record says, or none.

    Args:
        client: safe to use from several threads.
        bucket: of the object.
        name: of the object, in the bucket.
        file: what it has to be.
        path: where it goes; its folder is there. A file that lies there already is replaced, not changed.
        key: of the file, for messages.

    Raises:
        CorruptCheckpoint: its size or checksum differs.
        ClientError, BotoCoreError: the client's, at the last attempt.
        OSError: it can't be written.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        verify_digest(_Object(client, bucket, name, file, key).bring(descriptor), file, key=key)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class _Object:
    client: "S3Client"
    bucket: str
    name: str
    file: File
    key: str

    def bring(self, descriptor: int) -> str:
        """Writes all of it into a file, from the file's begin; returns the checksum of what is there then."""
        part, digest = part_size(self.file.size), hashlib.sha256()
        # A file that is stored by one request comes by one.
        ends = [
            (start, min(start + part, self.file.size)) for start in range(0, max(self.file.size, 1), part)
        ]
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            coming = [pool.submit(self._bring, descriptor, start, end) for start, end in ends]
            for (start, end), written in zip(ends, coming, strict=True):
                written.result()
                for chunk in _read(descriptor, start, end):
                    digest.update(chunk)
        finally:
            pool.shutdown(cancel_futures=True)
        return digest.hexdigest()

    def _bring(self, descriptor: int, start: int, end: int) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._store(descriptor, start, end)
            except _BROKEN_OFF:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _get(self, start: int, end: int) -> "GetObjectOutputTypeDef":
        if end - start == self.file.size:
            return self.client.get_object(Bucket=self.bucket, Key=self.name)
        try:
            wanted = f"bytes={start}-{end - 1}"
            return self.client.get_object(Bucket=self.bucket, Key=self.name, Range=wanted)
        except ClientError as error:
            if s3_errors.beyond(error):
                raise CorruptCheckpoint(
                    f"{self.key} is shorter than its record says, {self.file.size} bytes"
                ) from None
            raise

    def _store(self, descriptor: int, start: int, end: int) -> None:
        """One request for what lies between, straight into the file."""
        answer = self._get(start, end)
        with closing(answer["Body"]) as body:
            whole = answer.get("ContentRange", "").rpartition("/")[2]  # "bytes 0-8388607/104857600"
            verify_size(int(whole) if whole else answer["ContentLength"], self.file, key=self.key)
            position = start
            while chunk := body.read(_CHUNK):
                if position + len(chunk) > end:
                    raise CorruptCheckpoint(
                        f"{self.key}: the store sent more than bytes {start} to {end - 1}"
                    )
                position = _write(descriptor, chunk, position)


def _write(descriptor: int, chunk: bytes, position: int) -> int:
    """Writes all of it, which the system may take in pieces; returns the position behind it."""
    left = memoryview(chunk)
    while left:
        written = os.pwrite(descriptor, left, position)
        position, left = position + written, left[written:]
    return position


def _read(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    for position in range(start, end, _CHUNK):
        yield os.pread(descriptor, min(_CHUNK, end - position), position)
