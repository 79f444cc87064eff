"""From which round on reports are listed, and who is asked for one by one: whatever takes fewer requests."""

from collections.abc import Mapping

PAGE_KEYS = 1000
REQUESTS_A_PAGE = 12
"""What a page of a listing costs, in reads of one record: the ratio of S3's prices, and of the time on a CPU."""


def first_round(following: Mapping[int, int], *, decided: int, newest: int, members: int) -> int:
    """The round from which on to list; who reports an earlier one next is asked for by its key.

    All rounds after the newest decided one are listed in any case: anybody may report them.

    Args:
        following: how many of the members that lag report which round next.
        decided: the newest decided round.
        newest: the newest round that anybody has reported.
        members: how many there are.
    """

    def cost(first: int) -> int:
        rounds = max(decided + 1, newest) + 1 - first
        pages = -(-rounds * members // PAGE_KEYS)
        return pages * REQUESTS_A_PAGE + sum(count for number, count in following.items() if number < first)

    return min(
        {decided + 1, *(number for number in following if number <= decided)}, key=lambda n: (cost(n), n)
    )
