"""Files that are no text: each is named as what it is, with what to do, and not as text of a wrong encoding."""

import gzip
import io
import zipfile

import pytest
from PIL import Image

from core.command import InputError
from readers.entries import open_entries, read_records
from readers.folder import read_data_file
from svg.bytes import Undecodable, decode_drawing


def picture(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, kind)
    return buffer.getvalue()


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as parts:
        for name in names:
            parts.writestr(name, "x" * 40)
    return buffer.getvalue()


XLSX = archive("docProps/app.xml", "[Content_Types].xml", "xl/workbook.xml")
ODS = archive("mimetype", "content.xml", "META-INF/manifest.xml")
PICTURES = {
    "a PNG picture": picture("PNG"),
    "a JPEG picture": picture("JPEG"),
    "a GIF picture": picture("GIF"),
    "a WebP picture": picture("WEBP"),
    "a PDF": picture("PDF"),
}
OTHERS = {
    "a spreadsheet or another office document; save its table as CSV": [
        XLSX,
        ODS,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1..",
    ],
    "a zip archive; unpack it": [archive("a.svg"), XLSX[:60]],
    "a gzip file; let its name end in .gz": [gzip.compress(b"{}")],
    "a Parquet file; let its name end in .parquet": [b"PAR1..."],
}
GIVEN = [(f"{name}; this workflow reads drawings as SVG code", data) for name, data in PICTURES.items()]
GIVEN += [(told, data) for told, files in OTHERS.items() for data in files]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.png"])
@pytest.mark.parametrize(("told", "data"), GIVEN, ids=[told for told, _ in GIVEN])
def test_a_dataset_of_another_kind_is_named(tmp_path, name, told, data):
    path = tmp_path / name
    path.write_bytes(data)
    for read in (open_entries, read_data_file):  # of datasets; of predictions
        with pytest.raises(InputError) as fault:
            list(read(path))
        assert str(fault.value) == f"{path} is {told}"


@pytest.mark.parametrize(("name", "data"), PICTURES.items(), ids=list(PICTURES))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_picture_in_the_place_of_a_drawing_is_named(name, data, pack):
    with pytest.raises(Undecodable, match=f"^{name}; this workflow reads SVG code$"):
        decode_drawing(pack(data))


def test_a_picture_among_drawings_and_one_in_the_place_of_captions_are_named(tmp_path):
    for name in ("a.svg", "a.txt", "b.svg", "b.txt"):
        (tmp_path / name).write_bytes(b"<svg/>")
    (tmp_path / "a.svg").write_bytes(PICTURES["a PNG picture"])
    (tmp_path / "b.txt").write_bytes(PICTURES["a JPEG picture"])
    faults = [record.fault for record in read_records(open_entries(tmp_path), {}, "a")]
    assert faults == ["a PNG picture; this workflow reads SVG code", "b.txt: a JPEG picture, not text"]
