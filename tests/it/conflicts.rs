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
}
