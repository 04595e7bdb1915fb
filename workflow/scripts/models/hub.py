"""Models of the Hugging Face hub: the wanted files of a repository at its pinned revision, checked as they arrive.

What the hub or the network refuse becomes one line that says what to do; no message holds the token. A download that
was cut short goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read when huggingface_hub is imported

from core.command import InputError, MachineError, log
from models.files import MODULE_FILE, WANTED_SUFFIXES, file_digest
from models.sources import Source, readable_size, source_name
from models.weight_formats import convert_pickled_weights

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling


def fetch_from_hub(source: Source, folder: Path) -> None:
    """Download the wanted files of a repository at its pinned revision and check them."""
    from huggingface_hub import HfApi, hf_hub_download

    name, revision = source["hub"], source["revision"]
    with hub_errors(source):
        info = HfApi().model_info(name, revision=revision, files_metadata=True)
    files = choose_files(info.siblings or [], source)
    total = sum(file.size or 0 for file in files)
    log("fetch_model", f"{source_name(source)}: {len(files)} files, {readable_size(total)}")
    check_room(folder, files)
    done = 0
    for file in files:
        with hub_errors(source):
            path = hf_hub_download(name, file.rfilename, revision=revision, local_dir=folder)
        check_download(Path(path), file, name)
        done += file.size or 0
        if file.size and file.size > 100e6:
            log("fetch_model", f"{name}: {readable_size(done)} of {readable_size(total)}")
    convert_pickled_weights(folder)
    if not any(folder.glob("*.safetensors")):
        log("fetch_model", f"{name} has no safetensors weights: only its configuration and tokenizer are here")


def choose_files(siblings: Iterable[RepoSibling], source: Source) -> list[RepoSibling]:
    """The wanted files of a repository's top folder and of its modules, small ones first.

    So a gated repository is noticed at once.
    """
    # Some repositories hold their weights twice; the consolidated ones are not in transformers' form.
    files = [
        file
        for file in siblings
        if MODULE_FILE.fullmatch(file.rfilename)
        or ("/" not in file.rfilename and not file.rfilename.startswith("consolidated"))
    ]
    has_safetensors = any(file.rfilename.endswith(".safetensors") and "/" not in file.rfilename for file in files)
    suffixes = (*WANTED_SUFFIXES, ".py") if source.get("allow_code") else WANTED_SUFFIXES

    def wanted(name: str) -> bool:
        if name.startswith("pytorch_model"):
            return not has_safetensors and source.get("convert_bin", False)
        return name.endswith(suffixes)

    return sorted((file for file in files if wanted(file.rfilename)), key=lambda file: (file.size or 0, file.rfilename))


def check_room(folder: Path, files: Iterable[RepoSibling]) -> None:
    """Raise MachineError if the files still to download do not fit on the disk of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = sum(file.size or 0 for file in files if not (folder / file.rfilename).is_file())
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise MachineError(
            f"{folder}: {readable_size(missing)} are to be fetched, but only {readable_size(free)} are free: make "
            "room, or name another folder as model_store"
        )


def check_download(path: Path, expected: RepoSibling, model: str) -> None:
    """Compare a downloaded file with the size and sha256 that the hub states; a wrong one is removed."""
    size = path.stat().st_size
    wrong_size = expected.size is not None and size != expected.size
    if wrong_size or (expected.lfs and file_digest(path) != expected.lfs.sha256):
        path.unlink()
        raise MachineError(f"{model}: {path.name} arrived damaged ({size} bytes) and was removed; rerun to fetch it")


@contextlib.contextmanager
def hub_errors(source: Source) -> Iterator[None]:
    """Turn an error of the hub or the network into one line that says what to do. No message holds the token."""
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
        raise MachineError(
            f"{name}@{source['revision'][:12]} is missing and the hub cannot be reached from here "
            f"({type(error).__name__}): run `snakemake fetch_models` where there is network"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise MachineError(f"{name}: the hub answered {status}; rerun later, what has arrived is kept") from error
