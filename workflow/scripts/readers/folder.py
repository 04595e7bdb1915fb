"""Entries of a folder: SVG files with their captions, or the data files of a dataset.

The captions of `.svg` and `.svgz` files come from the first of these that has some: the rows of data files in the
folder that have the file's name and captions, a `.txt` file beside the drawing (a caption a line), the drawing's own
title, description or RDF description. A data file that names no file at all, such as a package.json, is no table of
captions. What cannot be read of a data file, and a row that describes no drawing of the folder, is a rejected record;
the rest of the folder stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from lxml import etree

from core.command import InputError, log
from readers.formats import (
    BrokenEntry,
    Entry,
    Placed,
    is_gzipped,
    read_json,
    read_parquet,
    read_saved_dataset,
    read_table,
    split_in_name,
    with_split,
)
from svg.bytes import Undecodable, decode_drawing, decode_text

READERS = {
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_parquet,
}
DATA_FILES = "JSON lines, a JSON array, CSV, TSV or Parquet"  # what READERS read, for a person
DATASETS = f"{DATA_FILES}, or a folder of SVG files"
DRAWINGS = (".svg", ".svgz")
SAVED_DATASET = ("dataset_dict.json", "dataset_info.json")
FILE_NAMES = ("filename", "file_name", "Filename", "file", "id", "name")
CAPTION_TAGS = ("title", "desc", "description")
# What RDF says below these is about people and terms, not about the drawing.
ABOUT_OTHERS = {"Agent", "creator", "publisher", "rights", "contributor"}


@dataclass(frozen=True)
class Row:
    """A row of a table beside drawings: where it is, as "captions.csv, line 3", the path that it names, its fields."""

    where: str
    path: PurePath
    fields: Entry


@dataclass(frozen=True)
class DrawingFile:
    """A drawing of a folder: its fields, and where its captions come from.

    They are those of all its rows; if these have none, `captions` count, with `flags`, unless `fault` tells why not.
    """

    fields: Entry
    rows: list[Entry]
    captions: list[str]
    flags: list[str]
    fault: str = ""


@dataclass(frozen=True)
class OtherRow:
    """A row of a table that describes no drawing of its folder, and why."""

    fields: Entry
    fault: str


Rows = dict[str, dict[int, Row]]  # of a path: the rows that name it, by their place in all tables
Sidecar = tuple[Rows, Rows]


def read_placed(path: Path) -> Iterator[Placed]:
    """Entries of one data file and their places, by the reader of its suffix; an unknown one is read as JSON."""
    return READERS.get(data_suffix(path), read_json)(path)


def read_entries(path: Path) -> Iterator[Any]:
    """Entries of one data file."""
    return (entry for _, entry in read_placed(path))


def read_data_file(path: Path) -> Iterator[Entry]:
    """Entries of one data file, of which a broken one is an InputError."""
    for entry in read_entries(path):
        if isinstance(entry, BrokenEntry):
            raise InputError(f"{path}, {entry.fault}")
        yield entry


def data_suffix(path: Path) -> str:
    """The suffix that tells the format, `.gz` aside."""
    return (path.with_suffix("") if is_gzipped(path) else path).suffix.lower()


def read_folder(folder: Path) -> Iterator[Any]:
    """Entries of a folder: a dataset saved by `datasets`, SVG files, or data files by name, whose names tell splits."""
    if is_saved_dataset(folder):
        yield from read_saved_dataset(folder)
        return
    faults = [f"{path}: a link to a file that is not there" for path in dangling_links(folder)]
    drawings, tables = files_of(folder)
    if drawings:
        rows = [row for table in tables for row in read_named_rows(table, faults)]
        yield from read_drawings(folder, drawings, rows)
    elif tables:
        for table in tables:
            for entry in read_entries(table):
                yield (
                    broken_in(table, entry)
                    if isinstance(entry, BrokenEntry)
                    else with_split(entry, split_in_name(table))
                )
    elif not faults:
        raise InputError(f"{folder} holds neither SVG files nor data files ({', '.join(sorted(READERS))})")

    for fault in faults:
        yield BrokenEntry(f"{fault}; fix it, or take the file out of the folder")


def dangling_links(folder: Path) -> list[Path]:
    """Links in the place of drawings and data files whose files were not fetched, as git-annex leaves them."""
    links = (path for path in sorted(folder.rglob("*")) if path.is_symlink() and not path.exists())
    return [path for path in links if data_suffix(path) in (*DRAWINGS, *READERS)]


def is_saved_dataset(folder: Path) -> bool:
    """Whether `datasets` saved a dataset in this folder."""
    return any((folder / name).is_file() for name in SAVED_DATASET)


def files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The drawings and the data files below a folder, each by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    drawings = [path for path in files if data_suffix(path) in DRAWINGS]
    return drawings, [path for path in files if data_suffix(path) in READERS]


def is_folder_of_drawings(path: Path) -> bool:
    """Whether a path is a folder of SVG files, whose captions may be in text files or inside the drawings."""
    return path.is_dir() and not is_saved_dataset(path) and bool(files_of(path)[0])


def broken_in(table: Path, entry: BrokenEntry) -> BrokenEntry:
    """A broken entry with the name of its file, where there are several."""
    return BrokenEntry(f"{table.name}, {entry.fault}")


def index_rows(rows: list[Row]) -> Sidecar:
    """The rows of the tables of a folder by the path that they name: as it is written, and without its suffix."""
    written: Rows = defaultdict(dict)
    bare: Rows = defaultdict(dict)
    for place, row in enumerate(rows):
        written[written_alike(row.path)][place] = row
        if row.path.suffix[1:].isalpha():  # the 2 of v1.2 is no suffix
            bare[written_alike(row.path.with_suffix(""))][place] = row
    return written, bare


def written_alike(path: PurePath) -> str:
    """A path as Linux writes it: names of files differ between systems in slashes and in how they compose letters."""
    return unicodedata.normalize("NFC", path.as_posix().replace("\\", "/"))


def find_rows(names: list[str], sidecar: Sidecar) -> dict[int, Row]:
    """The rows that name a drawing by one of its names, in their order; by a name of another suffix if there are none.

    A drawing with several captions often has a row for each.
    """
    for rows in sidecar:
        found = {place: row for name in names for place, row in rows.get(written_alike(PurePath(name)), {}).items()}
        if found:
            return {place: found[place] for place in sorted(found)}
    return {}


def read_named_rows(table: Path, faults: list[str]) -> list[Row]:
    """The rows of a table with the paths that they name; none of a data file that names no files at all."""
    entries = list(read_readable(table, faults))
    broken = [entry.fault for _, entry in entries if isinstance(entry, BrokenEntry)]
    named = [Row(f"{table.name}, {place}", PurePath(name), row) for place, row in entries if (name := named_file(row))]
    if named and len(named) + len(broken) < len(entries):
        raise InputError(f"{table}: a row names no file; give it one of the fields {', '.join(FILE_NAMES)}")
    if named or READERS[data_suffix(table)] is not read_json:
        faults += [f"{table}, {fault}" for fault in broken]
    if not named:
        log("read_folder", f"{table} is no table of captions: no row has one of the fields {', '.join(FILE_NAMES)}")
    return named


def read_readable(table: Path, faults: list[str]) -> Iterator[Placed]:
    """The entries of a data file beside drawings as far as it can be read; `faults` gets why reading stopped."""
    try:
        yield from read_placed(table)
    except InputError as fault:
        # Folders often hold unrelated JSON files; a table of another format is there for its captions.
        if READERS[data_suffix(table)] is not read_json:
            raise
        faults.append(str(fault))


def named_file(row: Any) -> str:
    """The file that a row of a table names, or an empty text."""
    names = [row.get(key) for key in FILE_NAMES] if isinstance(row, dict) else []
    return next((str(name) for name in names if name not in (None, "")), "")


def read_drawings(folder: Path, drawings: list[Path], rows: list[Row]) -> Iterator[DrawingFile | OtherRow]:
    """An entry for each drawing, then for each row that describes none.

    The id of a drawing is the path below the folder, without suffix where that stays unique.
    """
    sidecar = index_rows(rows)
    names = [path.relative_to(folder) for path in drawings]
    stems = Counter(name.with_suffix("") for name in names)
    bare_stems = Counter(name.stem for name in names)
    unique = len(stems) == len(names)
    used: set[int] = set()
    for path, name in zip(drawings, names, strict=True):
        data = path.read_bytes()
        stem = name.with_suffix("")
        # A row may leave out suffix and folder, as long as only one drawing can be meant.
        keys = [name.as_posix()]
        keys += [stem.as_posix()] if stems[stem] == 1 else []
        keys += [name.name, name.stem] if bare_stems[name.stem] == 1 else []
        found = find_rows(keys, sidecar)
        used |= found.keys()
        own = [row.fields for row in found.values()]
        fields = {key: value for row in own[:1] for key, value in row.items() if key not in FILE_NAMES}
        fields |= {"id": (stem if unique else name).as_posix(), "svg": data}
        yield DrawingFile(fields, own, *captions_without_table(path, data))
    for place, row in enumerate(rows):
        if place not in used:
            yield OtherRow(row.fields, f"{row.where}: {row.path} is no drawing of the folder, or one of several")


def captions_without_table(path: Path, data: bytes) -> tuple[list[str], list[str], str]:
    """The captions of the text file beside a drawing, else those inside the drawing; flags; why they are unreadable."""
    beside = path.with_suffix(".txt")
    try:
        text, repairs = decode_text(beside.read_bytes()) if beside.is_file() else ("", [])
    except Undecodable as reason:
        return [], [], f"{beside.name}: {reason}"
    if text.strip():
        # A line ends at a newline only: a caption may hold U+2028 and its like.
        flags = ["caption:encoding"] if "repaired:encoding" in repairs else []
        return re.split(r"\r\n|\r|\n", text), flags, ""
    embedded = embedded_captions(data)
    return embedded, (["caption_from_drawing"] if embedded else []), ""


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
