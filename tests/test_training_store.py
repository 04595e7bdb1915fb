"""The store of trained adapters: what was trained once comes back in seconds, and never from a damaged entry."""

import os

import pytest
from training_runs import SETTINGS, train, write_base_and_data, write_data

import train_lora
from captions.prompts import PromptSettings
from models import files as model_files
from models.files import model_digest
from training import preparation as training_preparation
from training.identity import training_digest, training_identity
from training.settings import TrainingSettings
from training.store import RESULT_FILES

# What Snakemake removes before it runs the rule again.
OUTPUTS = ["adapter_model.safetensors", "adapter_config.json", "settings.json", "history.jsonl"]
OUTPUTS += ["training.json", "overlong.csv"]


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("store"))


@pytest.fixture
def trained(base_and_data, tmp_path):
    """A complete training whose outputs Snakemake has removed, and what they held."""
    output = tmp_path / "adapters" / "tiny"
    train(*base_and_data, output, max_steps=4)
    contents = {name: (output / name).read_bytes() for name in RESULT_FILES}
    for name in OUTPUTS:
        (output / name).unlink()
    return output, contents


@pytest.fixture
def no_model(monkeypatch):
    """Fails where a model is loaded, or only laid out."""
    monkeypatch.setattr(train_lora, "load_model", lambda *_: pytest.fail("the model was loaded"))
    monkeypatch.setattr(training_preparation, "count_parameters", lambda *_: pytest.fail("the model was laid out"))


def read_results(output):
    return {name: (output / name).read_bytes() for name in RESULT_FILES}


@pytest.mark.parametrize(
    "changes", [{}, {"wandb": "offline"}, {"keep_checkpoints": 1}, {"log_steps": 1}, {"tensorboard": True}]
)
def test_the_same_training_is_restored_whatever_it_logs(base_and_data, trained, no_model, capfd, changes):
    output, contents = trained
    train(*base_and_data, output, **{"max_steps": 4, **changes})
    assert read_results(output) == contents
    (entry,) = (output / "trained").iterdir()
    log = capfd.readouterr().err
    assert f"restored the trained adapter from {entry}" in log
    assert "warning" not in log


def test_a_setting_that_is_put_back_and_a_moved_folder_restore(base_and_data, trained, tmp_path, monkeypatch, capfd):
    output, contents = trained
    train(*base_and_data, output, max_steps=4, r=2)
    assert read_results(output) != contents
    assert len(list((output / "trained").iterdir())) == 2
    moved = (tmp_path / "moved").absolute()
    output.parent.rename(moved)
    again = write_data(tmp_path)  # made anew, elsewhere: the same bytes
    monkeypatch.setattr(train_lora, "load_model", lambda *_: pytest.fail("the model was loaded"))
    train(base_and_data[0], again, moved / "tiny", max_steps=4)
    assert read_results(moved / "tiny") == contents
    assert str(tmp_path) not in "".join(path.read_text() for path in moved.rglob("identity.json"))


def test_a_damaged_entry_is_not_used_and_not_removed(base_and_data, trained, capfd):
    output, contents = trained
    (entry,) = (output / "trained").iterdir()
    weights = entry / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    train(*base_and_data, output, max_steps=4)
    assert "differs from its checksum manifest and is not used" in capfd.readouterr().err
    assert (output / "adapter_model.safetensors").read_bytes() == contents["adapter_model.safetensors"]
    assert sorted(path.name for path in (output / "trained").iterdir()) == [entry.name, f"{entry.name}-damaged"]


def test_an_adapter_of_other_code_is_restored_with_a_warning(base_and_data, trained, no_model, monkeypatch, capfd):
    output, contents = trained
    monkeypatch.setattr(train_lora, "code_digest", lambda script: "code of today")
    train(*base_and_data, output, max_steps=4)
    (entry,) = (output / "trained").iterdir()
    warning = f"warning: code changed since it was trained; to train it again, move {entry} away first"
    assert warning in capfd.readouterr().err
    assert read_results(output) == contents  # code_digest.txt too: the workflow's notice stays


@pytest.mark.parametrize("change", ["settings", "prompt", "seed", "devices", "data", "weights", "template", "config"])
def test_whatever_changes_the_adapter_is_another_training(tmp_path, change):
    base, data = write_base_and_data(tmp_path)
    files = {split: data / f"{split}.parquet" for split in ("train", "validation")}

    def digest(settings=SETTINGS, prompt=None, seed=7, devices=1):
        prompt = prompt or PromptSettings()
        return training_digest(training_identity(base, files, prompt, TrainingSettings(**settings), seed, devices))

    before = digest()
    assert digest({**SETTINGS, "weight_decay": 0.0, "alpha": 8.0}) == before  # a default, and 8 in another form
    changes = {}
    if change == "settings":
        changes["settings"] = {**SETTINGS, "r": 2}
    elif change == "prompt":
        changes["prompt"] = PromptSettings(max_tokens=100)
    elif change in ("seed", "devices"):
        changes[change] = 2
    elif change == "data":
        write_data(tmp_path, n_train=21)
    elif change == "weights":
        weights = next(base.glob("*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    elif change == "template":
        (base / "chat_template.jinja").write_text("{{ messages[0].content }}")
    else:
        (base / "config.json").write_text((base / "config.json").read_text().replace("{", '{"new": 1,', 1))
    assert digest(**changes) != before


def test_weights_are_read_once_and_again_when_they_were_replaced(tmp_path, monkeypatch):
    base, _ = write_base_and_data(tmp_path)
    names = sorted(path.name for path in base.iterdir())
    (weights,) = base.glob("*.safetensors")
    os.utime(weights, ns=(10**18, 10**18))
    cache, read = tmp_path / "cache" / "digests.json", []
    digest_of = model_files.file_digest
    monkeypatch.setattr(model_files, "file_digest", lambda path: read.append(path) or digest_of(path))

    def digest_in_a_new_process():
        model_files._seen_digests.clear()
        return model_digest(base, cache)

    first = digest_in_a_new_process()
    assert digest_in_a_new_process() == first == model_digest(base)
    assert len(read) == 1
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    os.utime(weights, ns=(10**18, 10**18 + 1))
    assert digest_in_a_new_process() != first
    assert len(read) == 2
    cache.write_text("{damaged")
    assert digest_in_a_new_process() != first
    assert len(read) == 3
    assert sorted(path.name for path in base.iterdir()) == names  # nothing is written into a user's folder
    assert [path.name for path in cache.parent.iterdir()] == ["digests.json"]
