"""Logs say what kind of error there was, never what it says: that may quote a caller."""

import subprocess
import sys

from hotline.settings import ROOT

A_LIBRARY = """
import logging
from hotline.log import start_log
start_log("console")
try:
    raise ValueError("call 0812345678")
except ValueError:
    logging.getLogger("aiohttp.server").exception("Error handling request")
"""


def test_an_error_that_a_library_logs_keeps_its_type_and_loses_its_text() -> None:
    said = subprocess.run([sys.executable, "-c", A_LIBRARY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ValueError" in said.stderr
    assert "0812345678" not in said.stderr
