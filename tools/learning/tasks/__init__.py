"""The tasks, by name. Toys have an exact state and a known optimum; two train real networks.

Those that are fresh were written after the rules and their default were chosen: no rule is tuned on them.

What each is built after, and what its optimum is, its docstring says. No optimum lies at a bound of the space, but in
the published forms.
"""

from learning.task import Task
from learning.tasks.cartpole import CartPole
from learning.tasks.digits_network import Digits
from learning.tasks.dirac_gan import DiracGan
from learning.tasks.few_samples import FewSamples
from learning.tasks.moving import Mixed, Tracking
from learning.tasks.paper_toys import PaperToy, Triangle
from learning.tasks.riverswim import RiverSwim
from learning.tasks.traps import Entropy, Quadratic
from learning.tasks.zoo_toys import Deceptive, Plain

TOYS: tuple[type[Task], ...] = (
    PaperToy,
    Triangle,
    Deceptive,
    Plain,
    Quadratic,
    Entropy,
    Tracking,
    Mixed,
)
REAL: tuple[type[Task], ...] = (Digits, CartPole)
FRESH: tuple[type[Task], ...] = (RiverSwim, FewSamples, DiracGan)
TASKS: dict[str, type[Task]] = {task.name: task for task in (*TOYS, *REAL, *FRESH)}


def make(name: str, instance: int = 0, *, published: bool = False) -> Task:
    """The task of the name.

    Raises:
        ValueError: there is none.
    """
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[name](instance, published=published)
