"""S3 credentials in a folder of files, such as a mounted Secret: read again once they change: a rotation counts."""

from pathlib import Path

from botocore.credentials import CredentialProvider, CredentialResolver, Credentials, ReadOnlyCredentials

from pbt_contract.errors import StoreRefused

ACCESS_KEY, SECRET_KEY, TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


class FolderCredentials(Credentials):
    """What the files hold now.

    A rotation that falls between the reading of two files gives one wrong signature, and `S3Store` then
    repeats the request.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("", "", method=FolderProvider.METHOD)
        self._folder = folder
        self._known: tuple[object, ReadOnlyCredentials] | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Asked by botocore for every signature. The files are read again once one of them is another.

        Raises:
            StoreRefused: a file is missing, unreadable or empty.
        """
        known, version = self._known, [self._version(name) for name in (ACCESS_KEY, SECRET_KEY, TOKEN)]
        if known is None or known[0] != version:
            known = self._known = (version, self._read())
        return known[1]

    def _read(self) -> ReadOnlyCredentials:
        found = {name: self._text(name) for name in (ACCESS_KEY, SECRET_KEY, TOKEN)}
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not found[name]]
        if missing:
            raise StoreRefused(
                f"S3: {self._folder} has no readable file {' and none '.join(missing)}; it should be a Secret with "
                f"the keys {ACCESS_KEY} and {SECRET_KEY}, and {TOKEN} where there is one"
            )
        return ReadOnlyCredentials(found[ACCESS_KEY], found[SECRET_KEY], found[TOKEN] or None, None)

    def _version(self, name: str) -> tuple[int, ...] | None:
        try:
            found = (self._folder / name).stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""


class FolderProvider(CredentialProvider):
    """Makes botocore take them, and nothing else."""

    METHOD = "pbt-folder"
    CANONICAL_NAME = "custom-pbt-folder"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def load(self) -> Credentials:
        """The only credentials there are."""
        return FolderCredentials(self._folder)


def only_from(folder: Path) -> CredentialResolver:
    """The component by which a botocore session finds its credentials."""
    return CredentialResolver([FolderProvider(folder)])
