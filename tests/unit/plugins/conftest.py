from __future__ import annotations

import pytest

from helpers.inner_run import make_suite


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    make_suite(pytester)
    return pytester
