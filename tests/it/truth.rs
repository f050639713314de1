//! The main line against the generator's truth, at the default scale: counts, every fault, every golden value.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use arrow::{
    array::{Array, RecordBatch},
    util::display::array_value_to_string,
};
use futures::StreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use yihe_city::{CityOptions, DEFAULT_SCALE, Truth, generate};
use yihe_collect::Outcome;
use yihe_lake::{Lake, Scan, TableName, Zone};
use yihe_registries::shape;

use crate::main_line::{City, pack};

pub fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = BTreeMap<String, Option<String>>> + '_ {
    (0..batch.num_rows()).map(|row| {
        let schema = batch.schema();
        let cells = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            let value = column.is_valid(row).then(|| array_value_to_string(column, row).expect("a value has a text"));
            (field.name().clone(), value)
        });
        cells.collect()
    })
}

pub fn truth_rows(folder: &Path, prefix: &str) -> Vec<BTreeMap<String, Option<String>>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the truth").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')) else { continue };
        if !rest.trim_end_matches(".parquet").bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let file = File::open(&path).expect("a truth file");
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet").build().expect("a reader") {
            rows.extend(rows_of(&batch.expect("a batch")));
        }
    }
    rows
}

pub async fn table_rows(lake: &Lake, table: &TableName) -> Vec<BTreeMap<String, Option<String>>> {
    let mut stream = lake.scan(table, Scan::default()).await.expect("a table");
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        rows.extend(rows_of(&batch.expect("a batch")));
    }
    rows
}

pub fn text(row: &BTreeMap<String, Option<String>>, column: &str) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_faults_and_golden_values_equal_the_generators_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let pack = pack();
    let options = CityOptions {
        scale: DEFAULT_SCALE,
        seed: 3713,
        out: data.to_path_buf(),
        postgres: None,
        mariadb: None,
        threads: 2,
    };
    let made = generate(&pack, &options, &mut |_| {}).expect("a city");
    let truth: Truth = made.truth;
    let city = City::open(data, pack.clone()).await;

    // Collected: rows in = accepted + quarantined, file by file, and what is sent again changes nothing.
    let mut batches = BTreeMap::new();
    let mut sums: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    let mut known = 0;
    for one in city.collect().await {
        match one.outcome {
            Outcome::Landed { batch, counts, withheld } => {
                assert_eq!(counts.rows_in, counts.accepted + counts.quarantined, "{}", one.name);
                let expected = &truth.datasets[&one.dataset];
                assert_eq!(withheld, expected.withheld, "{}", one.dataset);
                batches.insert(batch, one.name);
                let sum = sums.entry(one.dataset).or_default();
                *sum = (sum.0 + counts.rows_in, sum.1 + counts.accepted, sum.2 + counts.quarantined);
            }
            Outcome::Known { .. } => known += 1,
            Outcome::Refused(error) => panic!("{} was refused: {error}", one.name),
        }
    }
    assert_eq!(known, truth.datasets.values().filter(|dataset| dataset.resent.is_some()).count(), "files sent again");
    for (dataset, expected) in &truth.datasets {
        let sum = sums.get(dataset).copied().unwrap_or_default();
        assert_eq!(
            sum,
            (expected.rows, expected.accepted_rows(), expected.quarantined_rows()),
            "{dataset}: in, accepted, quarantined"
        );
    }

    // Checked: every rule's count, and every failing row.
    let reports = city.check().await;
    let mut wrong = Vec::new();
    for report in &reports {
        let expected = &truth.datasets[&report.dataset];
        let found: BTreeMap<String, u64> =
            report.metrics.iter().map(|metric| (metric.id.clone(), metric.failed)).collect();
        if found != expected.rules {
            wrong.push(format!("{}: found {found:?}, expected {:?}", report.dataset, expected.rules));
        }
        if report.held != expected.held {
            wrong.push(format!("{}: held {}, expected {}", report.dataset, report.held, expected.held));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for dataset in &pack.datasets {
        let faults = TableName::new(Zone::Faults, dataset.id.as_str()).expect("a name");
        let found: BTreeSet<(String, String, String)> = table_rows(&city.lake, &faults)
            .await
            .iter()
            .map(|row| (batches[&text(row, "_batch")].clone(), text(row, "rule"), text(row, "_row")))
            .collect();
        let expected: BTreeSet<(String, String, String)> = truth_rows(&data.join("truth").join("rows"), &dataset.id)
            .iter()
            .filter(|row| text(row, "kind") == "rule")
            .map(|row| {
                let file = text(row, "file");
                (file.rsplit('/').next().unwrap_or_default().to_owned(), text(row, "what"), text(row, "row"))
            })
            .collect();
        assert_eq!(found, expected, "{}: failing rows", dataset.id);
    }

    // Built: every golden value and where it came from.
    let built = city.build().await;
    for report in &built {
        let expected = &truth.registries[&report.registry];
        assert_eq!(report.entities, expected.entities, "{}: entities", report.registry);
        assert_eq!(report.conflicts, expected.conflict_values(), "{}: conflicts", report.registry);
        assert_eq!(report.unlinked, expected.unusable_keys.values().sum::<u64>(), "{}: unlinked", report.registry);
        let registry = pack.registry(&report.registry).expect("in the pack");
        let golden = table_rows(&city.lake, &shape::golden_table(registry).expect("a name")).await;
        let golden: BTreeMap<String, _> = golden.into_iter().map(|row| (text(&row, &registry.key), row)).collect();
        let expected = truth_rows(&data.join("truth").join("registries"), &registry.id);
        assert_eq!(golden.len(), expected.len(), "{}: records", registry.id);
        for row in expected {
            let key = text(&row, &registry.key);
            let found = golden.get(&key).unwrap_or_else(|| panic!("{}: no record {key}", registry.id));
            for field in &registry.fields {
                for column in [field.name.clone(), shape::from_column(&field.name)] {
                    assert_eq!(text(found, &column), text(&row, &column), "{}: {key}.{column}", registry.id);
                }
            }
            assert_eq!(text(found, shape::CONFLICTS), text(&row, "_conflicts"), "{}: {key} conflicts", registry.id);
        }
    }

    // The same again: nothing new to collect, check or build.
    assert!(city.collect().await.iter().all(|one| matches!(one.outcome, Outcome::Known { .. })));
    assert!(city.check().await.iter().all(|report| report.batches == 0));
    assert!(city.build().await.iter().all(|report| report.unchanged));
}
