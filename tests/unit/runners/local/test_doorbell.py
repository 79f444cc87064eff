"""A trainer's record wakes the runner of the same machine."""

import select

from pbt_operator.runners.local.doorbell import Doorbell
from pbt_trainer.courier.bell import Bell


def rings(doorbell: Doorbell) -> bool:
    return bool(select.select([doorbell.fileno()], [], [], 0)[0])


def test_it_rings_until_it_is_cleared() -> None:
    doorbell = Doorbell.open()
    assert not rings(doorbell)
    for _ in range(1000):  # more than a socket holds: nobody waits, nothing is lost
        Bell(doorbell.name).ring()
    assert rings(doorbell)
    doorbell.clear()
    assert not rings(doorbell)
    Bell(doorbell.name).ring()
    assert rings(doorbell)
    doorbell.close()
    Bell(doorbell.name).ring()


def test_each_runner_has_one_of_its_own() -> None:
    one, other = Doorbell.open(), Doorbell.open()
    Bell(one.name).ring()
    assert rings(one)
    assert not rings(other)
    one.close()
    other.close()
