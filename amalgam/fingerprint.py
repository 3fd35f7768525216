"""Fingerprints: the same content gives the same short name, in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from amalgam.signals import Rows

FORMAT = 1
"""Version of what the store keeps; a new one makes every old entry a stranger."""


def fingerprint(*parts: object) -> str:
    """32 hexadecimal digits for plain values (numbers, strings, lists, mappings)."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=_plain, allow_nan=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def of_array(array: np.ndarray[Any, Any]) -> str:
    """The fingerprint of an array's type, shape and content."""
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The fingerprint of named tensors, such as a state dict."""
    return fingerprint({name: of_array(_numpy(value)) for name, value in tensors.items()})


def of_file(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def of_rows(rows: Rows, chunk: int = 4096) -> str:
    """The fingerprint of the rows' inputs, in order; annotations do not count, for no teacher sees them."""
    return fingerprint([of_array(_numpy(inputs)) for _, inputs in rows.chunks(chunk)])


def _numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype.is_floating_point and plain.dtype.itemsize == 2:  # numpy has no bfloat16
        plain = plain.float()
    array: np.ndarray[Any, Any] = plain.numpy()
    return array


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"no fingerprint of a {type(value).__name__}")
