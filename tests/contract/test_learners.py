"""Every registered learner and encoder keeps its promises."""

import pytest

from regatta.features.encoders import ENCODERS
from regatta.learners import LEARNERS
from regatta.testing.contracts import check_encoder, check_learner
from regatta.testing.weights import check_weights


@pytest.mark.parametrize("key", sorted(LEARNERS))
def test_learner_keeps_its_contract(key, capfd):
    assert LEARNERS[key].key == key
    if not LEARNERS[key].installed():
        pytest.skip(f"{LEARNERS[key].package} is not installed")
    check_learner(LEARNERS[key]())
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


@pytest.mark.parametrize("key", sorted(LEARNERS))
def test_learner_heeds_weights(key):
    if not LEARNERS[key].weighted or not LEARNERS[key].installed():
        pytest.skip(f"{key} does not heed weights, or is not installed")
    check_weights(LEARNERS[key]())


@pytest.mark.parametrize("key", sorted(ENCODERS))
def test_encoder_keeps_its_contract(key):
    assert ENCODERS[key].key == key
    check_encoder(key)


def test_each_learner_has_an_encoder_for_its_matrix():
    assert {learner.encoding for learner in LEARNERS.values()} <= set(ENCODERS)
