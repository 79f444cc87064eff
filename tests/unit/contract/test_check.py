"""What `pbt check` and its process say to each other comes through as it was said."""

from pbt_contract.check import CHECK, FINDINGS, Findings, Order, Swap


def test_an_order(tmp_path):
    order = Order(steps=20, has_manifest=True, changes={"lr": 0.5, "layers": 3, "act": "relu", "bias": True})
    order.write(tmp_path)
    assert Order.read({CHECK: str(tmp_path)}) == (tmp_path, order)


def test_a_process_that_is_not_checked():
    assert Order.read({}) is None
    assert Order.read({CHECK: ""}) is None


def test_findings(tmp_path):
    swap = Swap(name="lr", value=0.1, tried=0.2, why=None, readers=["build"])
    found = Findings(hyperparameters={"lr": 0.1}, metrics={"score": "NaN"}, swaps=[swap], restored=[], step=3)
    found.write(tmp_path)
    assert Findings.read(tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == [FINDINGS]


def test_a_process_that_has_left_none(tmp_path):
    assert Findings.read(tmp_path) is None
