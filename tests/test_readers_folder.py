"""Reading a folder of drawings: captions from tables, from texts beside the drawings and from within them."""

import gzip
import json

import pytest
from reader_rows import PATH_RECORDS, SVG, facts, read, write_csv

from core.command import InputError
from readers.entries import open_entries


def svg_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "deep" / "b.svgz").write_bytes(gzip.compress(PATH_RECORDS.encode()))
    return tmp_path


@pytest.mark.parametrize("key", ["filename", "id"])
def test_a_folder_of_drawings_with_a_table(tmp_path, key):
    rows = [{key: "a.svg", "caption": "a square"}, {key: "deep/b", "caption": "café, two lines"}]
    write_csv(svg_folder(tmp_path) / "captions.csv", rows)
    records = read(tmp_path)
    assert facts(records) == [("a", SVG, ["a square"]), ("deep/b", PATH_RECORDS, ["café, two lines"])]


def captions_of_folder(folder, table, files):
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(SVG)
    (folder / "captions.csv").write_text(table)
    return {record.id: record.captions for record in read(folder)}


@pytest.mark.parametrize(
    ("row", "files", "captioned"),
    [
        ("a/x.svg", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("a/x", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("./a/x.png", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("x.svg", ["a/x.svg", "b/y.svg"], ["a/x"]),
        ("x", ["a/x.svg", "b/y.svg"], ["a/x"]),
        ("x.svg", ["a/x.svg", "b/x.svg"], []),
        ("x.svg", ["x.svg", "b/x.svg"], ["x"]),
        ("b/x.svg", ["a/x.svg"], []),
        ("v1.2", ["v1.svg", "v1.2.svg"], ["v1.2"]),
    ],
)
def test_a_row_of_a_table_describes_no_other_drawing(tmp_path, row, files, captioned):
    captions = captions_of_folder(tmp_path, f"filename,caption\n{row},words\n", files)
    assert [id_ for id_, texts in captions.items() if texts] == captioned


@pytest.mark.parametrize("names", [["a.svg"] * 4, ["a.svg", "a", "./a.svg", "a"], ["a.png"] * 4])
def test_rows_of_one_drawing_are_its_captions_in_order(tmp_path, names):
    rows = zip(names, ["a cat", "", "a dog", "a cat"], strict=True)
    table = "filename,caption\n" + "".join(f"{name},{caption}\n" for name, caption in rows)
    assert captions_of_folder(tmp_path, table, ["a.svg", "b.svg"]) == {"a": ["a cat", "a dog"], "b": []}


def test_rows_in_several_tables_and_lists_are_all_captions(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.jsonl").write_text('{"file": "a.svg", "captions": ["1", "2"], "split": "val"}\n{"file": "a"}\n')
    (tmp_path / "b.csv").write_text("file,caption,group\na.svg,3,g\na.svg,2,\n")
    (record,) = read(tmp_path)
    assert (record.captions, record.split, record.group) == (["1", "2", "3"], "validation", "g")


def test_a_name_with_another_suffix_counts_where_no_row_has_the_drawings(tmp_path):
    table = "filename,caption\nx.dark,dark\nx.svg,light\nx.dark,black\n"
    expected = {"x": ["light"], "x.dark": ["dark", "black"]}
    assert captions_of_folder(tmp_path, table, ["x.svg", "x.dark.svg"]) == expected


@pytest.mark.parametrize("field", ["split", "group"])
def test_rows_that_disagree_on_split_or_group_are_rejected(tmp_path, field):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.csv").write_text(f"file,caption,{field}\na.svg,1,test\na.svg,2,dev\n")
    (record,) = read(tmp_path)
    assert record.fault.startswith("its rows disagree: test and")


def test_a_row_without_caption_leaves_the_text_beside_the_drawing(tmp_path):
    (tmp_path / "a.txt").write_text("of the text\n")
    (tmp_path / "b.txt").write_text(" \n")
    (tmp_path / "b.svg").write_text(SVG.replace("<path", "<title>of the drawing</title><path"))
    (tmp_path / "a.svg").write_text((tmp_path / "b.svg").read_text())
    (tmp_path / "captions.csv").write_text("filename,words,group\na.svg,,g\nb.svg,,h\n")
    first, second = read(tmp_path, captions="words")
    assert (first.captions, first.flags, first.group) == (["of the text"], [], "g")
    assert (second.captions, second.flags, second.group) == (["of the drawing"], ["caption_from_drawing"], "h")
    (tmp_path / "captions.csv").write_text("filename,words\na.svg,of the table\n")
    assert [record.captions for record in read(tmp_path, captions="words")] == [["of the table"], ["of the drawing"]]


def test_other_files_and_folders_among_drawings_are_left_alone(tmp_path, capsys):
    (tmp_path / "icons.svg").mkdir()
    (tmp_path / "data.csv").mkdir()
    (tmp_path / "icons.svg" / "a.svg").write_text(SVG)
    (tmp_path / "package.json").write_text(json.dumps({"name": "icons", "version": "1.0"}, indent=2))
    (tmp_path / "colours.json").write_text(json.dumps([{"colour": "red"}]))
    assert facts(read(tmp_path)) == [("icons.svg/a", SVG, [])]
    assert "colours.json is no table of captions" in capsys.readouterr().err
    (tmp_path / "captions.jsonl").write_text('{"filename": "a.svg", "caption": "x"}\n{"caption": "y"}\nz\n')
    with pytest.raises(InputError, match="a row names no file"):
        read(tmp_path)


def test_a_folder_of_drawings_with_texts_beside_them(tmp_path):
    svg_folder(tmp_path)
    (tmp_path / "a.txt").write_bytes("a square\r\nanother\u2028caption\n\nof\x85two\x0clines\n".encode())
    first, second = read(tmp_path)
    assert first.captions == ["a square", "another caption", "of two lines"]
    assert second.captions == []


def test_a_folder_of_drawings_that_describe_themselves(tmp_path):
    inside = (
        "<title>a square</title><desc>of black</desc><metadata><rdf:RDF xmlns:rdf='r' xmlns:dc='d'><dc:description>in a"
        " corner</dc:description></rdf:RDF></metadata><g><title>tooltip of a part</title></g>"
    )
    (tmp_path / "a.svg").write_text(SVG.replace("<path", f"{inside}<path"))
    (tmp_path / "broken.svg").write_text("<svg")
    first, second = read(tmp_path)
    assert first.captions == ["a square", "of black", "in a corner"]
    assert first.flags == ["caption_from_drawing"]
    assert second.captions == []


def test_what_metadata_says_of_people_and_terms_is_no_caption(tmp_path):
    (tmp_path / "a.svg").write_text(
        """<svg xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"><title>My cat</title><desc/>
        <metadata><rdf:RDF><cc:Work><dc:title>My cat</dc:title><dc:description>It sleeps</dc:description>
        <dc:creator><cc:Agent><dc:title>John Doe</dc:title></cc:Agent></dc:creator>
        <dc:publisher><cc:Agent><dc:title>Open Clip Art Library</dc:title></cc:Agent></dc:publisher>
        <dc:rights><cc:Agent><dc:title>Public Domain</dc:title></cc:Agent></dc:rights>
        <dc:contributor><dc:description>Jane</dc:description></dc:contributor></cc:Work></rdf:RDF></metadata></svg>"""
    )
    (entry,) = open_entries(tmp_path)
    assert entry.captions == ["My cat", "It sleeps"]


@pytest.mark.parametrize(
    ("name", "data", "fault", "captions"),
    [
        ("a.json", '[{"file": "a.svg", "caption": "x"},\n{"file": }]', "a.json, line 2: not JSON", ["x"]),
        ("a.json", '[{"file": "a.svg", "caption": "x"}', "a.json, line 1: not JSON", ["x"]),
        ("a.json", '[{"file": "a.svg", "caption": "x"}] more', "a.json: not JSON (there is more", ["x"]),
        ("a.json", "[rubbish]", "a.json, line 1: not JSON", []),
        ("a.json", "", "a.json is empty", []),
        ("a.jsonl", 'rubbish\n{"file": "a.svg", "caption": "x"}', "a.jsonl, line 1: not JSON", ["x"]),
    ],
)
def test_broken_json_among_drawings_is_a_rejected_record(tmp_path, name, data, fault, captions):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / name).write_text(data)
    drawing, rejected = read(tmp_path)
    assert (drawing.id, drawing.captions, drawing.fault) == ("a", captions, "")
    assert (rejected.position, rejected.drawing, rejected.captions) == (1, None, [])
    assert rejected.fault.startswith(f"{tmp_path}/{fault}")
    assert rejected.fault.endswith("; fix it, or take the file out of the folder")


def test_a_table_among_drawings_that_cannot_be_read_is_one_message(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.csv").write_bytes(b"file,caption\na.svg,caf\xe9\n")
    with pytest.raises(InputError, match=r"a\.csv, line 2: not UTF-8"):
        read(tmp_path)


def test_gzipped_drawings_are_read_and_those_cut_off_are_rejected(tmp_path):
    data = gzip.compress(SVG.encode())
    for name, content in (("a.svg.gz", data), ("b.svgz", data), ("c.svgz", data[:-12])):
        (tmp_path / name).write_bytes(content)
    records = read(tmp_path)
    cut_off = (None, "broken gzip data (it is cut off)")
    assert [(record.drawing, record.fault) for record in records] == [(SVG, ""), (SVG, ""), cut_off]


def test_a_link_to_a_file_that_was_not_fetched_is_rejected(tmp_path):
    (tmp_path / "a.svg").symlink_to(tmp_path / "annex" / "a")
    (tmp_path / "b.svg").write_text(SVG)
    plain, link = read(tmp_path)
    assert (plain.id, plain.fault) == ("b", "")
    assert "a.svg: a link to a file that is not there" in link.fault


def test_rows_name_drawings_with_backslashes_in_composed_letters_and_by_0(tmp_path):
    (tmp_path / "icons").mkdir()
    for name in ("icons/a", "\u00fc", "0"):
        (tmp_path / f"{name}.svg").write_text(SVG)
    rows = [{"id": name, "caption": f"{n}"} for n, name in enumerate(["icons\\a.svg", "u\u0308.svg", 0])]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = {record.id: record.captions for record in read(tmp_path)}
    assert found == {"0": ["2"], "icons/a": ["0"], "\u00fc": ["1"]}
