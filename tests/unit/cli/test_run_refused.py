"""`pbt run` and what strategy a population has: one clear message, exit code 2, and nothing is started."""

from pathlib import Path

import pytest
import yaml

from fixtures.manifests import DETERMINISTIC, population, spec
from pbt_contract import keys
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.run_population import run_population
from pbt_operator.manifest.population import to_wire, written_out
from pbt_operator.records import specs

UNSAID = {name: value for name, value in DETERMINISTIC.items() if name != "strategy"}


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """The message about a manifest with some changes, in one line."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").touch()

    def run(**changes):
        file = Path("digits.yaml")
        file.write_text(yaml.safe_dump(population("digits", UNSAID, **changes)))
        assert run_population(file, ".", None) == 2
        told = capsys.readouterr().err
        assert told.startswith("digits.yaml: 1 field is wrong; nothing was started.\n  spec.")
        return told.splitlines()[1].strip()

    return run


def begin(tmp_path, **changes):
    """Somebody has begun the population there."""
    begun = to_wire(written_out(spec(UNSAID, **changes)))
    specs.accept(FolderStore(tmp_path / "digits"), name="digits", namespace="local", asked=lambda _: begun)


def test_an_exploit_without_a_strategy(refused, tmp_path):
    told = refused(exploit={"truncation": {"percent": 20}})
    assert told == (
        "spec.exploit.truncation: is given without a strategy, and a new population is Auto then, which chooses it; "
        "should be left out, or come with strategy: Explicit"
    )
    assert not list(FolderStore(tmp_path / "digits").names(keys.SPECS))


def test_an_explore_with_auto(refused):
    assert refused(strategy="Auto", explore={"factors": [0.5, 2]}) == (
        "spec.explore.factors (line 7): is given, and strategy Auto chooses it; should be left out, or strategy be "
        "Explicit"
    )


def test_an_exploit_where_auto_has_chosen_already(refused, tmp_path):
    begin(tmp_path, strategy="Auto")
    assert refused(exploit={"none": {}}).startswith(
        "spec.exploit.none: is given, and strategy Auto, which this population began with, has chosen it"
    )


@pytest.mark.parametrize(("begun", "asked"), [("Auto", "Explicit"), ("Explicit", "Auto")])
def test_another_strategy_than_it_began_with(refused, tmp_path, begun, asked):
    begin(tmp_path, strategy=begun)
    told = refused(strategy=asked)
    assert told.startswith(f"spec.strategy: changed since file://{tmp_path}/digits was begun")
    assert "give the population another name, or run it in another --dir" in told
    assert list(FolderStore(tmp_path / "digits").names(keys.SPECS)) == [keys.spec(1)]
