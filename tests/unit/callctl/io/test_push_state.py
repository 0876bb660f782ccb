"""What the list of devices says about pushes to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.io.admin_view import PushState, push_state
from callctl.model.build import iphone, make_cluster
from callctl.registration.push_binding import PushBinding
from helpers.engine_rig import EngineRig, iphone_binding

IPHONE = iphone("2001")
BINDING = iphone_binding(IPHONE)


@pytest.mark.parametrize(
    ("release", "binding", "state"),
    [
        ("15", BINDING, "ready"),
        ("15", None, "none"),
        ("15", replace(BINDING, voip_token=None), "no target"),
        ("15", replace(BINDING, custom_region=True, voip_token=None), "ready"),
        ("14SU3", replace(BINDING, os_version="12.4"), "not offered"),
        ("12.5(1)SU2", replace(BINDING, custom_region=True), "not offered"),
        # One channel, one token (OP-63).
        ("12.5(1)SU2", replace(BINDING, voip_token=None), "ready"),
    ],
)
def test_state_tells_what_a_call_push_lacks(
    release: str, binding: PushBinding | None, state: PushState
) -> None:
    rig = EngineRig(make_cluster(devices=[IPHONE], release=release))
    if binding is not None:
        rig.sign_in(binding)
    assert push_state(rig.engines["ucm1"], IPHONE.name) == state
