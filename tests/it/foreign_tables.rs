//! Tables in real PostgreSQL and MariaDB servers come to the same rows as the files that stand for them.

use crate::program::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_city_with_database_servers_is_the_same_city() {
    let postgres = yihe_test_support::Postgres::shared().await.database().await;
    let mariadb = yihe_test_support::Mariadb::shared().await.database().await;
    let (with_files, with_tables) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let scale = "0.0001";
    let words = ["demo", "--no-serve", "--scale", scale, "--seed", "11"];
    let files = json(with_files.path(), &words);
    let tables = json(with_tables.path(), &[&words[..], &["--postgres", &postgres, "--mariadb", &mariadb]].concat());
    for (one, other) in files["steps"].as_array().expect("steps").iter().zip(tables["steps"].as_array().expect("steps"))
    {
        let name = one["name"].as_str().expect("a name");
        if ["collect", "check", "registry build"].contains(&name) {
            for figure in ["rows_in", "accepted", "quarantined"] {
                assert_eq!(one[figure], other[figure], "{name}: {figure}");
            }
        }
    }
}
