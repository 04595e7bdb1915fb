"""Entries of a folder: SVG files with their captions, or the data files of a dataset.

The captions of `.svg` and `.svgz` files come from the first of these that has some: a data file in the folder with the
file's name and captions, a `.txt` file beside the drawing (a caption a line), the drawing's own title, description or
RDF description.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from command import InputError
from reader_formats import Entry, read_json, read_parquet, read_saved_dataset, read_table, split_in_name, with_split
from svg_bytes import Undecodable, decode_drawing

READERS = {
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_parquet,
}
DRAWINGS = (".svg", ".svgz")
SAVED_DATASET = ("dataset_dict.json", "dataset_info.json")
FILE_NAMES = ("filename", "file_name", "Filename", "file", "id", "name")
CAPTION_TAGS = ("title", "desc", "description")


def read_data_file(path: Path) -> Iterator[Entry]:
    """Entries of one data file by the reader of its suffix; JSON is assumed of a suffix that nobody knows."""
    return READERS.get(data_suffix(path), read_json)(path)


def data_suffix(path: Path) -> str:
    """The suffix that tells the format, `.gz` aside."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def read_folder(folder: Path) -> Iterator[Entry]:
    """Entries of a folder: a dataset saved by `datasets`, SVG files, or data files by name, whose names tell splits."""
    if any((folder / name).is_file() for name in SAVED_DATASET):
        yield from read_saved_dataset(folder)
        return
    drawings = sorted(path for path in folder.rglob("*") if path.suffix.lower() in DRAWINGS)
    tables = sorted(path for path in folder.rglob("*") if data_suffix(path) in READERS)
    if drawings:
        yield from read_drawings(folder, drawings, read_sidecar(tables))
    elif tables:
        for table in tables:
            for entry in read_data_file(table):
                yield with_split(entry, split_in_name(table))
    else:
        raise InputError(f"{folder} holds neither SVG files nor data files ({', '.join(sorted(READERS))})")


def read_sidecar(tables: list[Path]) -> dict[str, Entry]:
    """The rows of the tables of a folder by the file that they name, with and without its suffix."""
    rows: dict[str, Entry] = {}
    for table in tables:
        for row in read_data_file(table):
            name = next((str(row[key]) for key in FILE_NAMES if row.get(key)), "") if isinstance(row, dict) else ""
            if not name:
                raise InputError(f"{table}: a row names no file; give it one of the fields {', '.join(FILE_NAMES)}")
            rows[name] = rows[Path(name).stem] = row
    return rows


def read_drawings(folder: Path, drawings: list[Path], sidecar: dict[str, Entry]) -> Iterator[Entry]:
    """An entry for each drawing; its id is the path below the folder, without suffix where that stays unique."""
    stems = [path.relative_to(folder).with_suffix("").as_posix() for path in drawings]
    unique = len(set(stems)) == len(stems)
    for path, stem in zip(drawings, stems, strict=True):
        data = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        row = next((sidecar[key] for key in (name, path.name, stem, path.stem) if key in sidecar), {})
        beside = path.with_suffix(".txt")
        entry = {key: value for key, value in row.items() if key not in FILE_NAMES}
        if not row and beside.is_file():
            entry = {"captions": beside.read_text(encoding="utf-8-sig", errors="replace").splitlines()}
        elif not row:
            entry = {"captions": embedded_captions(data), "record_flags": ["caption_from_drawing"]}
        yield {**entry, "id": stem if unique else name, "svg": data}


def embedded_captions(data: bytes) -> list[str]:
    """The title and descriptions that a drawing itself carries, outside of what it draws; none where it is no XML."""
    try:
        text, _ = decode_drawing(data)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (Undecodable, etree.XMLSyntaxError, ValueError):
        return []  # whatever is wrong with it is found again and told when the drawing itself is read
    described = [element for child in root for element in child.iter(etree.Element) if not_drawn(element, child)]
    return [" ".join("".join(element.itertext()).split()) for element in described]


def not_drawn(element: etree._Element, child: etree._Element) -> bool:
    """Whether an element describes the whole drawing: a child of the root, or one inside its metadata."""
    name = etree.QName(element).localname
    return name in CAPTION_TAGS and (element is child or etree.QName(child).localname == "metadata")
