"""How much the laws try: profile 'ci' (the default) is the same in every run; 'long' is for a night, 'mutants' does not shrink."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
TIMES = int(os.environ.get("TIMES", 10))
"""How many times as many examples as in 'ci' each law tries at night, those that say their own number too."""

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
settings.register_profile(
    "long", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    laws = {item.obj for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}
    for law in laws if PROFILE == "long" else ():
        of = law._hypothesis_internal_use_settings
        law._hypothesis_internal_use_settings = settings(of, max_examples=TIMES * of.max_examples)
