"""The certificates that a cluster file names: paths, read when the cluster starts or is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """What one system shows and trusts, for the check of MRA (Table H2)."""

    tomcat: Path | None = None  # CUCM and IM&P; the certificate, then its intermediates
    callmanager: Path | None = None  # CUCM
    server: Path | None = None  # Expressway-C
    authz: Path | None = None  # CUCM: its own; Expressway-C: the one it has fetched
    trusts: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Of a whole deployment. Paths are absolute."""

    image: tuple[Path, ...] = ()  # cloud roots that the installation brings along (Table I)
    tomcat_trust: tuple[Path, ...] = ()  # uploaded at each start, if they are not there
    roots: tuple[tuple[str, str, bool], ...] = ()  # "ci" or "fos", SHA-256, whether needed now
    bundle_signers: Mapping[str, Path] = field(default_factory=dict)  # public keys, by key id
    cucm: SystemFiles | None = None
    im_and_presence: SystemFiles | None = None
    expressway: SystemFiles | None = None
    local_push: Path | None = None  # what iOS is shown at port 9560
    local_push_public_ca: bool = True


NO_FILES = CertificateFiles()
"""A cluster file that names none."""
