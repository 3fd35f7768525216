"""Code that a card names: imported without asking only when it can build a model and do nothing else."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from inspect import isfunction
from typing import Any

from amalgam.errors import AmalgamError, RequestError, listed
from amalgam.teacher import FETCHING

_KNOWN = ("amalgam.students", "torch.nn", "torchvision.models", "timm", "sklearn", "skmultilearn")


def import_object(spec: str, what: str, trust: bool) -> Any:
    """The object that a card names.

    A card may come from somebody else, and importing a module runs it. Without the user's word only classes of models
    (`torch.nn.Module`, scikit-learn's `BaseEstimator`, amalgam's `Student`) and the model factories of torchvision and
    timm are handed out, from those libraries alone: not `torch:load`, not `torch.hub:load`. With it, any module is,
    and the current directory is searched too.

    Args:
        spec: `module:name`.
        what: who names it, for messages ("teacher 'x'").
        trust: whether the user said that the code may run.

    Raises:
        RequestError: no `module:name`, no such module or name, or code that nobody vouched for.
    """
    module, colon, name = spec.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise RequestError(f"{what} names the code {spec!r}, expected `module:name`, for example `my_models:build`")
    if not trust and not any(module == known or module.startswith(f"{known}.") for known in _KNOWN):
        raise _untrusted(spec, what)
    if trust and os.getcwd() not in sys.path:
        # Left there, as web servers do with an application they are told to run: its functions may import later.
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise RequestError(
            f"{what} names the code {spec!r}, but there is no module {error.name!r}; install it, or run the command "
            "in the folder where it lies"
        ) from None
    except AttributeError:
        raise RequestError(f"{what} names the code {spec!r}, but the module {module!r} has no {name!r}") from None
    except Exception as error:  # somebody else's code may raise anything
        raise RequestError(
            f"{what} names the code {spec!r}, but importing {module!r} fails: {said(error)}; mend that code"
        ) from error
    if not trust and not (_is_model_class(found) or _is_factory(module, name, found)):
        raise _untrusted(spec, what)
    return found


def construct(spec: str, arguments: dict[str, Any], what: str, trust: bool) -> Any:
    """What the code that a card names returns when it is called with the card's arguments.

    Raises:
        RequestError: as `import_object`; arguments that the code does not take; without trust, arguments that make a
            factory read weights other than the card's source.
    """
    fetching = [name for name in arguments if name in FETCHING and arguments[name]]
    if fetching and not trust:
        raise RequestError(
            f"{what} calls {spec!r} with {listed(fetching)}, which reads weights other than its `source`; leave it "
            "out, or, if you trust it, say so with --trust-code (in Python: trust=True)"
        )
    called = import_object(spec, what, trust)
    try:
        return called(**arguments)
    except TypeError as error:
        raise RequestError(
            f"{what} calls {spec!r} with the arguments {listed(arguments)}, which fails: {error}; mend `arguments:`"
        ) from error
    except AmalgamError:
        raise
    except Exception as error:  # somebody else's code may raise anything
        raise RequestError(f"{what} calls {spec!r}, which fails: {said(error)}; mend that code") from error


def said(error: Exception) -> str:
    """What somebody else's code raised, on one line: `ValueError: …`."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])[:200]


def _untrusted(spec: str, what: str) -> RequestError:
    return RequestError(
        f"{what} names the code {spec!r}, which would run on this machine; only model classes and factories of "
        "PyTorch, torchvision, timm, scikit-learn and amalgam are built without asking: read that code and, if you "
        "trust it, say so with --trust-code (in Python: trust=True)"
    )


def _is_model_class(found: object) -> bool:
    if not isinstance(found, type):
        return False
    from torch import nn

    if issubclass(found, nn.Module):
        return True
    from sklearn.base import BaseEstimator

    return issubclass(found, BaseEstimator)


def _is_factory(module: str, name: str, found: object) -> bool:
    if not isfunction(found):
        return False
    if module.split(".")[0] == "torchvision":
        import torchvision

        return name == "get_model" or name in torchvision.models.list_models()
    if module.split(".")[0] == "timm":
        import timm

        return name == "create_model" or bool(timm.is_model(name))
    return False
