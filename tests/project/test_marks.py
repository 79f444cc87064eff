"""`make fast` can be trusted: what isn't marked starts no process, and what uses a server is marked by itself."""

import subprocess
import sys

import pytest


def test_an_unmarked_test_cannot_start_a_process():
    with pytest.raises(AssertionError, match=r"test_an_unmarked_test.* mark it with @pytest\.mark\.process"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.process
def test_a_marked_one_can():
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize("chosen", ["folder", pytest.param("minio", id="minio")])
def test_who_asks_for_a_server_by_a_parameter_is_marked_like_who_names_it(chosen, request):
    assert bool(list(request.node.iter_markers("server"))) == (chosen == "minio")
