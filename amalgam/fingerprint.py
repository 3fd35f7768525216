"""Fingerprints: the same content gives the same short name, in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.abc import InspectLoader
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from amalgam.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from amalgam.signals import Rows

FORMAT = 1
"""Version of what the store keeps; a new one makes every old entry a stranger."""


def fingerprint(*parts: object) -> str:
    """32 hexadecimal digits for plain values (numbers, strings, lists, sets, mappings)."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=_plain, allow_nan=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def of_array(array: np.ndarray[Any, Any]) -> str:
    """The fingerprint of an array's type, shape and content.

    Raises:
        TypeError: an array of Python objects, whose bytes are addresses.
    """
    if array.dtype.hasobject:
        raise TypeError("no fingerprint of an array of Python objects")
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The fingerprint of named tensors, such as a state dict."""
    return fingerprint({name: [*_kind(value), of_array(_bytes(value))] for name, value in tensors.items()})


def of_file(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def of_code(*modules: str) -> str:
    """The fingerprint of the source of importable modules, read once per process and not run.

    A module without source (compiled, or a package of folders) counts by its distribution's version, or else by name.

    Raises:
        ModuleNotFoundError: no such module.
    """
    return fingerprint({module: _code(module) for module in modules})


@lru_cache
def _code(module: str) -> str:
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"no module {module!r}", name=module)
    source = spec.loader.get_source(module) if isinstance(spec.loader, InspectLoader) else None
    if source:
        return fingerprint("source", source)
    try:
        return fingerprint("version", version(module.partition(".")[0]))
    except PackageNotFoundError:
        return module


def of_rows(rows: Rows, chunk: int = 4096) -> str:
    """The fingerprint of the rows' inputs, in order; annotations do not count, for no teacher sees them.

    Rows with stamps go by these, and are not read.

    Args:
        rows: the rows.
        chunk: how many are held in memory at a time; the fingerprint does not depend on it.

    Raises:
        RequestError: rows that are other ones each time they are read have none.
    """
    stamps = rows.stamps()
    if stamps is not None:
        return fingerprint("stamps", of_array(stamps))
    if rows.resident is None and len(rows):
        _refuse_random(rows)
    digest, kind = hashlib.blake2b(digest_size=16), None
    for _, inputs in rows.chunks(chunk):
        digest.update(_bytes(inputs).data)
        kind = _kind(inputs[0])
    return fingerprint(len(rows), kind, digest.hexdigest())


def _refuse_random(rows: Rows) -> None:
    """Nothing that depends on a random view may be kept: the next reading would find what was said of another."""
    first, again = (_bytes(rows.inputs(slice(0, min(16, len(rows))))) for _ in range(2))
    if first.tobytes() != again.tobytes():
        raise RequestError(
            f"{rows.name} gives other inputs each time it is read, so what teachers say of them cannot be kept; read "
            "the plain inputs, and let the training draw random views of them: training.augment"
        )


def of_each_row(rows: Rows, chunk: int = 256) -> NDArray[np.uint64]:
    """A number (N,) for each row's input: equal inputs (0 is −0) have equal ones, others one pair in 2^64.

    Of series (N, T, C) it does not count by how much NaN they are filled up: T depends on the others in their file.
    Rows with stamps have these: two files of the same picture, written differently, differ.

    Args:
        rows: the rows.
        chunk: how many are held in memory at a time; the numbers do not depend on it.
    """
    stamps = rows.stamps()
    if stamps is not None:
        return stamps.copy()
    numbers = [np.empty(0, np.uint64)]
    for _, inputs in rows.chunks(chunk):
        steps = inputs.shape[1] if inputs.ndim == 3 else 1
        content = _bytes(inputs + 0).reshape(len(inputs), steps, -1)  # −0 becomes 0
        words = np.pad(content, ((0, 0), (0, 0), (0, -content.shape[2] % 8))).view("<u8")
        places = _mixed(np.arange(1, words[0].size + 1, dtype=np.uint64)).reshape(words.shape[1:])
        mixed = _mixed(words ^ places)
        if inputs.ndim == 3:
            from amalgam.series import within

            mixed *= within(inputs).numpy()[..., None]
        numbers.append(_mixed(mixed.sum(axis=(1, 2), dtype=np.uint64)))
    return np.concatenate(numbers)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit of a word: the finaliser of SplitMix64 (Steele et al. 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = words ^ (words >> np.uint64(31))
    return mixed


def _kind(tensor: Tensor) -> list[object]:
    return [str(tensor.dtype), list(tensor.shape)]


def _bytes(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The bytes of a tensor of any type: numpy has no bfloat16, and rounding one would hide a change."""
    import torch

    array: np.ndarray[Any, Any] = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):  # their order differs from process to process
        return sorted(value, key=fingerprint)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"no fingerprint of a {type(value).__name__}")
