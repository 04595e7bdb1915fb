"""Entries of a folder: SVG files with their captions, or the data files of a dataset.

The captions of `.svg` and `.svgz` files come from the first of these that has some: the rows of data files in the
folder that have the file's name and captions, a `.txt` file beside the drawing (a caption a line), the drawing's own
title, description or RDF description. A data file that names no file at all, such as a package.json, is no table of
captions. What cannot be read of a JSON file is a rejected record; the rest of the folder stays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from lxml import etree

from core.command import InputError, log
from readers.formats import (
    BrokenLine,
    Entry,
    read_json,
    read_parquet,
    read_saved_dataset,
    read_table,
    split_in_name,
    with_split,
)
from svg.bytes import Undecodable, decode_drawing

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
# What RDF says below these is about people and terms, not about the drawing.
ABOUT_OTHERS = {"Agent", "creator", "publisher", "rights", "contributor"}

Rows = dict[str, dict[int, Entry]]  # of a path: the rows that name it, by their place in all tables
Sidecar = tuple[Rows, Rows]


def read_entries(path: Path) -> Iterator[Any]:
    """Entries of one data file by the reader of its suffix; an unknown suffix is read as JSON."""
    return READERS.get(data_suffix(path), read_json)(path)


def read_data_file(path: Path) -> Iterator[Entry]:
    """Entries of one data file, of which a broken line is an InputError."""
    for entry in read_entries(path):
        if isinstance(entry, BrokenLine):
            raise InputError(f"{path}, line {entry.number}: {entry.fault}; one object a line")
        yield entry


def data_suffix(path: Path) -> str:
    """The suffix that tells the format, `.gz` aside."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def read_folder(folder: Path) -> Iterator[Entry]:
    """Entries of a folder: a dataset saved by `datasets`, SVG files, or data files by name, whose names tell splits."""
    if is_saved_dataset(folder):
        yield from read_saved_dataset(folder)
        return
    drawings, tables = files_of(folder)
    if drawings:
        faults: list[str] = []
        yield from read_drawings(folder, drawings, read_sidecar(tables, faults))
        for fault in faults:
            yield {"record_fault": f"{fault}; fix it, or take the file out of the folder"}
    elif tables:
        for table in tables:
            for entry in read_entries(table):
                yield with_split(entry, split_in_name(table))
    else:
        raise InputError(f"{folder} holds neither SVG files nor data files ({', '.join(sorted(READERS))})")


def is_saved_dataset(folder: Path) -> bool:
    """Whether `datasets` saved a dataset in this folder."""
    return any((folder / name).is_file() for name in SAVED_DATASET)


def files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The drawings and the data files below a folder, each by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    drawings = [path for path in files if path.suffix.lower() in DRAWINGS]
    return drawings, [path for path in files if data_suffix(path) in READERS]


def read_sidecar(tables: list[Path], faults: list[str]) -> Sidecar:
    """The rows of the tables of a folder by the path that they name: as it is written, and without its suffix.

    `faults` gets what cannot be read of them.
    """
    written: Rows = defaultdict(dict)
    bare: Rows = defaultdict(dict)
    named = (pair for table in tables for pair in read_named_rows(table, faults))
    for place, (path, row) in enumerate(named):
        written[path.as_posix()][place] = row
        if path.suffix[1:].isalpha():  # the 2 of v1.2 is no suffix
            bare[path.with_suffix("").as_posix()][place] = row
    return written, bare


def find_rows(names: list[str], sidecar: Sidecar) -> list[Entry]:
    """The rows that name a drawing by one of its names, in their order; by a name of another suffix if there are none.

    A drawing with several captions often has a row for each.
    """
    for rows in sidecar:
        found = {place: row for name in names for place, row in rows.get(name, {}).items()}
        if found:
            return [found[place] for place in sorted(found)]
    return []


def read_named_rows(table: Path, faults: list[str]) -> list[tuple[PurePath, Entry]]:
    """The rows of a table with the paths that they name; none of a data file that names no files at all."""
    entries = list(read_readable(table, faults))
    broken = [entry for entry in entries if isinstance(entry, BrokenLine)]
    named = [(PurePath(name), row) for row in entries if (name := named_file(row))]
    if named and len(named) + len(broken) < len(entries):
        raise InputError(f"{table}: a row names no file; give it one of the fields {', '.join(FILE_NAMES)}")
    if named:
        faults += [f"{table}, line {line.number}: {line.fault}" for line in broken]
    else:
        log("read_folder", f"{table} is no table of captions: no row has one of the fields {', '.join(FILE_NAMES)}")
    return named


def read_readable(table: Path, faults: list[str]) -> Iterator[Any]:
    """The entries of a data file beside drawings as far as it can be read; `faults` gets why reading stopped."""
    try:
        yield from read_entries(table)
    except InputError as fault:
        # Folders often hold unrelated JSON files; a table of another format is there for its captions.
        if READERS[data_suffix(table)] is not read_json:
            raise
        faults.append(str(fault))


def named_file(row: Any) -> str:
    """The file that a row of a table names, or an empty text."""
    return next((str(row[key]) for key in FILE_NAMES if row.get(key)), "") if isinstance(row, dict) else ""


def read_drawings(folder: Path, drawings: list[Path], sidecar: Sidecar) -> Iterator[Entry]:
    """An entry for each drawing; its id is the path below the folder, without suffix where that stays unique.

    Captions are those of all `record_rows`; if these have none, those of `record_else` count.
    """
    names = [path.relative_to(folder) for path in drawings]
    stems = Counter(name.with_suffix("") for name in names)
    bare_stems = Counter(name.stem for name in names)
    unique = len(stems) == len(names)
    for path, name in zip(drawings, names, strict=True):
        data = path.read_bytes()
        stem = name.with_suffix("")
        # A row may leave out suffix and folder, as long as only one drawing can be meant.
        keys = [name.as_posix()]
        keys += [stem.as_posix()] if stems[stem] == 1 else []
        keys += [name.name, name.stem] if bare_stems[name.stem] == 1 else []
        rows = find_rows(keys, sidecar)
        yield {
            **{key: value for row in rows[:1] for key, value in row.items() if key not in FILE_NAMES},
            "id": (stem if unique else name).as_posix(),
            "svg": data,
            "record_rows": rows,
            "record_else": captions_without_table(path, data),
        }


def captions_without_table(path: Path, data: bytes) -> Entry:
    """The captions of the text file beside a drawing, else those inside the drawing, with a flag."""
    beside = path.with_suffix(".txt")
    text = beside.read_text(encoding="utf-8-sig", errors="replace") if beside.is_file() else ""
    if text.strip():
        # A line ends at a newline only: a caption may hold U+2028 and its like.
        return {"captions": text.split("\n"), "record_flags": []}
    embedded = embedded_captions(data)
    return {"captions": embedded, "record_flags": ["caption_from_drawing"] if embedded else []}


def embedded_captions(data: bytes) -> list[str]:
    """The title and descriptions that a drawing itself carries, outside of what it draws; none where it is no XML."""
    try:
        text, _ = decode_drawing(data)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (Undecodable, etree.XMLSyntaxError, ValueError):
        return []  # whatever is wrong with it is found again and told when the drawing itself is read
    described = [element for child in root for element in child.iter(etree.Element) if not_drawn(element, child)]
    texts = (" ".join("".join(element.itertext()).split()) for element in described)
    return list(dict.fromkeys(text for text in texts if text))


def not_drawn(element: etree._Element, child: etree._Element) -> bool:
    """Whether an element describes the whole drawing: a child of the root, or one of the work inside its metadata."""
    if etree.QName(element).localname not in CAPTION_TAGS:
        return False
    if element is child:
        return True
    within = {etree.QName(ancestor).localname for ancestor in element.iterancestors()}
    return etree.QName(child).localname == "metadata" and not within & ABOUT_OTHERS
