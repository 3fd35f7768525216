"""onnxruntime-web: the files of its npm package that a page needs, fetched once and kept.

Of the package's 140 MB a page needs two files: the WebAssembly build for the CPU, which runs on one thread without
special headers of the server, and the script that drives it. Their SHA-512 sums are written here, so it does not matter
who brings them, npm, a proxy of it, a colleague's folder or our own cache: a file that is another is never used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from amalgam.errors import RequestError, WorkError
from amalgam.files import draft
from amalgam.store import home

NAME, VERSION = "onnxruntime-web", "1.30.0"
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SUMS: Mapping[str, str] = {
    SCRIPT: "d4a705f0258065eaad4dcbcb80a3ed38c5c86e459e87ef8b0c24290e14390115"
    "711c02f554d2f9aebd0e23e3314db98d200365744fc0feaf8ee2048a81232359",
    WASM: "1adeded62203219fcf5c484cfce5657aa5875689b490423f86cf1ca1dd1cad77"
    "15f630c6337f41db71ee42794e3a00ce0b7c78939a71220b5d83368bf6ea7730",
}
"""File of the package's `dist` → the SHA-512 of its content."""
_LARGEST = 64 * 2**20  # bytes of a file that is looked at
_SECONDS = 600


def found(package: Path | None = None) -> dict[str, Path]:
    """The files, by name, in the cache `$AMALGAM_HOME/runtime`; fetched where they are not there, or damaged.

    Args:
        package: where to take them from instead of npm: the package's `.tgz`, or a folder that it was unpacked to.

    Raises:
        RequestError: no npm, or a package that is none, or of another version.
        WorkError: npm fails.
    """
    folder = home() / "runtime" / f"{NAME}-{VERSION}"
    kept = {name: folder / name for name in SUMS}
    if package is None and all(map(_is_right, kept.values())):
        return kept
    content = _fetched() if package is None else _taken(package)
    for name, path in kept.items():
        with draft(path) as temporary:
            temporary.write_bytes(content[name])
    return kept


def _is_right(path: Path) -> bool:
    try:
        return hashlib.sha512(path.read_bytes()).hexdigest() == SUMS[path.name]
    except OSError:
        return False


def _fetched() -> dict[str, bytes]:
    """The files as npm packs them."""
    npm = shutil.which("npm")
    if npm is None:
        raise RequestError(
            f"a page needs {NAME} {VERSION}, which comes from npm, and there is no npm on this machine; install "
            f"Node.js, which brings it, or fetch the package elsewhere (npm pack {NAME}@{VERSION}) and name its .tgz"
        )
    with tempfile.TemporaryDirectory() as name:
        command = [npm, "pack", f"{NAME}@{VERSION}", "--ignore-scripts", "--json", "--loglevel=error"]
        try:
            done = subprocess.run(
                command, cwd=name, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise WorkError(_failed(f"it took more than {_SECONDS} s")) from None
        packed = next(Path(name).glob("*.tgz"), None)
        if done.returncode or packed is None:
            said = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["it wrote no file"]
            raise WorkError(_failed(said[0].strip()[:200]))
        return _taken(packed)


def _failed(why: str) -> str:
    return (
        f"npm could not fetch {NAME} {VERSION}: {why}; see whether this machine reaches npm's registry, or fetch the "
        f"package elsewhere (npm pack {NAME}@{VERSION}) and name its .tgz"
    )


def _taken(package: Path) -> dict[str, bytes]:
    """The files of a package, by name, each the one that is meant.

    A member of an archive is read by its whole name and nothing is unpacked, so no name in it can lead anywhere.
    """
    read = _from_folder if package.is_dir() else _from_archive
    content = read(package)
    for name, wanted in SUMS.items():
        if name not in content:
            raise RequestError(f"{package} has no dist/{name}; name a .tgz or folder of {NAME} {VERSION}")
        if hashlib.sha512(content[name]).hexdigest() != wanted:
            version = content.get("package.json", b"").decode(errors="replace")
            raise RequestError(
                f"{package}: dist/{name} is not that of {NAME} {VERSION}{_other(version)}; fetch that version "
                f"(npm pack {NAME}@{VERSION})"
            )
    return content


def _other(manifest: str) -> str:
    """Which version a manifest names, where that is another."""
    try:
        version = str(json.loads(manifest)["version"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f" but of {version[:20]}" if version != VERSION else ", though the package says so"


def _from_folder(folder: Path) -> dict[str, bytes]:
    root = folder / "package" if (folder / "package").is_dir() else folder
    paths = {"package.json": root / "package.json"} | {name: root / "dist" / name for name in SUMS}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def _from_archive(path: Path) -> dict[str, bytes]:
    wanted = {"package/package.json": "package.json"} | {f"package/dist/{name}": name for name in SUMS}
    content = dict[str, bytes]()
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() and member.name in wanted else None
                if stream is not None and member.size <= _LARGEST:
                    content[wanted[member.name]] = stream.read()
    except FileNotFoundError:
        raise RequestError(f"there is no {path}; name a .tgz or folder of {NAME} {VERSION}") from None
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RequestError(f"{path} is no .tgz of npm, or damaged ({error}); fetch it again") from None
    return content
