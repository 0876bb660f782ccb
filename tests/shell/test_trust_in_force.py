"""What an administrator changes of the trust store holds for pushes at once, without a restart."""

from __future__ import annotations

import pytest

from callctl.certificate.cloud_roots import CloudService
from callctl.model.build import iphone
from helpers.stage import manner, staged

pytestmark = [pytest.mark.anyio]

LINE = "4930444001"
SLEEPER = iphone(LINE, name="TCTSLEEPER")


@pytest.mark.req("CERT-01")
async def test_root_that_is_removed_ends_pushes_and_one_that_is_uploaded_brings_them_back() -> None:
    async with staged(sleepers={SLEEPER: manner()}) as stage:
        phone = stage.phones[SLEEPER.name]
        trust = stage.shell.operations.access.trust
        (root,) = [
            it.certificate
            for it in trust.store.entries
            if (found := trust.store.roots.of(it.certificate.fingerprint)) is not None
            and found.service is CloudService.CI
        ]
        trust.remove(root.fingerprint)
        assert await stage.call(LINE).ended() == 503
        trust.upload(root.der, CloudService.CI)
        phone.forget()
        taken = stage.call(LINE, hang_up_ms=50)
        await taken.answered()
