#!/usr/bin/env python3
"""Splink with pinyin columns on the tables of linkage_people.py: usage: linkage_splink.py FOLDER

The comparisons that a user of Splink would write for Chinese: name exact, the same pinyin, the same surname; day of
birth; address by Jaro–Winkler; telephone by edits. Needs splink 5, duckdb, polars, pypinyin.
"""
import sys
import time
from collections import Counter

import duckdb
import polars as pl
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from pypinyin import lazy_pinyin
from splink import DuckDBAPI, Linker, SettingsCreator, block_on


def main():
    began = time.time()
    tables = []
    for name in ("register", "delivery"):
        table = pl.read_parquet(f"{sys.argv[1]}/{name}.parquet").with_columns(
            name=pl.col("name").str.replace_all(" ", ""))
        tables.append(table.with_columns(
            pinyin=pl.col("name").map_elements(lambda n: " ".join(lazy_pinyin(n)), return_dtype=pl.String),
            surname=pl.col("name").str.slice(0, 1), year=pl.col("birth").str.slice(0, 4)))
    name = cl.CustomComparison(output_column_name="name", comparison_levels=[
        cll.NullLevel("name"), cll.ExactMatchLevel("name", term_frequency_adjustments=True),
        cll.ExactMatchLevel("pinyin"), cll.ExactMatchLevel("surname"), cll.ElseLevel()])
    settings = SettingsCreator(
        unique_id_column_name="rec_id", link_type="link_only",
        blocking_rules_to_generate_predictions=[
            block_on("name"), block_on("pinyin"), block_on("birth"), block_on("phone"), block_on("address"),
            block_on("surname", "year")],
        comparisons=[
            name, cl.ExactMatch("sex"),
            cl.DateOfBirthComparison("birth", input_is_string=True, datetime_format="%Y-%m-%d", invalid_dates_as_null=True),
            cl.JaroWinklerAtThresholds("address", [0.95, 0.88, 0.8]).configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("phone", [1, 2])])
    api = DuckDBAPI(connection=duckdb.connect(config={"threads": 1}))
    linker = Linker([api.register(table.to_arrow()) for table in tables], settings)
    linker.training.estimate_probability_two_random_records_match([block_on("name", "birth"), block_on("phone")], recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for rule in ("birth", "phone"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(rule))
    truth = [dict(zip(table["rec_id"], table["ground_truth"])) for table in tables]
    second = Counter(truth[1].values())
    total = sum(second[person] for person in truth[0].values())
    rows = [(r["match_probability"], r["rec_id_l"], r["rec_id_r"]) for r in
            linker.inference.predict(threshold_match_probability=0.001).as_record_list()]
    known = {**truth[0], **truth[1]}
    for threshold in (0.5, 0.9, 0.99):
        found = [known[left] == known[right] for p, left, right in rows if p >= threshold]
        precision, recall = sum(found) / max(len(found), 1), sum(found) / total
        print(f"splink, pinyin, p >= {threshold}: P={precision:.4f} R={recall:.4f} F1={2 * precision * recall / (precision + recall):.4f}")
    used, right, all_ = set(), 0, 0
    for p, left, other in sorted(rows, reverse=True):
        if left not in used and other not in used and p >= 0.5:
            used.update((left, other))
            right += known[left] == known[other]
            all_ += 1
    precision, recall = right / all_, right / total
    print(f"splink, pinyin, greedy one-to-one: P={precision:.4f} R={recall:.4f} F1={2 * precision * recall / (precision + recall):.4f}")
    print(f"{time.time() - began:.1f} s")


main()
