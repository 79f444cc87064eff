"""What an API server's answer means for whoever asked: the operator's passes and the commands alike.

ApiError
    ApiRefused        it will not take the request as it is
    Missing           there is no such object, or no such kind of objects
    ApiUnavailable    worth a retry
        Unreachable   no answer came
        Interrupted   an answer broke off
        TooOld        a watch must list again
        Conflict      the object is another one, or has another version
            Exists    an object of that name is there already
"""

from typing import Any

TRY_AGAIN = frozenset({401, 408, 409, 425, 429, 500, 502, 503, 504})


class ApiError(Exception):
    """A request that wasn't answered with success.

    Attributes:
        message: what the API server says.
        status: of the HTTP answer; 0 where there is none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class ApiRefused(ApiError):
    """The API server will not take a request as it is.

    Attributes:
        quota: whether it would once others have given up what they use.
    """

    def __init__(self, message: str, *, quota: bool, status: int = 0) -> None:
        super().__init__(message, status=status)
        self.quota = quota


class Missing(ApiError):
    """404."""


class ApiUnavailable(ApiError):
    """The API server can't be reached, is busy, or has another version of the object; worth a retry."""


class Unreachable(ApiUnavailable):
    """No answer came.

    Attributes:
        cause: why, without the URL and the number of tries.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the API server can't be reached: {error}")
        self.cause = getattr(error, "reason", None) or error


class Interrupted(ApiUnavailable):
    """An answer broke off."""


class TooOld(ApiUnavailable):
    """The server has forgotten what there was at that version: list again."""


class Conflict(ApiUnavailable):
    """409 of something that is there."""


class Exists(Conflict):
    """409 of a creation."""


def error_of(status: int, told: Any) -> ApiError:
    """The exception for an answer that isn't a success.

    Args:
        status: of the HTTP answer.
        told: its `Status` object; empty where the answer is none.
    """
    message = str(told.get("message") or f"the API server answers {status}")
    if status == 404:
        return Missing(message, status=status)
    if status == 410:
        return TooOld(message, status=status)
    if status == 409:
        kind = Exists if told.get("reason") == "AlreadyExists" else Conflict
        return kind(message, status=status)
    if status in TRY_AGAIN:
        return ApiUnavailable(message, status=status)
    return ApiRefused(message, quota=status == 403 and "exceeded quota" in message, status=status)
