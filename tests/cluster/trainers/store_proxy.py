"""A proxy before the store, slow by the seconds for each piece in /tmp/slow, and refusing the key in /tmp/revoked."""

import asyncio
from pathlib import Path

STORE = ("minio.minio", 9000)
BODY = b"<Error><Code>InvalidAccessKeyId</Code><Message>The key that you sent was revoked.</Message></Error>"
HEAD = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def told(name):
    """What a file of /tmp holds; nothing where there is none."""
    path = Path("/tmp", name)
    return path.read_text().strip() if path.exists() else ""


def revoked(data):
    """Whether a request is signed with the key that counts no more."""
    key = told("revoked")
    return bool(key) and f"Credential={key}/".encode() in data


async def copy(reader, writer, refuse=None):
    """Passes pieces on; the first one that is refused is answered and ends it."""
    try:
        while data := await reader.read(65536):
            await asyncio.sleep(float(told("slow") or 0))
            if refuse is not None and revoked(data):
                refuse.write(HEAD % len(BODY) + BODY)
                await refuse.drain()
                refuse.close()
                return
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def pass_on(reader, writer):
    there, back = await asyncio.open_connection(*STORE)
    await asyncio.gather(copy(reader, back, refuse=writer), copy(there, writer))


async def main():
    server = await asyncio.start_server(pass_on, "0.0.0.0", 9000)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
