"""Weights in files: state dicts of safetensors and of `weights_only` checkpoints, never a pickle that runs code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from amalgam.errors import RequestError, listed

KINDS = (".safetensors", ".pt", ".pth", ".bin")
"""What the names of files of weights end with."""
EXPECTED = "a .safetensors file or a .pt, .pth or .bin checkpoint of its weights"
_WRAPPERS = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before every name


def read_weights(path: Path, what: str, expected: str = EXPECTED) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU.

    Args:
        path: the file.
        what: whose weights they are, for messages ("teacher 'a'").
        expected: what may stand there, for messages.

    Raises:
        RequestError: a file that is not there, holds code, is damaged, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix not in KINDS:
        raise RequestError(f"{what}: {path} is not {expected}")
    if not path.is_file():
        raise RequestError(f"{what}: no such file: {path}; expected {expected}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's advice on pickle protocols; the errors say enough
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        if _holds_code(error, path):
            raise RequestError(
                f"{what}: {path} is a pickle of more than weights, and loading it could run code; it was not "
                "loaded. If you trust it, re-save its weights as safetensors: `from safetensors.torch import "
                f"save_file; save_file(torch.load({path.name!r}, weights_only=False).state_dict(), "
                f"{path.with_suffix('.safetensors').name!r})`"
            ) from None
        raise RequestError(
            f"{what}: {path} is damaged or cut short and holds no weights that can be read; fetch it again"
        ) from None
    inner = [content[key] for key in ("state_dict", "model_state_dict", "model") if _is_mapping(content, key)]
    state = inner[0] if inner else content
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RequestError(f"{what}: {path} holds no state dict, expected names and their tensors")
    return dict(state)


def fill(
    module: nn.Module,
    state: Mapping[str, Tensor],
    what: str,
    path: Path,
    of: str,
    mend: tuple[str, str],
    spare: Collection[str] = (),
) -> None:
    """Load weights that fit a module exactly.

    Args:
        module: it.
        state: names and tensors.
        what: whose weights they are, for messages.
        path: where they are from.
        of: what the module is ("the constructor's model").
        mend: what could be wrong if names differ, and what if shapes do ("`model:` or `arguments:`").
        spare: names that the file may have and the module does not.

    Raises:
        RequestError: others.
    """
    own, (names, shapes) = module.state_dict(), mend
    state = {key: value for key, value in _unwrapped(state, own).items() if key not in spare}
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    if missing or unexpected:
        parts = [f"lacks {listed(missing)}"] * bool(missing) + [f"has {listed(unexpected)} besides"] * bool(unexpected)
        raise RequestError(
            f"{what}: the weights in {path} belong to another model than {of}: the file {' and '.join(parts)}; mend "
            f"{names}"
        )
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise RequestError(
                f"{what}: {key!r} in {path} has the shape {tuple(value.shape)}, {of} expects "
                f"{tuple(own[key].shape)}; mend {shapes}"
            )
    module.load_state_dict(state)


def _unwrapped(state: Mapping[str, Tensor], own: Collection[str]) -> Mapping[str, Tensor]:
    """A state dict without what a wrapper around the module put before every name, unless its own names have that."""
    for wrapper in 2 * _WRAPPERS:  # one around the other, either way
        if all(key.startswith(wrapper) for key in state) and not all(key.startswith(wrapper) for key in own):
            state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def _is_mapping(content: object, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _holds_code(error: Exception, path: Path) -> bool:
    """Whether a checkpoint was refused for what it would do rather than for being damaged."""
    if "GLOBAL" in str(error) or "TorchScript" in str(error):
        return True
    with path.open("rb") as opened:  # torch's reader stops at the first newer opcode, before it has seen a global
        return isinstance(error, pickle.UnpicklingError) and opened.read(1) == pickle.PROTO
