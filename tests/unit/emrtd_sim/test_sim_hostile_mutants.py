"""The harness of the mutation run can tell a reader that lost a refusal from one that did not.

A handful of mutants, one of each kind, each against one lie; `make proof SUITE=mutation` tries all.
"""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

import pytest
from sim_material import AT, HOLDER, stream

from emrtd.apdu import Response
from emrtd.dialogue import drive
from emrtd.errors import EMRTDError
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.sim import FAULTS, CardImage, Chip, TestPKI
from emrtd.trust import TrustStore
from emrtd.verify import verify
from tests.proof.mutants import modules, mutants_of, mutate, path_of, swap
from tests.proof.mutation import argued

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.apdu import Command
    from tests.proof.mutants import Mutant

# The child runs nothing but the reader; other tests' threads are none of its business.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

NOTICED = {
    "raise": ("emrtd.pace_mapping", "our own key came back", "own_public_key"),
    "check": ("emrtd.passive_auth", "signed.check_signed_by(", "wrong_sod_signature"),
    "compare": ("emrtd.secure_messaging", "hmac.compare_digest(", "wrong_mac"),
    "clause": ("emrtd._curves", "contains_point", "point_not_on_curve"),
    "fault": ("emrtd.passive_auth", "yield ChipLied(Fault.DATA_HASH_MISMATCH", "dg1_byte"),
    "outcome": ("emrtd.inspect", "'failed'", "silent_clone"),
    "decision_true": ("emrtd.verify", "holder is None", "none"),
}
"""Kind to module, a part of what is taken away, and the lie that it lets through."""


def verdict(card: CardImage, pki: TestPKI, fault: str | None) -> str:
    """Return the reason of a refusal, or the outcome."""
    chip = Chip(card, randomness=stream("chip"), fault=fault)

    def transmit(command: Command) -> Response:
        return Response.from_bytes(chip.answer(command.to_bytes()))

    dialogue = inspect(
        CAN(HOLDER.number[-6:]), wanted=frozenset({"DG1", "DG2", "DG13"}),
        randomness=stream("reader"), aa_nonce=bytes(range(8)),
    )  # fmt: skip
    try:
        evidence = drive(dialogue, transmit).evidence
    except EMRTDError as error:
        return error.fault
    made = verify(evidence, TrustStore([pki.csca.certificate], [pki.crl]), at=AT)
    return made.reasons[0] if made.reasons else made.outcome


def survives(change: Callable[[], None], card: CardImage, pki: TestPKI, fault: str) -> bool:
    """Return whether a process that was changed comes to the verdict of the table."""
    told = None if fault == "none" else fault
    expected = "genuine" if told is None else FAULTS[told].expected
    child = os.fork()
    if not child:
        status = 1
        try:
            change()
            status = int(verdict(card, pki, told) != expected)
        finally:
            os._exit(status)
    return not os.waitpid(child, 0)[1]


def the_one(kind: str, module: str, part: str) -> Mutant:
    (found,) = [
        each for each in mutants_of(module) if each.kind == kind and part in each.source
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("kind", NOTICED)
def test_a_refusal_that_is_taken_away_is_noticed(card: CardImage, pki: TestPKI, kind: str) -> None:
    module, part, fault = NOTICED[kind]
    mutant = the_one(kind, module, part)
    assert survives(lambda: None, card, pki, fault)
    assert not survives(lambda: mutate(mutant), card, pki, fault)


def test_a_change_that_takes_nothing_away_is_not(card: CardImage, pki: TestPKI) -> None:
    mutant = the_one("raise", "emrtd.pace_mapping", "our own key came back")
    tree = ast.parse(path_of(mutant.module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == "our own key came back":
            node.value = "said in other words"
    assert survives(lambda: swap(tree, mutant.module, mutant.function), card, pki, "own_public_key")


def test_every_refusal_has_a_name_of_its_own() -> None:
    mutants = [each for module in modules() for each in mutants_of(module)]
    assert len({each.key for each in mutants}) == len(mutants)
    raised = sum(
        isinstance(node, ast.Raise)
        for module in modules()
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8")))
    )
    assert sum(each.kind == "raise" for each in mutants) == raised


def test_every_survivor_that_is_argued_for_is_a_mutant() -> None:
    assert argued().keys() <= {each.key for module in modules() for each in mutants_of(module)}


def test_what_nothing_runs_cannot_be_taken_away() -> None:
    tree = ast.parse("def nothing():\n    pass\n")
    with pytest.raises(LookupError):
        swap(tree, "emrtd.bac", "no_such_function")
