//! The same options make the same bytes; other options make others.

use std::path::Path;

use yihe_city::{CityError, RECORDS, generate};

use crate::city::{files, make, options, pack};

/// Every file below a folder: name and bytes.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    files(folder).iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn one_and_two_threads_make_the_same_bytes_and_another_seed_makes_others() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    make(folders[0].path(), 0.000_2, 7, 1);
    make(folders[1].path(), 0.000_2, 7, 2);
    make(folders[2].path(), 0.000_2, 8, 2);
    let [one, two, other] = [0, 1, 2].map(|index: usize| bytes(folders[index].path()));
    let names = |city: &[(String, Vec<u8>)]| city.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&two));
    for ((name, left), (_, right)) in one.iter().zip(&two) {
        assert!(left == right, "{name} differs between one and two threads");
    }
    // A small file's list of faults may be empty under both seeds; what is delivered never is.
    let delivered = one.iter().zip(&other).filter(|(left, _)| left.0.starts_with("inbox"));
    let same = delivered.filter(|(left, right)| left == right).map(|(left, _)| &left.0);
    assert_eq!(same.collect::<Vec<_>>(), Vec::<&String>::new(), "these do not depend on the seed");
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a share within two percent")]
fn the_scale_is_met_within_two_percent() {
    for scale in [0.000_5, 0.002] {
        let folder = tempfile::tempdir().unwrap();
        let report = make(folder.path(), scale, 3, 2);
        let (found, expected) = (report.rows as f64, RECORDS * scale);
        assert!((found / expected - 1.0).abs() < 0.02, "scale {scale}: {found} records, expected {expected}");
    }
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a share within a thousandth")]
fn the_plan_at_scale_1_adds_up_to_the_city() {
    let rows: u64 = yihe_city::expected_rows(&pack(), 1.0, 1).unwrap().values().sum();
    assert!((rows as f64 / RECORDS - 1.0).abs() < 0.001, "{rows}");
}

#[test]
fn options_out_of_bounds_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        |scale, threads| generate(&pack(), &options(folder.path(), scale, 1, threads), &mut |_| {}).unwrap_err();
    assert!(matches!(refused(0.0, 1), CityError::Scale { .. }));
    assert!(matches!(refused(1.5, 1), CityError::Scale { .. }));
    assert!(matches!(refused(f64::NAN, 1), CityError::Scale { .. }));
    assert!(matches!(refused(0.001, 0), CityError::Threads { found: 0 }));
    assert!(matches!(refused(0.001, 9), CityError::Threads { found: 9 }));
    assert_eq!(refused(2.0, 1).to_string(), "found scale 2, expected 0.0001 to 1");
}

#[test]
fn a_dataset_or_column_that_nobody_taught_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut strange = pack();
    strange.datasets[0].columns[0].name = "shoe_size".to_owned();
    let error = generate(&strange, &options(folder.path(), 0.000_2, 1, 1), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("shoe_size"), "{error}");
    strange.datasets[0].id = "shoes".to_owned();
    let error = generate(&strange, &options(folder.path(), 0.000_2, 1, 1), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("`shoes`"), "{error}");
}
