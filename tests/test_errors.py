"""Errors keep their words and field on every way they travel."""

import pickle

import pytest

from lightning_demo import errors
from lightning_demo.errors import LightningError


@pytest.mark.parametrize(
    "kind",
    [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, LightningError)],
)
def test_errors_survive_pickling(kind: type[errors.LightningError]):
    error = kind("something is wrong", field="seed")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert (str(again), again.field, again.status) == ("something is wrong", "seed", kind.status)


def test_a_limit_says_when_it_ends():
    again = pickle.loads(pickle.dumps(errors.RateLimited("slowly", seconds=7.5)))  # noqa: S301
    assert (again.status, again.seconds) == (429, 7.5)
