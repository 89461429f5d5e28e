"""Folders that are whole or absent: files beside a manifest of their hashes, written aside and renamed into place.

Snapshots, checkpoints and target sets are such folders. It does not know what is in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from neo4j_relpred.errors import RelpredError, StorageFailed

__all__ = ["MANIFEST", "read_manifest", "replace_file", "verified", "write_folder", "write_text"]

MANIFEST = "manifest.json"


def write_folder(target: Path, fill: Callable[[Path], None], about: Mapping[str, Any]) -> Path:
    """Lets `fill` write files into a temporary sibling, adds the manifest, syncs, and renames it to `target`.

    A folder that stands at `target` is replaced. An error leaves `target` as it was, a kill leaves it whole: the old
    one or the new one. Only a kill between the two renames of a replacement leaves none; the next call puts the old
    one back, and sweeps away what else a kill left. Raises StorageFailed for what the file system refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(target)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        try:
            _fill(target, aside, fill, about)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageFailed(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Free some space, or choose another folder as `home`; what stood there before is untouched.",
        ) from error
    return target


def _fill(target: Path, aside: Path, fill: Callable[[Path], None], about: Mapping[str, Any]) -> None:
    fill(aside)
    files = {path.name: _described(path) for path in sorted(aside.iterdir())}
    write_text(aside / MANIFEST, json.dumps({**about, "files": files}, indent=2, ensure_ascii=False))
    for path in aside.iterdir():
        _sync(path)
    _sync(aside)
    _replace(target, aside)
    _sync(target.parent)


def read_manifest(folder: Path, error: type[RelpredError], hint: str) -> dict[str, Any]:
    """The manifest of `folder`; raises `error` where it is missing or broken."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(f"{folder} has no {MANIFEST}.", hint=hint) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise error(f"{folder / MANIFEST} is damaged.", hint=hint) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise error(f"{folder / MANIFEST} is damaged.", hint=hint)
    return manifest


def verified(folder: Path, error: type[RelpredError], hint: str) -> dict[str, Any]:
    """The manifest, after every file that it names was found with the size and hash given there."""
    manifest = read_manifest(folder, error, hint)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or _described(path) != expected:
            raise error(f"{path} is not as it was written: size or hash differ.", hint=hint)
    return manifest


def write_text(path: Path, text: str) -> None:
    """Replaces the file at `path` as a whole."""
    replace_file(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def replace_file(path: Path, fill: Callable[[Path], object]) -> None:
    """Lets `fill` write a file aside, syncs, and renames it to `path`: whatever happens, the old one or the new one."""
    aside = path.with_name(f".{path.name}.tmp")
    try:
        fill(aside)
        _sync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _replace(target: Path, aside: Path) -> None:
    """Two renames, since a folder cannot be renamed over another one that holds files."""
    old = aside.with_suffix(".old")
    if target.exists():
        target.rename(old)
    try:
        aside.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sweep(target: Path) -> None:
    for old in target.parent.glob(f".{target.name}.*.old"):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
    for stale in target.parent.glob(f".{target.name}.*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
