"""The part of the cluster file that says how the cluster reaches the clouds (see `schema`)."""

from __future__ import annotations

from pydantic import Field

from callctl.model.cloud import CI_URL, FOS_URL, PUSH_REST_URL, OnboardingWay
from callctl.model.direct_schema import DirectEntry
from callctl.model.entry import Entry
from callctl.model.values import FilePath, HttpsUrl, Password, ProxyUrl, Text


class ProxyEntry(Entry):
    """The proxy between the cluster and the clouds; nothing else goes through it (PROXY-12)."""

    url: ProxyUrl = Field(
        description="`http://host:port`, or `https://host:port` for one that is spoken to over TLS."
    )
    user: Text | None = Field(default=None, description="Where the proxy wants to know who asks.")
    password: Password | None = Field(
        default=None, description="In clear. Either this or the next, and only with `user`."
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File whose first line is the password, relative to the cluster file.",
    )
    basic_over_http: bool = Field(
        default=False,
        description="Give the password to a proxy without TLS that asks for Basic: everybody on "
        "the way there can read it (OP-54).",
    )


class CloudEntry(Entry):
    """The push clouds, and the way there. What the onboarding page starts with."""

    push_enabled: bool = Field(
        default=False,
        description="Push is wanted: it is on once onboarding is done (GEN-02).",
    )
    emulator: bool = Field(
        default=False,
        description="Start emulators of all clouds beside the nodes; the addresses below are then "
        "not used.",
    )
    onboarding: OnboardingWay | None = Field(
        default=None,
        description="`automatic`: the start does every step of onboarding that is missing; "
        "`manual`: `callctl onboarding` does. Without it automatic with the emulator, else manual.",
    )
    fos_url: HttpsUrl = Field(
        default=FOS_URL, description="Fusion Onboarding Service: gives the machine account."
    )
    ci_url: HttpsUrl = Field(
        default=CI_URL, description="Common Identity: gives the access tokens."
    )
    push_rest_url: HttpsUrl = Field(
        default=PUSH_REST_URL, description="Push REST: takes the pushes."
    )
    plm_url: HttpsUrl | None = Field(
        default=None, description="Prime License Manager, for release 11.5 (LIC-01)."
    )
    cssm_url: HttpsUrl | None = Field(
        default=None, description="Smart Software Manager, for release 12.0 and later (LIC-02)."
    )
    satellite_url: HttpsUrl | None = Field(
        default=None, description="A satellite of the Smart Software Manager."
    )
    alarm_upload_url: HttpsUrl | None = Field(
        default=None,
        description="Where the management agent sends alarms; without it, nowhere (OP-51).",
    )
    proxy: ProxyEntry | None = Field(
        default=None, description="HTTP(S) proxy on the way to all of these (PROXY-01)."
    )
    manage_certificates: bool = Field(
        default=True,
        description="Cisco manages the CA certificates of the cloud: they are installed and "
        "renewed by themselves (CERT-03).",
    )
    insecure_skip_tls_verification: bool = Field(
        default=False,
        description="Take any certificate for that of the cloud: anybody on the way can read and "
        "answer. For a lab that has no other way; shows in status, alarms and metrics.",
    )
    direct: DirectEntry | None = Field(
        default=None,
        description="Channels that do without Push REST. Without it, and for what it does not "
        "name, nothing is ever sent to APNs or FCM (PUSH-02).",
    )
