"""The closed list: every fault of the chip library has its reason, and no code is spelled twice."""

from __future__ import annotations

import re

import pytest

from emrtd.errors import Fault
from wire.reasons import Outcome, Reason


def test_the_reasons_about_the_chip_are_the_faults_of_the_library() -> None:
    assert {fault.value for fault in Fault} <= {reason.value for reason in Reason}
    assert [fault.value for fault in Fault] == [each.value for each in Reason][: len(Fault)]


@pytest.mark.parametrize("closed", [Outcome, Reason])
def test_a_code_is_its_own_name_in_small_letters(closed: type) -> None:
    for each in closed:
        assert each.value == each.name.lower()
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", each.value)
    assert len({each.value for each in closed}) == len(closed.__members__)


def test_the_outcomes_are_five() -> None:
    assert {each.value for each in Outcome} == {
        "accepted",
        "refused",
        "not_holder",
        "referred",
        "incomplete",
    }
