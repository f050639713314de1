#!/usr/bin/env python3
"""Accuracy and time of `yihe link` on tables with a known truth.

usage: linkage.py YIHE TRUTH A.parquet [B.parquet] [--one-to-one] [--ablate]

TRUTH is the column that tells which records are the same, or `febrl` for `rec-<n>-…` in rec_id; it is taken out before
anything is proposed. --ablate leaves out each level, the rarity of values and the class of relatives in turn.
Needs polars and PyYAML. Splink on febrl3 and febrl4: the peers' script, in the same run.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
from collections import Counter

import polars as pl
import yaml


def pairs_of(counter):
    return sum(n * (n - 1) // 2 for n in counter.values())


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    yihe, truth, files = arguments[0], arguments[1], arguments[2:]
    folder = pathlib.Path(tempfile.mkdtemp())
    known, inputs = [], []
    for at, name in enumerate(files):
        table = pl.read_parquet(name)
        if truth == "febrl":
            known.append(["-".join(i.split("-")[:2]) for i in table["rec_id"]])
        else:
            known.append([str(i) for i in table[truth]])
            table = table.drop(truth)
        inputs.append(str(folder / f"{at}.parquet"))
        table.write_parquet(inputs[-1])
    link = len(files) == 2
    if link:
        second = Counter(known[1])
        total = sum(n * second[k] for k, n in Counter(known[0]).items())
    else:
        total = pairs_of(Counter(known[0]))
    model = folder / "model.yaml"

    def call(*words):
        out = subprocess.run([yihe, "--json", "link", *words], check=True, capture_output=True, text=True)
        return json.loads(out.stdout)

    def show(name, p, r):
        print(f"{name:<40} P={p:.4f} R={r:.4f} F1={2 * p * r / max(p + r, 1e-9):.4f}")

    def run(name, path):
        out = folder / "pairs.parquet", folder / "clusters.parquet"
        more = ["--one-to-one"] if "--one-to-one" in sys.argv else []
        said = call("run", "--model", str(path), *inputs, "--pairs", str(out[0]), "--clusters", str(out[1]), *more)
        found = pl.read_parquet(out[0])
        right = sum(known[0][l - 1] == known[-1][r - 1] for l, r in zip(found["left_row"], found["right_row"]))
        show(f"{name}: pairs", right / max(len(found), 1), right / total)
        groups = {}
        group = pl.read_parquet(out[1])
        for cluster, table, row in zip(group["cluster_id"], group["table"], group["row"]):
            at = 0 if not link or table == group["table"][0] else 1
            groups.setdefault(cluster, []).append((at, known[at][row - 1]))
        right = every = 0
        for members in groups.values():
            if link:
                a, b = (Counter(t for at, t in members if at == which) for which in (0, 1))
                right += sum(n * b[k] for k, n in a.items())
                every += a.total() * b.total()
            else:
                right += pairs_of(Counter(t for _, t in members))
                every += len(members) * (len(members) - 1) // 2
        show(f"{name}: groups", right / max(every, 1), right / total)
        return said

    said = call("propose", *inputs, "--out", str(model))
    said = run("proposed", model)
    print(f"{said['rows']} records, {said['compared']} pairs compared, {said['seconds']:.2f} s for read, train, score, group, write")
    if "--ablate" in sys.argv:
        whole = yaml.safe_load(model.read_text())

        def without(name, change):
            other = yaml.safe_load(yaml.safe_dump(whole))
            change(other)
            path = folder / "ablated.yaml"
            path.write_text(yaml.safe_dump(other, allow_unicode=True))
            run(f"without {name}", path)

        def drop(level):
            def change(model):
                for comparison in model["comparisons"]:
                    comparison["levels"] = [l for l in comparison["levels"] if l["when"] != level]
            return change

        levels = {l["when"] for c in whole["comparisons"] for l in c["levels"]} - {"exact", "other"}
        for level in sorted(levels):
            without(level, drop(level))
        without("rarity of values", lambda m: [c.pop("term_frequency", None) for c in m["comparisons"]])
        without("relatives", lambda m: [c.pop("personal", None) for c in m["comparisons"]])


main()
