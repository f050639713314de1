//! A value that lost against the authority's is asked about: one ticket for each dataset and field, as many rows as
//! conflicts, and a second build asks nothing twice.

use std::path::Path;

use serde_json::Value;

use crate::program::json;

/// Tickets on conflicts: dataset, rule, state, rows that stand, times opened.
fn tickets(data: &Path) -> Vec<(String, String, String, i64, i64)> {
    let found = json(data, &["ticket", "list", "--all"]);
    let tickets = found["tickets"].as_array().expect("a list");
    let text = |ticket: &Value, name: &str| ticket[name].as_str().unwrap_or_default().to_owned();
    let mut tickets: Vec<_> = tickets
        .iter()
        .filter(|ticket| text(ticket, "rule").starts_with("conflict:"))
        .map(|ticket| {
            let count = |name: &str| ticket[name].as_i64().expect("a count");
            (text(ticket, "dataset"), text(ticket, "rule"), text(ticket, "state"), count("rows_open"), count("times"))
        })
        .collect();
    tickets.sort();
    tickets
}

#[test]
fn values_that_lost_are_asked_about_at_their_department() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    json(data, &["demo", "--scale", "0.0001", "--seed", "7", "--only-generate"]);
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("packs").join("demo");
    json(data, &["pack", "apply", &packs.display().to_string()]);
    json(data, &["account", "cast"]);
    json(data, &["collect"]);
    json(data, &["check"]);
    assert_eq!(tickets(data), []);
    let built = json(data, &["registry", "build"]);
    let registries = built["registries"].as_array().expect("a list");
    let conflicts: i64 = registries.iter().map(|registry| registry["conflicts"].as_i64().expect("a count")).sum();
    let asked = tickets(data);
    assert!(conflicts > 0 && asked.len() > 1, "{conflicts} conflicts, {asked:?}");
    assert_eq!(asked.iter().map(|ticket| ticket.3).sum::<i64>(), conflicts, "{asked:?}");
    assert!(asked.iter().all(|ticket| ticket.2 == "open" && ticket.4 == 1), "{asked:?}");
    let found = json(data, &["ticket", "list", "--all"]);
    let one = found["tickets"].as_array().expect("a list").iter().find(|ticket| ticket["rule"] == asked[0].1.as_str());
    let shown = json(data, &["ticket", "show", one.expect("it is there")["id"].as_str().expect("text")]);
    assert!(shown["faults"][0]["kept_from"].is_string(), "the evidence is the rows: {shown}");

    json(data, &["registry", "build"]);
    assert_eq!(tickets(data), asked, "nothing is asked twice");
    // The next check of the datasets leaves these tickets alone: their rules are not the datasets'.
    json(data, &["check"]);
    assert_eq!(tickets(data), asked);
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);

    // Where values are from, which lost and what entities were made of, for whoever asks in SQL.
    let sql = |query: &str| json(data, &["sql", query])["rows"].clone();
    let lost = sql("SELECT count(*) AS n FROM yihe.conflicts");
    assert_eq!(lost[0]["n"].as_i64(), Some(conflicts), "{lost}");
    let taken = sql("SELECT count(*) AS n FROM yihe.golden WHERE registry = 'population' AND taken_from IS NOT NULL");
    assert!(taken[0]["n"].as_i64() > Some(100), "{taken}");
    // When: each value with the row it was taken from, the day that row changed, and the day its batch arrived.
    let when = sql(
        "SELECT count(*) AS taken, count(batch) AS placed, count(arrived_at) AS arrived, count(changed_on) AS dated \
         FROM yihe.golden WHERE taken_from IS NOT NULL",
    );
    assert!(when[0]["taken"].as_i64() > Some(1_000), "{when}");
    assert_eq!((&when[0]["placed"], &when[0]["arrived"]), (&when[0]["taken"], &when[0]["taken"]), "{when}");
    assert!(when[0]["dated"].as_i64() > Some(100), "{when}");
    let one = sql(
        "SELECT * FROM yihe.golden WHERE registry = 'population' AND field = 'nation' AND changed_on IS NOT NULL ORDER BY entity LIMIT 1",
    );
    let shown = json(data, &["registry", "show", "population", one[0]["entity"].as_str().expect("a name")]);
    let field =
        shown["fields"].as_array().expect("fields").iter().find(|field| field["field"] == "nation").expect("it");
    for (column, member) in [
        ("taken_from", "from"),
        ("batch", "batch"),
        ("row_number", "row"),
        ("changed_on", "changed_on"),
        ("value", "value"),
    ] {
        assert_eq!(one[0][column], field[member], "{column}: {one} {field}");
    }
    assert!(field["arrived_at"].is_string() && one[0]["arrived_at"].is_string(), "{one} {field}");
    let reasons = sql("SELECT why, count(*) AS n FROM yihe.conflicts GROUP BY why ORDER BY why");
    let known = |reason: &Value| {
        ["lower_authority", "not_listed", "too_old"].contains(&reason["why"].as_str().unwrap_or_default())
    };
    assert!(reasons.as_array().expect("rows").iter().all(known), "{reasons}");
    let linked =
        sql("SELECT count(*) AS n, count(DISTINCT dataset) AS datasets FROM yihe.links WHERE joined_by = 'key'");
    let records: i64 = registries.iter().map(|registry| registry["records"].as_i64().expect("a count")).sum();
    assert_eq!(linked[0]["n"].as_i64(), Some(records), "{linked}: {built}");
    assert_eq!(sql("SELECT count(*) AS n FROM yihe.decisions")[0]["n"], 0);

    // Why records without a number may be somebody's stands in SQL too: each pair once from its odds before anything
    // is compared, in names and weights, without a value.
    assert_eq!(sql("SELECT count(*) AS n FROM yihe.pairs")[0]["n"], 0, "no candidates were looked for");
    json(data, &["registry", "candidates", "population"]);
    let pairs = sql(
        "SELECT count(*) AS pairs, sum(CASE WHEN begun = 1 AND steps > 2 THEN 1 ELSE 0 END) AS sound FROM \
         (SELECT dataset, record_batch, record_row, entity, count(*) AS steps, sum(CASE WHEN step = 0 AND field = 'prior' THEN 1 ELSE 0 END) AS begun \
          FROM yihe.pairs WHERE registry = 'population' GROUP BY 1, 2, 3, 4) AS p",
    );
    assert!(pairs[0]["pairs"].as_i64() > Some(0) && pairs[0]["pairs"] == pairs[0]["sound"], "{pairs}");
    let shown = sql("SELECT * FROM yihe.pairs WHERE field = 'name' AND weight > 0 LIMIT 1");
    let columns: Vec<&String> = shown[0].as_object().expect("a row").keys().collect();
    assert!(!columns.iter().any(|column| ["value", "record_key", "entity_key"].contains(&column.as_str())), "{shown}");
    assert!(shown[0]["level"].is_string(), "{shown}");
}
