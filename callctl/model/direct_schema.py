"""The parts of the cluster file that say how pushes leave without Push REST (see `schema`)."""

from __future__ import annotations

from pydantic import Field

from callctl.model.entry import Entry
from callctl.model.push_access import APNS_SANDBOX_URL, APNS_URL, FCM_URL
from callctl.model.values import AppleId, BundleId, FilePath, HttpsUrl, SubscriberService


class ApnsEntry(Entry):
    """Apple's push service, with an account of your own there."""

    team_id: AppleId | None = Field(
        default=None, description="Team id of the developer account. Optional with the emulator."
    )
    key_id: AppleId | None = Field(
        default=None, description="Id of the signing key. Optional with the emulator."
    )
    key_file: FilePath | None = Field(
        default=None,
        description="The signing key as Apple gives it out, `AuthKey_....p8`, relative to the "
        "cluster file. Optional with the emulator.",
    )
    bundle_id: BundleId | None = Field(
        default=None,
        description="Bundle id of the app, where the client does not say. Optional with the "
        "emulator.",
    )
    url: HttpsUrl = Field(default=APNS_URL, description="Not used with the emulator.")
    sandbox_url: HttpsUrl = Field(
        default=APNS_SANDBOX_URL,
        description="For the subscriber service APNS:dev. Not used with the emulator.",
    )


class FcmEntry(Entry):
    """Google's push service, with a project of your own there."""

    service_account_file: FilePath | None = Field(
        default=None,
        description="The service account as Google gives it out, in JSON, relative to the cluster "
        "file; its `token_uri` is where access tokens come from. Optional with the emulator.",
    )
    url: HttpsUrl = Field(default=FCM_URL, description="Not used with the emulator.")


class DirectEntry(Entry):
    """Push channels that do without Push REST. Nothing goes this way that is not named here."""

    services: list[SubscriberService] = Field(
        default=[],
        description="Subscriber services whose pushes go directly, unless the device has a "
        "`push_channel`.",
    )
    apns: ApnsEntry | None = Field(default=None, description="How to reach APNs.")
    fcm: FcmEntry | None = Field(default=None, description="How to reach FCM.")
