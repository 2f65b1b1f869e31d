"""What takes minutes is tried by ``make trust`` only, which sets FAIRKD_TRUST."""

import os

import pytest

LONG = os.environ.get("FAIRKD_TRUST") == "long"
"""Whether faults are tried as often as ``make trust`` does, or in the short form of the suite."""
long_form = pytest.mark.skipif(not LONG, reason="takes minutes: make trust")
