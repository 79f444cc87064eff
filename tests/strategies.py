"""Records and specs for tests of the core, and Hypothesis strategies that draw them."""

from hypothesis import strategies as st

from pbt_operator.core.round import Entry, Standing
from pbt_operator.core.space import Choice, Integer, LogUniform, Uniform
from pbt_operator.core.spec import Copy, Exploit, Goal, Hyperparameter, Objective, Schedule, Spec, Truncation
from pbt_trainer.records import Source

INTERVAL = 100
ROUND = 2


def hyperparameters(*, explored=True):
    return (
        Hyperparameter("lr", LogUniform(1e-4, 1.0), explored),
        Hyperparameter("momentum", LogUniform(0.5, 0.999, one_minus=True), explored),
        Hyperparameter("dropout", Uniform(0.0, 0.6), explored),
        Hyperparameter("batch", Integer(1, 64), explored),
        Hyperparameter("width", Choice((32, 64, 128), ordered=True), explored),
        Hyperparameter("layers", Integer(1, 9), explored=False),
    )


def make_spec(strategy=None, *, min_gap=0.0, copy="Both", goal="Maximize", **changes):
    defaults = {
        "members": 8,
        "objective": Objective("score", Goal(goal)),
        "schedule": Schedule(total_steps=10 * INTERVAL, interval_steps=INTERVAL),
        "hyperparameters": hyperparameters(),
        "exploit": Exploit(strategy or Truncation(), min_gap=min_gap, copy=Copy(copy)),
        "seed": 7,
    }
    return Spec(**(defaults | changes))


def values_of(member):
    """Hyperparameters that tell whose they are: `layers` is never explored."""
    return {
        "lr": 0.01 * (member + 1),
        "momentum": 0.9,
        "dropout": 0.25,
        "batch": 8 + member,
        "width": 64,
        "layers": 1 + member % 9,
    }


def source_of(member, *, step=ROUND * INTERVAL, incarnation=1):
    return Source(
        member=member,
        incarnation=incarnation,
        step=step,
        checkpoint=f"checkpoints/{member}-{incarnation}/{step}/",
        record=f"reports/{member}-{incarnation}-{step}.json",
    )


def entry(member, score, *, values=None, step=ROUND * INTERVAL, ancestor=None):
    return Entry(
        member=member,
        incarnation=1,
        score=score,
        values=[] if score is None else values or [score],
        source=source_of(member, step=step),
        hyperparameters=values_of(member),
        ancestor=ancestor,
    )


def round_of(*scores, step=ROUND * INTERVAL):
    """Entries of the members 0, 1, ... with these scores; None is a score that isn't finite."""
    return [entry(member, score, step=step) for member, score in enumerate(scores)]


def standing(member, score, *, step):
    return Standing(
        member=member,
        incarnation=1,
        step=step,
        score=score,
        hyperparameters=values_of(member),
        source=source_of(member, step=step),
    )


finite = st.floats(allow_nan=False, allow_infinity=False)
# Few different ones, so that ties are common.
scores = st.none() | st.integers(-3, 3).map(float) | finite


@st.composite
def entries(draw, min_size=0, max_size=12):
    """One entry for each of some members, in any order; some have lists of evaluations, some an ancestor."""
    members = draw(st.lists(st.integers(0, 40), min_size=min_size, max_size=max_size, unique=True))
    drawn = []
    for member in members:
        score = draw(scores)
        around = st.floats(-1, 1).map(lambda noise, score=score: (score or 0) + noise)
        values = draw(st.none() | st.lists(around, min_size=2, max_size=4))
        ancestor = draw(st.none() | st.just(standing(member, 0.5, step=INTERVAL)))
        drawn.append(entry(member, score, values=values, ancestor=ancestor))
    return drawn


@st.composite
def bounds(draw, numbers):
    low, high = sorted((draw(numbers), draw(numbers)))
    return low, high


positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
below_one = st.floats(max_value=1, exclude_max=True, allow_infinity=False)
small_positive = st.floats(1e-6, 1e3)
scalars = st.one_of(st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.text("abc", max_size=2))

log_uniforms = bounds(positive | small_positive).map(lambda b: LogUniform(*b))
one_minus_log_uniforms = bounds(below_one | st.floats(0, 0.9999)).map(
    lambda b: LogUniform(*b, one_minus=True)
)
uniforms = bounds(finite | st.floats(-2, 2)).map(lambda b: Uniform(*b))
integers = bounds(st.integers(-(2**53), 2**53) | st.integers(-3, 9)).map(lambda b: Integer(*b))
choices = st.builds(
    Choice,
    st.lists(scalars, min_size=1, max_size=5, unique_by=lambda v: (type(v), v)).map(tuple),
    ordered=st.booleans(),
)
spaces = st.one_of(log_uniforms, one_minus_log_uniforms, uniforms, integers, choices)
factors = st.lists(st.floats(1e-300, 1e300) | st.floats(0.5, 2), min_size=1, max_size=3).map(tuple)
