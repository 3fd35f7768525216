"""What this machine can do: `amalgam doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Found:
    """What was looked at, whether it works, and what to do if not."""

    what: str
    ok: bool
    says: str


def examination() -> list[Found]:
    """Python, the libraries (really imported), the devices, the store and the data."""
    python = Found("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    libraries = [
        _library(module, package)
        for module, package in (
            ("torch", "torch"), ("torchvision", "torchvision"), ("timm", "timm"), ("accelerate", "accelerate"),
            ("onnxruntime", "onnxruntime"), ("sklearn", "scikit-learn"), ("skmultilearn", "scikit-multilearn"),
            ("tslearn", "tslearn"), ("gensim", "gensim"), ("skops", "skops"),
        )
    ]  # fmt: skip
    return [python, *libraries, *(_tried(what, look) for what, look in _LOOKS.items())]


def _library(module: str, package: str) -> Found:
    try:
        import_module(module)
        return Found(package, True, version(package))
    except PackageNotFoundError:
        return Found(package, False, "its metadata is missing; install it again")
    except Exception as error:  # noqa: BLE001 - whatever a broken library raises is the finding
        says = f"{type(error).__name__}: {error}".split("\n")[0]
        if "torchvision::nms" in says:
            says += " (torch and torchvision are of different builds, CPU and CUDA: install both again together)"
        return Found(package, False, says)


def _tried(what: str, look: Callable[[], str]) -> Found:
    try:
        return Found(what, True, look())
    except Exception as error:  # noqa: BLE001 - the finding
        return Found(what, False, f"{type(error).__name__}: {error}".split("\n")[0])


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} torch threads; no GPU"
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ", ".join(names)


def _store() -> str:
    from amalgam.store import home, usable

    with usable(home()):
        home().mkdir(parents=True, exist_ok=True)
        (home() / ".doctor").touch()
        (home() / ".doctor").unlink()
    return f"{home()} can be written"


def _data() -> str:
    from amalgam.datasets import names

    return ", ".join(names())


_LOOKS = {"device": _device, "store": _store, "data": _data}
