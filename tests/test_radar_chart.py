"""Radar charts and forest plots: scaling is stated, nothing is hidden, equal input gives equal bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from report_fixture import make_experiment

from comparison.version import VERSION
from core.command import InputError
from radar_chart import draw_forest, draw_radar, line_style, main, radar_notes
from report.comparison import Comparison, read_comparison
from report.style import OKABE_ITO, Axis, Style, make_axes, parse_style, round_up

VALUES = ["bleu_4", "meteor", "rouge_l", "cider", "clip_score"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_experiment(tmp_path_factory.mktemp("radar"), n_samples=12, n_systems=8).arguments["comparison"]


@pytest.fixture(scope="module")
def comparison(path: Path) -> Comparison:
    return read_comparison(path)


def changed(path: Path, target: Path, change) -> Path:
    raw = json.loads(path.read_text())
    change(raw)
    target.write_text(json.dumps(raw))
    return target


def texts(figure) -> str:
    return "\n".join(text.get_text() for part in (figure, *figure.axes) for text in part.texts)


def test_all_charts_are_written_in_three_formats_with_equal_bytes(path: Path, tmp_path: Path) -> None:
    for run in ("first", "second"):
        main(comparison=path, values=VALUES, output_dir=tmp_path / run)
    names = {str(file.relative_to(tmp_path / "first")) for file in (tmp_path / "first").rglob("*.*")}
    assert {f"radar.{ending}" for ending in ("png", "svg", "pdf")} <= names
    assert {
        "forest.svg",
        "systems/cogvlm.pdf",
        "families/lora.png",
        "families/zero_shot.svg",
        "bases/smollm2.pdf",
    } <= names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_no_figure_holds_a_date(path: Path, tmp_path: Path) -> None:
    main(comparison=path, values=VALUES, output_dir=tmp_path)
    assert b"<dc:date>" not in (tmp_path / "radar.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "radar.pdf").read_bytes()


def test_fixed_axes_are_the_usual_range_while_it_holds_all_intervals(comparison: Comparison) -> None:
    clip, cider = make_axes(comparison, [comparison.value(n) for n in ("clip_score", "cider")], "all", {}, "fixed")
    assert (clip.inner, clip.outer) == (0, 50)
    assert (cider.inner, cider.outer) == (0, 10), "some system scores above the usual 3"


def test_ranges_of_the_style_beat_the_others(comparison: Comparison) -> None:
    (axis,) = make_axes(comparison, [comparison.value("cider")], "all", {"cider": [0, 6]}, "fixed")
    assert (axis.inner, axis.outer) == (0, 6)


def test_min_max_axes_run_from_the_lowest_to_the_highest_score(comparison: Comparison) -> None:
    (axis,) = make_axes(comparison, [comparison.value("meteor")], "all", {}, "min_max")
    scores = [comparison.cells[s.name, "meteor", "all"].score for s in comparison.systems]
    assert (axis.inner, axis.outer) == (min(scores), max(scores))


def test_a_lower_is_better_axis_has_the_low_end_at_the_rim(path: Path, tmp_path: Path) -> None:
    other = changed(path, tmp_path / "c.json", lambda raw: raw["values"][0].update(higher_is_better=False))
    (axis,) = make_axes(read_comparison(other), [read_comparison(other).values[0]], "all", {}, "fixed")
    assert axis.position(0.0) == 1.0
    assert axis.position(1.0) == 0.0


@pytest.mark.parametrize(("number", "rounded"), [(0.0, 1), (0.21, 0.25), (4.78, 5), (5, 5), (0.091, 0.1), (62, 80)])
def test_round_up_gives_the_next_round_number(number: float, rounded: float) -> None:
    assert round_up(number) == pytest.approx(rounded)


def test_the_scaling_and_each_range_stand_on_the_figure(comparison: Comparison) -> None:
    chosen = [comparison.value(name) for name in VALUES]
    assert "fixed ranges" in texts(draw_radar(comparison, chosen, "all", Style()))
    assert "CIDEr\n0 – 10" in texts(draw_radar(comparison, chosen, "all", Style()))
    assert "min–max" in texts(draw_radar(comparison, chosen, "all", Style(scaling="min_max")))


def test_a_value_of_fewer_samples_says_so_on_the_figure(comparison: Comparison) -> None:
    chosen = [comparison.value(name) for name in VALUES]
    fewer = comparison.cells["constant", "clip_score", "all"].n
    assert fewer < 12
    for draw in (draw_radar, draw_forest):
        shown = texts(draw(comparison, chosen, "all", Style())).replace("\n", " ")
        assert f"n = 12 in 11 groups (CLIP score: {fewer})" in shown


def test_a_score_beyond_its_axis_and_a_missing_one_are_named(path: Path, tmp_path: Path) -> None:
    def remove_a_score(raw: dict) -> None:
        cell = next(c for c in raw["cells"] if (c["system"], c["value"]) == ("constant", "meteor"))
        cell.update(score=None, low=None, high=None, n=0)

    table = read_comparison(changed(path, tmp_path / "c.json", remove_a_score))
    style = Style(ranges={"cider": [0, 1]})
    axes = make_axes(table, [table.value("meteor"), table.value("cider")], "all", style.ranges, style.scaling)
    notes = "\n".join(radar_notes(table, axes, "all", style))
    assert "Beyond the axis: " in notes
    assert "CogVLM CIDEr" in notes
    assert "No score: constant METEOR." in notes
    draw_radar(table, [table.value(name) for name in VALUES], "all", style)


def test_the_forest_plot_fills_the_best_and_the_ties_only(path: Path, tmp_path: Path) -> None:
    best = {"cider": {"system": "cogvlm", "ties": ["constant"], "testable": True, "by_sample_mean": None}}
    table = read_comparison(changed(path, tmp_path / "c.json", lambda raw: raw.update(best=best)))
    (plot,) = draw_forest(table, [table.value("cider")], "all", Style()).axes
    points = {int(line.get_ydata()[0]): line.get_markerfacecolor() for line in plot.lines if line.get_marker() == "o"}
    filled = {table.systems[row].name for row, colour in points.items() if colour != "white"}
    assert filled == {"cogvlm", "constant"}


def test_both_charts_mark_the_systems_that_were_trained_on_this_data(path: Path, tmp_path: Path) -> None:
    def forget_one(raw: dict) -> None:
        raw["systems"][0].update(trained=None)

    table = read_comparison(changed(path, tmp_path / "c.json", forget_one))
    chosen = [table.value(name) for name in VALUES]
    radar, forest = (draw(table, chosen, "all", Style()) for draw in (draw_radar, draw_forest))
    legend = [text.get_text() for text in radar.legends[0].get_texts()]
    rows = [text.get_text() for text in forest.axes[0].get_yticklabels()]
    assert legend == rows
    assert {"SmolLM2 zero-shot ‡", "SmolLM2 LoRA r 4 †", "BLIP large"} <= set(rows)
    for figure in (radar, forest):
        assert "† trained on this data, ‡ training unknown." in texts(figure)


def test_charts_of_systems_of_one_side_have_no_marks(path: Path, tmp_path: Path) -> None:
    def train_none(raw: dict) -> None:
        for system in raw["systems"]:
            system.update(trained=False)

    table = read_comparison(changed(path, tmp_path / "c.json", train_none))
    shown = draw_radar(table, [table.value(name) for name in VALUES], "all", Style())
    assert "SmolLM2 LoRA r 4" in [text.get_text() for text in shown.legends[0].get_texts()]
    assert "trained" not in texts(shown)


def test_labels_of_50_letters_stay_in_every_figure(path: Path, tmp_path: Path) -> None:
    labels = [f"{place} " + "Model of many words and a long name "[: 47 - place % 3] + "W" for place in range(8)]
    labels[3] = "W" * 50

    def rename(raw: dict) -> None:
        for system, label in zip(raw["systems"], labels, strict=True):
            system["label"] = label
        next(value for value in raw["values"] if value["name"] == "clip_score")["label"] = "CLIP similarity"

    table = read_comparison(changed(path, tmp_path / "c.json", rename))
    chosen = [table.value(name) for name in VALUES]
    figures = [draw_radar(table, chosen, "all", Style(legend=place)) for place in ("below", "right")]
    figures.append(draw_forest(table, chosen, "all", Style()))
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        page = figure.bbox.expanded(1.001, 1.001)
        shown = [text for legend in figure.legends for text in legend.get_texts()]
        shown += [text for plot in figure.axes for text in [*plot.get_yticklabels(), *plot.texts]] + figure.texts
        for text in shown:
            box = text.get_window_extent()
            assert page.contains(box.x0, box.y0), text.get_text()
            assert page.contains(box.x1, box.y1), text.get_text()
    joined = "".join(text.get_text() for text in figures[0].legends[0].get_texts()).replace("\n", "")
    assert "W" * 50 in joined


def test_axes_of_next_to_nothing_are_those_of_the_value(path: Path, tmp_path: Path) -> None:
    def empty(raw: dict) -> None:
        for place, cell in enumerate(cell for cell in raw["cells"] if cell["value"] == "bleu_4"):
            cell.update(score=1.03e-14 * place, low=None, high=None)

    table = read_comparison(changed(path, tmp_path / "c.json", empty))
    for scaling in ("fixed", "rounded", "min_max"):
        (axis,) = make_axes(table, [table.value("bleu_4")], "all", {}, scaling)
        assert (axis.inner, axis.outer) in ((0, 1), (0, 0.5))
    figure = draw_forest(table, [table.value("bleu_4")], "all", Style())
    assert figure.axes[0].get_xlim() == (0, 1)
    assert "Not informative here, 0 for all systems: BLEU-4." in texts(figure)


def test_fixed_ranges_are_the_same_on_every_slice(path: Path, tmp_path: Path) -> None:
    def raise_one(raw: dict) -> None:
        for cell in raw["cells"]:
            if cell["value"] == "meteor":
                cell.update(score=0.3, low=0.2, high=0.9 if cell["slice"] == "source=scenes" else 0.4)

    table = read_comparison(changed(path, tmp_path / "c.json", raise_one))
    axes = [make_axes(table, [table.value("meteor")], name, {}, "fixed")[0] for name in table.slices]
    assert {(axis.inner, axis.outer) for axis in axes} == {(0, 1)}


def test_a_metric_whose_model_a_system_uses_is_marked(path: Path, tmp_path: Path) -> None:
    table = read_comparison(
        changed(path, tmp_path / "c.json", lambda raw: raw["systems"][3].update(shares_model=["clip_score"]))
    )
    for draw in (draw_radar, draw_forest):
        figure = draw(table, [table.value(name) for name in VALUES], "all", Style())
        legend = " ".join(text.get_text() for legend in figure.legends for text in legend.get_texts())
        shown = f"{texts(figure)} {legend}".replace("\n", " ")
        assert "§ nearest by CLIP uses the model of CLIP score: no rank there." in shown
        assert shown.count("§") == 2, "in the note, and at what it is about"


def test_eight_systems_differ_in_colour_dashes_and_marker() -> None:
    looks = [line_style(index, Style()) for index in range(8)]
    assert len({look["color"] for look in looks}) == len({look["marker"] for look in looks}) == 8
    assert len({str((look["color"], look["linestyle"])) for look in (line_style(i, Style()) for i in range(54))}) == 54
    assert {look["color"] for look in looks} <= set(OKABE_ITO)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ('{"scalling": "fixed"}', "scaling"),
        ('{"scaling": "log"}', "fixed, rounded, min_max"),
        ('{"width_mm": "wide"}', "must be of type float"),
        ('{"bands": 1}', "must be of type bool"),
        ('{"ranges": {"cider": [2, 1]}}', "low < high"),
        ("[1]", "JSON object"),
    ],
)
def test_a_faulty_style_is_refused_with_the_fix(style: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_style(style)


def test_unknown_values_slices_and_too_few_axes_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean cider"):
        main(comparison=path, values=["cidr", "meteor", "bleu_4"], output_dir=tmp_path)
    with pytest.raises(InputError, match="no slice 'scenes'"):
        main(comparison=path, values=VALUES, slice="scenes", output_dir=tmp_path)
    with pytest.raises(InputError, match="at least 3"):
        main(comparison=path, values=["cider", "meteor"], output_dir=tmp_path)


def test_a_comparison_that_lacks_a_cell_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no cell"):
        read_comparison(changed(path, tmp_path / "c.json", lambda raw: raw["cells"].pop()))


def test_a_comparison_of_a_newer_format_is_refused_and_of_the_first_needs_no_version(
    path: Path, tmp_path: Path
) -> None:
    newer = changed(path, tmp_path / "newer.json", lambda raw: raw.update(version=VERSION + 1))
    with pytest.raises(InputError, match=rf"newer.json: its format is version {VERSION + 1}, .* none above {VERSION};"):
        read_comparison(newer)
    assert read_comparison(changed(path, tmp_path / "first.json", lambda raw: raw.pop("version")))
    for version in ("1", 0, True, None):
        with pytest.raises(InputError, match="not a comparison of this version"):
            read_comparison(changed(path, tmp_path / "odd.json", lambda raw, v=version: raw.update(version=v)))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="not a comparison of this version"):
        read_comparison(tmp_path / "list.json")


def test_fields_that_a_reader_does_not_know_are_passed_over(path: Path, tmp_path: Path) -> None:
    def add_fields(raw) -> None:
        raw["later"] = 1
        for record in (*raw["systems"], *raw["values"], *raw["slices"], *raw["cells"], *raw["pairs"], *raw["human"]):
            record["later"] = 1
        for best in raw["best"].values():
            best["later"] = 1

    assert read_comparison(changed(path, tmp_path / "later.json", add_fields)) == read_comparison(path)


def test_positions_are_cut_at_the_ends_of_the_axis(comparison: Comparison) -> None:
    axis = Axis(comparison.value("cider"), 0.0, 2.0)
    assert [axis.position(score) for score in (-1.0, 0.5, 3.0)] == [0.0, 0.25, 1.0]
