"""Rows of a small data set, and how the tests read what they wrote of them."""

import csv

from readers.entries import open_entries, read_records

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
PATH_RECORDS = "style=fill:3,84,76;stroke:None\td=M0,0 L9,9 L0,9 \nstyle=fill:null d=M1,1 L2,2"
ROWS = [
    {"id": "a", "svg": SVG, "caption": "a  square"},
    {"id": "b", "svg": PATH_RECORDS, "caption": "café, two\nlines"},
]
EXPECTED = [("a", SVG, ["a square"]), ("b", PATH_RECORDS, ["café, two lines"])]


def read(path, **fields):
    return list(read_records(open_entries(path), fields, str(path)))


def facts(records):
    return [(record.id, record.drawing, record.captions) for record in records]


def write_csv(path, rows, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
