//! Bring your own: one file, proposed, applied, checked, catalogued, shared by API and in the ledger.

use std::fs;

use crate::{program::json, serving::Serving};

const FILE: &str = "\
姓名,公民身份号码,出生日期,月收入,是否在册
张三,11010519491231002X,1949-12-31,3000.50,是
李四,440524188001010014,1880-01-01,12,否
王五,110105194912310046,1949/12/31,0,是
";

#[tokio::test(flavor = "multi_thread")]
async fn one_csv_is_shared_and_proven_with_the_commands_of_the_readme() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let file = folder.path().join("people.csv");
    fs::write(&file, FILE).expect("written");
    let pack = folder.path().join("people-pack");
    let (file_word, pack_word) = (file.display().to_string(), pack.display().to_string());

    json(&data, &["pack", "init", &file_word, "--out", &pack_word]);
    json(&data, &["pack", "apply", &pack_word]);
    fs::copy(&file, data.join("inbox").join("people.csv")).expect("copied");
    let collected = json(&data, &["collect"]);
    assert_eq!((&collected["rows_in"], &collected["accepted"]), (&3.into(), &3.into()), "{collected}");
    json(&data, &["check"]);
    json(&data, &["account", "cast"]);
    let published = json(&data, &["catalogue", "publish"]);
    let code = published["published"][0].as_str().expect("a code").to_owned();
    let shared = json(&data, &["share", "grant", &code, "--department", "partner"]);
    let token = shared["token"].as_str().expect("a token");

    let server = Serving::folder(&data);
    let key = "11010519491231002X";
    let answer = server.call("people", key, token).await;
    assert_eq!(answer.status(), 200);
    let body = answer.text().await.expect("a body");
    assert!(body.contains("张") && !body.contains("11010519491231002X"), "masked by default: {body}");
    assert_eq!(server.call("people", key, "yihe_wrong").await.status(), 401);
    assert!(server.stop(), "the server ends well");

    let report = json(&data, &["ledger", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
}
