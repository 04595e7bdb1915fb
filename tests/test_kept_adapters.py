"""An adapter that no store knows survives a training that writes to its place."""

from core.content_digest import ContentDigests
from core.files import link_or_copy
from plan.kept_adapters import keep_adapter


def test_an_adapter_of_an_older_version_is_kept_when_its_place_is_emptied(tmp_path):
    digests = ContentDigests(tmp_path / "cache.json")
    assert keep_adapter(tmp_path / "missing", digests) is None
    folder = tmp_path / "adapters" / "mine"
    folder.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (folder / name).write_text(name)
    kept = keep_adapter(folder, digests)
    assert kept is not None
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (folder / name).unlink()
        assert (kept / name).read_text() == name


def test_an_adapter_that_its_training_keeps_is_not_kept_twice(tmp_path):
    folder = tmp_path / "mine"
    (folder / "trained" / "0123").mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_text("weights")
    link_or_copy(folder / "adapter_model.safetensors", folder / "trained" / "0123" / "adapter_model.safetensors")
    assert keep_adapter(folder, ContentDigests(tmp_path / "cache.json")) is None
