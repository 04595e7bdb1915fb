"""What the pages show: data of the report, findings, tables, styles."""
