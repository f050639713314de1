#!/usr/bin/env python3
"""Compares every failing row with DuckDB's answer. usage: quality_differential.py FOLDER CHECK

FOLDER holds the generated table (people.parquet with its 0-based `rid`, divisions.parquet); CHECK is the built
example `bench_check`. The rules are those of quality-36.yaml that have an answer in plain SQL."""
import os
import subprocess
import sys

import duckdb

folder, check = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
faults = os.path.join(folder, "faults.parquet")
subprocess.run([check, folder, os.path.join(here, "quality-36.yaml"), "2", faults], check=True, stdout=subprocess.DEVNULL)

table = duckdb.connect()
table.execute(f"create view people as select * from read_parquet('{folder}/people.parquet')")
table.execute(f"create view divisions as select * from read_parquet('{folder}/divisions.parquet')")
weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
total = " + ".join(f"(ascii(id_no[{at + 1}]) - 48) * {weight}" for at, weight in enumerate(weights))
adds_up = rf"(regexp_full_match(id_no, '\d{{17}}[\dX]') and '10X98765432'[1 + ({total}) % 11] = id_no[18])"
SQL = {
    "id_null": "id_no is null",
    "name_null": "name is null",
    "birth_null": "birth is null",
    "upd_null": "updated_at is null",
    "id_regex": r"not regexp_full_match(id_no, '\d{17}[\dX]')",
    "id_check": f"not {adds_up}",
    "dup": "id_no in (select id_no from people where id_no is not null group by 1 having count(*) > 1)",
    "phone": r"not regexp_full_match(phone, '1[3-9]\d{9}')",
    "phone_mobile": r"not regexp_full_match(phone, '1[3-9]\d{9}')",
    "phone_real": r"not regexp_full_match(phone, '1\d{10}')",
    "status": "status not in ('在用', '注销', '迁出', '死亡', '待核')",
    "amount": "not (amount between 0 and 1000000)",
    "amount_positive": "amount < 0.01",
    "amount_large": "amount > 500000 and status = '在用'",
    "stale": "updated_at < timestamp '2024-11-22'",
    "updated_range": "updated_at >= timestamp '2026-11-23'",
    "div": "div_code is not null and div_code not in (select code from divisions)",
    "div_pattern": r"not regexp_full_match(div_code, '\d{6}')",
    "div_length": "length(div_code) <> 6",
    "name_length": "length(name) not between 2 and 4",
    "id_length": "length(id_no) <> 18",
    "status_length": "length(status) <> 2",
    "birth_range": "birth not between date '1900-01-01' and date '2026-11-22'",
    "born_before_update": "updated_at < birth",
    # Fifteen digits are a number of before 1999, whose year has two of them.
    "id_says_birth": f"({adds_up} and id_no[7:14] <> strftime(birth, '%Y%m%d'))"
    r" or (regexp_full_match(id_no, '\d{15}') and try_strptime('19' || id_no[7:12], '%Y%m%d')::date <> birth)",
}
wrong = 0
for rule, condition in SQL.items():
    theirs = {row for (row,) in table.execute(f"select rid + 1 from people where {condition}").fetchall()}
    ours = {row for (row,) in table.execute(f"select row from read_parquet('{faults}') where rule = '{rule}'").fetchall()}
    wrong += ours != theirs
    print(f"{rule}: {len(ours)} rows, {'equal' if ours == theirs else f'only ours {sorted(ours - theirs)[:5]}, only theirs {sorted(theirs - ours)[:5]}'}")
sys.exit(f"{wrong} rules differ" if wrong else 0)
