"""The log: one JSON object in a line, which says what it is about."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import logging, warnings
from pbt_operator.runners.kubernetes import operator_log

operator_log.configure({format!r})
log = logging.getLogger("pbt_operator.runners.kubernetes.controller")
log.info("started\\nand how")
with operator_log.about("research", "digits"):
    log.warning("in a pass")
    logging.getLogger("botocore.endpoint").warning("retried")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.exception("failed")
log.info("after")
log.info("of kopf", extra={{"k8s_ref": {{"kind": "Population", "name": "other", "namespace": "ns"}}}})
for noisy in ("botocore.credentials", "urllib3.connectionpool", "aiohttp.access"):
    logging.getLogger(noisy).info("noise")
warnings.warn("deprecated")
"""


def lines(log_format: str) -> list[str]:
    """What a process of its own logs: the root logger of the tests is pytest's."""
    script = SCRIPT.format(format=log_format)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_is_an_object_and_names_its_population():
    found: list[dict[str, Any]] = [json.loads(line) for line in lines("json")]
    started, told, retried, failed, after, kopfs, warned = found
    assert started["message"] == "started\nand how"
    assert started["severity"] == "info"
    assert started["timestamp"].endswith("+00:00")
    about = {"kind": "Population", "namespace": "research", "name": "digits"}
    assert told["object"] == retried["object"] == failed["object"] == about
    assert told["severity"] == "warn"
    assert "RuntimeError: broken" in failed["exc_info"]
    assert "object" not in started
    assert "object" not in after
    assert kopfs["object"]["name"] == "other"
    assert "deprecated" in warned["message"]


def test_text_is_for_people():
    found = "\n".join(lines("text"))
    assert "[research/digits] in a pass" in found
    assert "noise" not in found
