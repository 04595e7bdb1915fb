"""The comparison in W&B: a run that needs neither key nor network, the same for the same scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_fixture import make_experiment

from core.records import read_json
from log_wandb import main


def test_an_offline_run_holds_table_and_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    made = make_experiment(tmp_path / "demo")
    table, radar = tmp_path / "comparison.csv", tmp_path / "radar.png"
    table.write_text("system,score\na,0.5\nb,\n")
    Image.new("RGB", (8, 8)).save(radar)
    records = []
    for number in range(2):
        output = tmp_path / f"run{number}" / "wandb.json"
        main(comparison=made.arguments["comparison"], table=table, radar=radar, mode="online", output=output)
        records.append(read_json(output))
        files = {path.name.split("_")[0] for path in (output.parent / "wandb").rglob("media/*/*")}
        assert files == {"radar", "scores"}
    assert records[0] == records[1]
    assert records[0]["mode"] == "offline", "online without a key is offline"
