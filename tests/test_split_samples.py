"""Splitting: no near-duplicate leaks, nothing vanishes uncounted, new data does not move old samples."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.command import InputError
from core.records import Sample, open_rows, read_samples, write_samples
from generate_scenes import generate_scenes
from samples.fingerprints import SCHEMA, fingerprint_row, take_fingerprint
from samples.groups import unite_by_keys
from samples.kinship import MAX_DRAWINGS_OF_A_CAPTION, find_duplicates, unite_groups
from samples.near_duplicates import find_near_duplicates
from samples.render_check import draw_picture
from samples.split_statistics import BINS, whole_edges
from split_samples import assign_splits, main


def sample(number, **changes):
    fields = {
        "id": f"s{number:03}",
        "source": "a",
        "split": "",
        "group": f"g{number}",
        "xml": f"<svg>{number}</svg>",
        "references": [f"caption {number}"],
        "n_chars": 10,
    }
    return Sample(**{**fields, **changes})


def run(tmp_path, samples, limits="{}", **changes):
    write_samples(tmp_path / "a.parquet", samples)
    settings = {"validation": 0.2, "test": 0.2, "seed": 7, "limits": limits, "fingerprints": []}
    settings |= {"leakage": "warn", "captions": "{}", **changes}
    main(input=[tmp_path / "a.parquet"], output_dir=tmp_path / "data", **settings)
    return {name: read_samples(tmp_path / "data" / f"{name}.parquet") for name in ("train", "validation", "test")}


def test_counts_add_up_and_left_out_samples_are_listed(tmp_path):
    samples = [sample(n) for n in range(60)] + [sample(60, xml="<svg>1</svg>"), sample(61, n_chars=999)]
    splits = run(tmp_path, samples, '{"a": {"max_chars": 100, "train": 5}}')
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())["sources"]["a"]
    assert counts["kept"] == 62
    assert (counts["duplicates"], counts["too_long"], counts["train"]) == (1, 1, 5)
    assert sum(counts.values()) == 2 * 62
    assert {name: len(kept) for name, kept in splits.items()} == {name: counts[name] for name in splits}
    with open(tmp_path / "data" / "left_out.csv") as file:
        reasons = {row["id"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons["s060"] == "duplicates"
    assert reasons["s061"] == "too_long"
    assert len(reasons) == 62 - sum(len(kept) for kept in splits.values())


def test_samples_of_one_group_stay_together():
    samples = [sample(n, group=f"g{n // 5}") for n in range(200)]
    of_group = {}
    for assigned in assign_splits(samples, 0.3, 0.3, 7):
        of_group.setdefault(assigned.group, set()).add(assigned.split)
    assert all(len(splits) == 1 for splits in of_group.values())
    assert {split for splits in of_group.values() for split in splits} == {"train", "validation", "test"}


def test_the_group_that_is_written_is_the_united_one_and_says_its_source(tmp_path):
    """Two sources may use the same names; what shares a caption is one group whatever its sources call it."""
    samples = [sample(n, group="1", source="ab"[n % 2], split="test" if n % 2 else "train") for n in range(4)]
    samples += [sample(n, references=["a dog"], split="validation") for n in (50, 51)]
    written = [one for split in run(tmp_path, samples).values() for one in split]
    groups = {one.id: one.group for one in written}
    assert {groups[f"s{n:03}"] for n in range(4)} == {"a:1", "b:1"}
    assert groups["s050"] == groups["s051"] == "a:g50"


def test_a_shared_reference_unites_groups_across_chains():
    samples = [
        sample(1, references=["A  Dog"]),
        sample(2, references=["a dog", "a cat"]),
        sample(3, references=["a cat"]),
        sample(4),
    ]
    groups = unite_groups(samples)
    assert groups["s001"] == groups["s002"] == groups["s003"] != groups["s004"]


def test_the_same_drawing_under_two_groups_unites_them():
    groups = unite_groups([sample(1, xml="x"), sample(2, xml="x"), sample(3, group="g2")])
    assert groups["s001"] == groups["s002"] == groups["s003"]


def test_a_caption_of_very_many_drawings_unites_nobody():
    n = MAX_DRAWINGS_OF_A_CAPTION
    assert len(set(unite_groups([sample(i, references=["icon"]) for i in range(n)]).values())) == 1
    assert len(set(unite_groups([sample(i, references=["icon"]) for i in range(n + 1)]).values())) == n + 1


def test_captions_unite_across_sources_but_group_names_do_not():
    groups = unite_groups(
        [sample(1, source="b", references=["caption 2"]), sample(2), sample(3, source="b", group="g2")]
    )
    assert groups["s001"] == groups["s002"] != groups["s003"]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=12))
def test_groups_are_the_connected_components(keys):
    items = {str(number): list(of_item) for number, of_item in enumerate(keys)}
    groups = unite_by_keys(items)
    components = [({item}, set(of_item)) for item, of_item in items.items()]
    for key in "abcdefgh":
        touched = [component for component in components if key in component[1]]
        if touched:
            merged = (set().union(*(c[0] for c in touched)), set().union(*(c[1] for c in touched)))
            components = [component for component in components if component not in touched] + [merged]
    assert groups == {item: min(keys) for members, keys in components for item in members}


def test_a_sample_without_split_follows_its_group():
    samples = [sample(n, group="g", split="test" if n == 7 else "") for n in range(20)]
    assert {s.split for s in assign_splits(samples, 0.3, 0.0, 7)} == {"test"}


def test_given_splits_that_share_a_group_are_told(tmp_path, capfd):
    samples = [sample(n, split=("train", "validation", "test")[n % 3]) for n in range(9)]
    run(tmp_path, samples)
    assert "LEAK" not in capfd.readouterr().err
    run(tmp_path, [*samples, sample(9, split="test", group="g0")])
    assert "LEAK in the given splits: 1 groups" in capfd.readouterr().err


def test_more_twins_do_not_move_their_group():
    old = [sample(n, id=f"z{n}") for n in range(40)]
    before = {s.id: s.split for s in assign_splits(old, 0.3, 0.3, 7)}
    twin = sample(0, id="a0", references=["a twin"], xml="another drawing")
    after = {s.id: s.split for s in assign_splits([twin, *old], 0.3, 0.3, 7)}
    assert before == {id: after[id] for id in before}
    assert after["a0"] == after["z0"]


def test_given_splits_are_respected():
    samples = [sample(n, split="test" if n % 2 else "train", references=["same"]) for n in range(10)]
    assert [s.split for s in assign_splits(samples, 0.5, 0.5, 7)] == [s.split for s in samples]


def test_a_duplicate_across_given_splits_stays_in_test():
    assert find_duplicates([sample(1, split="train", xml="x"), sample(2, split="test", xml="x")]) == {
        "s001": "duplicates"
    }


def test_new_samples_do_not_move_old_ones():
    old = [sample(n) for n in range(50)]
    before = {s.id: s.split for s in assign_splits(old, 0.2, 0.2, 7)}
    after = {s.id: s.split for s in assign_splits(old + [sample(n) for n in range(50, 90)], 0.2, 0.2, 7)}
    assert before == {id: after[id] for id in before}


def test_one_id_twice_names_both_files(tmp_path):
    write_samples(tmp_path / "a.parquet", [sample(1)])
    write_samples(tmp_path / "b.parquet", [sample(1)])
    with pytest.raises(InputError, match=r"s001.*a\.parquet.*b\.parquet"):
        main(
            input=[tmp_path / "a.parquet", tmp_path / "b.parquet"],
            validation=0.1,
            test=0.1,
            limits="{}",
            fingerprints=[],
            leakage="warn",
            captions="{}",
            seed=7,
            output_dir=tmp_path,
        )


def test_an_empty_split_names_the_setting(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.test"):
        run(tmp_path, [sample(n) for n in range(30)], test=0.0)
    assert not (tmp_path / "data").exists()


def test_an_unknown_split_or_limit_is_named(tmp_path):
    with pytest.raises(InputError, match="'dev'"):
        run(tmp_path, [sample(1, split="dev")])
    with pytest.raises(InputError, match=r"a\.limits\.max_char.*max_chars"):
        run(tmp_path, [sample(1)], limits='{"a": {"max_char": 3}}')


def test_shares_are_met_and_depend_on_the_seed():
    samples = [sample(n) for n in range(2000)]
    drawn = {seed: [s.split for s in assign_splits(samples, 0.1, 0.2, seed)] for seed in (7, 8)}
    assert drawn[7] != drawn[8]
    for splits in drawn.values():
        assert abs(splits.count("test") / 2000 - 0.2) < 0.03
        assert abs(splits.count("validation") / 2000 - 0.1) < 0.03


LEAKING = [
    *(sample(n, split=("train", "validation", "test")[n % 3]) for n in range(9)),
    sample(9, split="test", group="g0"),
]


def test_leaks_can_be_an_error(tmp_path):
    with pytest.raises(InputError, match=r"1 groups of like drawings.*s000, s009 for instance.*dataset\.leakage"):
        run(tmp_path, LEAKING, leakage="error")
    assert not (tmp_path / "data").exists()


def test_leaks_can_be_moved_to_the_test_split(tmp_path):
    splits = run(tmp_path, LEAKING, leakage="move")
    assert {"s000", "s009"} <= {s.id for s in splits["test"]}
    leakage = json.loads((tmp_path / "data" / "counts.json").read_text())["leakage"]
    assert leakage == {"setting": "move", "groups": 1, "groups_with_test": 1, "groups_by_caption": 0, "moved": 1}


SAME_CAPTION = [
    *(sample(n, split=("train", "validation", "test")[n % 3]) for n in range(9)),
    sample(9, split="train", references=["a cat", "nine"]),
    sample(10, split="train", references=["A  cat", "ten"]),
    sample(11, split="test", references=["a cat"]),
    *(sample(n, split="train", references=["a dog"]) for n in (12, 13)),
]


def test_a_caption_in_several_given_splits_is_a_leak(tmp_path, capfd):
    with pytest.raises(InputError, match=r"1 touch test, 1 are alike in a caption only\), s009, s010, s011"):
        run(tmp_path, SAME_CAPTION, leakage="error")
    run(tmp_path, SAME_CAPTION)
    assert "LEAK in the given splits: 1 groups of like drawings or captions" in capfd.readouterr().err
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())
    assert counts["leakage"]["groups_by_caption"] == 1
    assert counts["duplicates"]["caption_duplicates"] == {"inside": 1, "across": 1}
    splits = run(tmp_path, SAME_CAPTION, leakage="move")
    assert {"s009", "s010", "s011"} <= {s.id for s in splits["test"]}
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())
    assert counts["leakage"]["moved"] == 2
    assert counts["duplicates"]["caption_duplicates"] == {"inside": 2, "across": 0}
    run(tmp_path, SAME_CAPTION, leakage="error", captions='{"max_drawings": 2}')


def test_a_sample_without_split_follows_one_with_its_caption():
    samples = [sample(n, split="test" if n == 7 else "", references=["a cat"]) for n in range(20)]
    assert {s.split for s in assign_splits(samples, 0.0, 0.0, 7)} == {"test"}


def test_without_pictures_near_duplicates_are_not_said_to_be_none(tmp_path, capfd):
    run(tmp_path, [sample(n) for n in range(60)])
    assert "near-duplicates were not searched" in capfd.readouterr().err
    assert json.loads((tmp_path / "data" / "counts.json").read_text())["duplicates"]["near_pairs"] is None


def draw(body):
    return draw_picture(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{body}</svg>')


def twins_of(*pictures):
    prints = [take_fingerprint(picture) for picture in pictures]
    hashes = np.array([print.hash for print in prints], dtype=np.uint64)
    return find_near_duplicates(hashes, np.stack([np.frombuffer(print.thumbnail, dtype=np.uint8) for print in prints]))


HOUSE = '<path d="M100 240 256 90 412 240v180H100z" fill="teal"/><circle cx="{}" cy="330" r="{}" fill="{}"/>'


def test_pictures_that_look_the_same_are_twins_and_others_are_not():
    house = draw(HOUSE.format(256, 40, "gold"))
    assert twins_of(house, draw(HOUSE.format(257, 40, "gold"))) == [(0, 1)]
    for other in (HOUSE.format(256, 40, "red"), HOUSE.format(330, 40, "gold"), HOUSE.format(256, 60, "gold"), ""):
        assert twins_of(house, draw(other)) == []
    assert twins_of(draw(""), draw("")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("translate(0 0)", "translate(2 0)"),
        ("translate(0 0)", "translate(-1 1)"),
        ("translate(0 0)", "translate(1.3 1.3) scale(.995)"),
        ('stroke-width="16"', 'stroke-width="17"'),
        ("#fcea2b", "#f4e420"),
    ],
)
def test_what_moved_by_a_pixel_or_has_nearly_the_same_colour_or_stroke_is_a_twin(old, new):
    eyes = '<circle cx="200" cy="200" r="12"/><circle cx="312" cy="200" r="12"/>'
    face = (
        '<g transform="translate(0 0)" stroke="#000" stroke-width="16"><circle cx="256" cy="256" r="164" '
        f'fill="#fcea2b"/><path d="M150 300q106 120 212 0" fill="#fff"/>{eyes}</g>'
    )
    assert twins_of(draw(face), draw(face.replace(old, new))) == [(0, 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('<circle cx="352" cy="256" r="20" fill="brown"/>', '<path d="M332 236h40v40h-40z" fill="brown"/>'),
        ('<circle cx="350" cy="256" r="20" fill="#d00"/>', '<circle cx="350" cy="256" r="20" fill="#060"/>'),
        ('<circle cx="350" cy="256" r="90" fill="#d00"/>', '<circle cx="350" cy="256" r="90" fill="#060"/>'),
    ],
)
def test_another_small_shape_or_colour_is_no_twin(one, other):
    rest = '<circle cx="64" cy="256" r="20" fill="purple"/><path d="M32 256h448" stroke="#000" stroke-width="4"/>'
    assert twins_of(draw(rest + one), draw(rest + other)) == []


def test_hair_thin_outlines_are_no_twins_in_being_pale():
    outlines = ("M60 60h200l90 80-30 200-160 40z", "M60 60h200l60 140 30 140-190 40z", "M60 60q300 0 260 280l-160 40z")
    pictures = [draw(f'<path d="{d}" fill="none" stroke="#000" stroke-width=".8"/>') for d in outlines]
    assert twins_of(*pictures) == []
    assert twins_of(pictures[0], pictures[0]) == [(0, 1)]


def test_scenes_that_differ_in_one_small_shape_are_no_twins():
    scenes = {tuple(scene["captions"]): scene["svg"] for scene in generate_scenes({"train": 60}, 7)}
    pictures = [draw_picture(svg) for svg in scenes.values()]
    assert twins_of(*pictures) == []


def test_twins_are_found_among_very_many_pictures_of_one_hash():
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 255, (2000, 3072), dtype=np.uint8)
    pictures[1500] = pictures[20]
    pictures[1501] = np.clip(pictures[30].astype(int) + 2, 0, 255)
    assert (20, 1500) in find_near_duplicates(np.full(2000, 7, dtype=np.uint64), pictures)
    hashes = generator.integers(0, 2**63, 2000, dtype=np.uint64)
    hashes[1501] = hashes[30] ^ np.uint64(0b10000001)
    assert find_near_duplicates(hashes, pictures) == [(30, 1501)]


def test_all_twins_among_many_equal_and_near_hashes_are_found():
    generator = np.random.default_rng(1)
    pictures = np.full((1000, 32, 32, 3), 255, dtype=np.uint8)
    for picture in pictures:
        x, y, width = generator.integers((4, 4, 3), (24, 24, 8))
        picture[y : y + width, x : x + width] = generator.integers(0, 255, 3)
    shades = np.where(pictures < 255, generator.integers(-2, 3, pictures.shape), 0)
    twins = np.clip(pictures + shades, 0, 255).astype(np.uint8)
    hashes = generator.integers(0, 8, 1000, dtype=np.uint64)
    found = find_near_duplicates(
        np.concatenate([hashes, hashes ^ np.uint64(1)]), np.concatenate([pictures, twins]).reshape(-1, 3072)
    )
    assert {(n, n + 1000) for n in range(1000)} <= set(found)


def test_copies_of_one_picture_make_a_pair_each():
    pictures = np.tile(np.arange(3072, dtype=np.uint8), (3000, 1))
    assert find_near_duplicates(np.full(3000, 7, dtype=np.uint64), pictures) == [(0, n) for n in range(1, 3000)]


def test_twins_of_pictures_never_straddle_splits(tmp_path):
    samples = [sample(n) for n in range(80)]
    picture = take_fingerprint(draw(HOUSE.format(256, 40, "gold")))
    with open_rows(tmp_path / "prints.parquet", SCHEMA) as write:
        for number in range(0, 80, 4):
            write(fingerprint_row(f"s{number:03}", picture))
    splits = run(tmp_path, samples, fingerprints=[tmp_path / "prints.parquet"])
    placed = {s.id: name for name, members in splits.items() for s in members}
    assert len({placed[f"s{number:03}"] for number in range(0, 80, 4)}) == 1
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())
    assert counts["duplicates"]["kept_together"] == 20


def test_common_captions_are_flagged_or_dropped(tmp_path):
    samples = [sample(n, references=["icon"] if n < 3 else ["icon", f"caption {n}"]) for n in range(40)]
    flagged = run(tmp_path, samples, captions='{"max_drawings": 30}')
    assert sum(map(len, flagged.values())) == 40
    assert all("caption:common" in s.flags for members in flagged.values() for s in members)
    dropped = run(tmp_path, samples, captions='{"max_drawings": 30, "drop": ["common"]}')
    assert sum(map(len, dropped.values())) == 37
    assert all(s.references == [f"caption {int(s.id[1:])}"] for members in dropped.values() for s in members)
    assert json.loads((tmp_path / "data" / "counts.json").read_text())["sources"]["a"]["captions"] == 3


def test_statistics_of_the_splits(tmp_path):
    samples = [sample(n, references=[f"{n} is odd"] if n % 2 else [f"{n}"]) for n in range(120)]
    splits = run(tmp_path, samples)
    measures = json.loads((tmp_path / "data" / "statistics.json").read_text())["measures"]
    for name, members in splits.items():
        words = measures["caption_words"]["splits"][name]
        assert words["n"] == len(members) == sum(words["histogram"])
        assert (words["min"], words["max"]) == (1, 3)
        odd = sum(len(member.references[0].split()) == 3 for member in members)
        assert words["histogram"] == [words["n"] - odd, 0, odd]
    assert measures["caption_words"]["edges"] == [1, 2, 3, 4]


def test_bins_are_of_whole_numbers_and_the_last_one_holds_the_tail():
    numbers = np.array([*range(100, 1000), 1_000_000])
    edges = whole_edges(numbers)
    assert len(edges) <= BINS + 1
    assert len(set(np.diff(edges[:-1]))) == 1
    assert (edges[0], edges[-1]) == (100, 1_000_001)
    assert np.histogram(numbers, edges)[0].sum() == len(numbers)
