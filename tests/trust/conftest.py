"""How tests tell of the faults that they try; the table is made in ``faults.py``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults import ROW


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Writes a line of the table: the fault, where it struck, at which moment, and the outcome."""

    def tell(fault: str, where: str, moment: str, outcome: str) -> None:
        record_property(ROW, (fault, where, moment, outcome))

    return tell
