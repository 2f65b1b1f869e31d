"""What takes minutes: in ``make slow``, or, as FAIRKD_TRUST says, in ``make trust`` only."""

import os

import pytest

LONG = os.environ.get("FAIRKD_TRUST") == "long"
"""Whether faults are tried as often as ``make trust`` does, or in the short form of the suite."""
long_form = pytest.mark.skipif(not LONG, reason="takes minutes: make trust")
