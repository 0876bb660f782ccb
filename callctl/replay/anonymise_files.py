"""A capture with its notes and cluster, written anew without what is personal in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML

from callctl.capture.captured import CaptureRead
from callctl.model.dump import cluster_text
from callctl.model.load import load_cluster
from callctl.replay.anonymise import Anonymiser
from callctl.replay.from_capture import recording_of
from callctl.replay.notes import CLUSTER_SUFFIX, SUFFIX, Notes, notes_text
from callctl.replay.notes_schema import NotesFile
from callctl.replay.write import PASSWORD, kept_of


class NotAnonymous(Exception):
    """Something personal is left. One line, which does not say what it is."""


def anonymise_files(notes: Notes, read: CaptureRead, directory: Path, key: bytes) -> Path:
    """Write all three files into `directory`. Returns: the path of the notes.

    `key`: 32 octets that decide what stands for what; without them nobody gets back.
    Raises: NotAnonymous, with nothing written; OSError.
    """
    anonymiser = Anonymiser(key)
    recording = recording_of(read, notes)
    for device in notes.cluster.devices:
        anonymiser.learn_device(device)
    for user in notes.cluster.users.values():
        anonymiser.names.user(user.user_id)
        if user.display_name:
            anonymiser.names.name(user.display_name)
    for line in notes.cluster.lines.values():
        anonymiser.names.user(line.dn)
        if line.display_name:
            anonymiser.names.name(line.display_name)
    for message in recording.messages:
        anonymiser.learn(message.octets)
    for node in notes.cluster.nodes.values():
        for listener in node.listeners:
            anonymiser.names.address(listener.host)
    for place in recording.places:
        anonymiser.names.address(place.host)
    kept = kept_of(recording, notes.file, notes.cluster)
    seen = tuple(
        it._replace(
            octets=anonymiser.anonymised(it.octets),
            host=anonymiser.names.given.get(it.host, it.host),
        )
        for it in kept.seen
    )
    ends = tuple(it._replace(host=anonymiser.names.given.get(it.host, it.host)) for it in kept.ends)
    file_text = anonymiser.text(notes_text(notes.file))
    cluster = anonymiser.text(cluster_text(notes.cluster, lambda _: PASSWORD))
    told = b"".join(it.octets for it in seen) + file_text.encode() + cluster.encode()
    left = sum(1 for _ in anonymiser.left(told))
    if left:
        raise NotAnonymous(f"{left} names, numbers or tokens would be left: nothing is written")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{notes.name}{CLUSTER_SUFFIX}").write_text(cluster)
    path = directory / f"{notes.name}{SUFFIX}"
    path.write_text(file_text)
    file = NotesFile.model_validate(YAML(typ="safe").load(file_text))
    loaded = load_cluster(directory / f"{notes.name}{CLUSTER_SUFFIX}")
    octets = replace(kept, seen=seen, ends=ends, file=file, cluster=loaded).octets()
    (directory / f"{notes.name}.pcapng").write_bytes(octets)
    return path
