#!/usr/bin/env bash
# Times the checks of quality.md beside the peers, in turn, on one generated table.
#
#   PEERS=<folder of gen_dq.py and the peers' scripts> PYTHON=<python with duckdb polars pyarrow numpy> \
#   CHECK=<bench_check> bench/quality.sh FOLDER [ROWS] [ROUNDS]
#
# CHECK is built by `cargo build --release -p yihe-quality --example bench_check`. Run it on an idle machine; the
# figures to quote are the medians of CPU seconds.
set -euo pipefail
folder=${1:?folder for the generated table}
rows=${2:-10000000}
rounds=${3:-3}
here=$(dirname "$(readlink -f "$0")")
[ -e "$folder/truth.json" ] || "${PYTHON:?}" "${PEERS:?}/gen_dq.py" "$folder" "$rows"
for round in $(seq "$rounds"); do
  echo "── round $round"
  echo "ours, 12 checks, one thread:  $("${CHECK:?}" "$folder" "$here/quality-12.yaml" 1)"
  echo "ours, 36 checks, one thread:  $("$CHECK" "$folder" "$here/quality-36.yaml" 1)"
  echo "ours, 12 checks, two threads: $("$CHECK" "$folder" "$here/quality-12.yaml" 2)"
  echo "ours, 12 checks, every fault with its value: $("$CHECK" "$folder" "$here/quality-12.yaml" 1 "$folder/faults.parquet")"
  "$PYTHON" "$PEERS/bench_dq_duckdb.py" "$folder" 1
  POLARS_MAX_THREADS=1 "$PYTHON" "$PEERS/bench_dq_polars.py" "$folder"
  "$PYTHON" "$PEERS/bench_decode_pyarrow.py" "$folder"
done
