"""Statistics over scores: intervals, tests of differences, slices, and the printed table."""
