"""One file to and from a bucket by AWS' C client: `python crt.py` with the place as JSON on the command line.

It is asked on stdin, `upload` or `download`, and answers with the seconds that it took. boto3 itself uses this client
for AWS' own endpoints only, so it is put together here, as AWS' command line does.
"""

import json
import sys
import time

from botocore.session import Session
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)

REGION = "us-east-1"


def manager(endpoint):
    """Moves files to and from a server that speaks plain HTTP, with the client's own settings."""
    session = Session()
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = create_s3_crt_client(
        region=REGION, crt_credentials_provider=credentials.to_crt_credentials_provider(), use_ssl=False
    )
    serializer = BotocoreCRTRequestSerializer(session, {"region_name": REGION, "endpoint_url": endpoint})
    return CRTTransferManager(client, serializer)


def main(told):
    """Answers until its stdin ends."""
    transfers = manager(told["endpoint"])
    bucket, key = told["bucket"], told["key"]
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        if line.strip() == "upload":
            transfers.upload(told["path"], bucket, key).result()
        else:
            transfers.download(bucket, key, told["target"]).result()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
