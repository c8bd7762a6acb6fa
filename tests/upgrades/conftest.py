"""What the tests of upgrades take from those of the laws."""

from __future__ import annotations

import pytest

# What is asserted there is shown as in a test.
pytest.register_assert_rewrite("tests.laws.acts", "tests.laws.audit")
