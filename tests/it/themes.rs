//! The twelve themes over the demonstration city: what they say of people, bodies, units and certificates equals what
//! follows by hand from the generator's truth; built once, built again only for a reason, and their changes listed.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use futures::StreamExt;
use yihe_city::{CityOptions, generate};
use yihe_definitions::ThemeForm;
use yihe_registries::{RegistryError, theme};

use crate::{
    main_line::{City, pack},
    truth::{table_rows, text, truth_rows},
};

type Row = BTreeMap<String, Option<String>>;

fn by<'r>(rows: &'r [Row], key: &str) -> BTreeMap<String, &'r Row> {
    rows.iter().map(|row| (text(row, key), row)).collect()
}

/// Hundredths of a decimal as it is written.
fn hundredths(text: &str) -> i64 {
    if text.is_empty() {
        return 0;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<2}").parse().expect("a decimal with two places")
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one city is made and built once, and every theme is judged by it")]
async fn themes_say_what_follows_from_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let pack = pack();
    let options =
        CityOptions { scale: 0.001, seed: 12, out: data.to_path_buf(), postgres: None, mariadb: None, threads: 2 };
    generate(&pack, &options, &mut |_| {}).expect("a city");
    let city = City::open(data, pack.clone()).await;
    let builder = city.builder();

    // Nothing is there yet: the error names what is missing.
    let credit = pack.theme("credit").expect("in the pack");
    let missing = builder.theme(credit).await.expect_err("no source yet");
    assert!(matches!(missing, RegistryError::NoSource { .. }), "{missing}");

    city.collect().await;
    city.check().await;
    city.build().await;
    assert_eq!(theme::check(&pack).await, Vec::new(), "the engine understands every theme");
    assert_eq!(pack.themes.len(), 12);
    let mut rows: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for one in pack.themes.iter().filter(|one| one.form == ThemeForm::Table) {
        let report = builder.theme(one).await.unwrap_or_else(|error| panic!("{}: {error}", one.id));
        assert!(!report.unchanged && report.rows > 0, "{report:?}");
        let found = table_rows(&city.lake, &theme::theme_table(one).expect("a name")).await;
        assert_eq!(found.len() as u64, report.rows, "{}", one.id);
        for (column, filled) in &report.filled {
            let values = found.iter().filter(|row| row[column].is_some()).count() as u64;
            assert_eq!(values, *filled, "{}.{column}", one.id);
        }
        rows.insert(&one.id, found);
    }

    let truth = |registry: &str| truth_rows(&data.join("truth").join("registries"), registry);
    let (people, bodies) = (truth("population"), truth("legal_entities"));
    let (units, decisions, certificates) = (truth("natural_resources"), truth("public_credit"), truth("certificates"));
    let (person, body) = (by(&people, "citizen_id"), by(&bodies, "credit_code"));

    // People: standing and separation of register and residence.
    let found = by(&rows["household_residence"], "citizen_id");
    assert_eq!(found.len(), people.len());
    let (mut deceased, mut away) = (0, 0);
    for (id, expected) in &person {
        let row = found[id];
        let standing = match (text(expected, "died_on").is_empty(), text(expected, "emigrated_on").is_empty()) {
            (false, _) => "deceased",
            (true, false) => "emigrated",
            (true, true) => "living",
        };
        assert_eq!(text(row, "standing"), standing, "{id}");
        let (registered, lives) = (text(expected, "household_division"), text(expected, "residence_division"));
        let apart =
            if registered.is_empty() || lives.is_empty() { String::new() } else { (registered != lives).to_string() };
        assert_eq!(text(row, "lives_away"), apart, "{id}");
        deceased += usize::from(standing == "deceased");
        away += usize::from(apart == "true");
    }
    assert!(deceased > 100 && away > 100, "{deceased} deceased, {away} away");

    // Units: what they are and whether the holder still lives.
    let found = by(&rows["real_estate"], "unit_no");
    assert_eq!(found.len(), units.len());
    let mut heirs = 0;
    for (unit, expected) in by(&units, "unit_no") {
        let row = found[&unit];
        let usage = [text(expected, "usage_type"), text(expected, "land_use")];
        assert_eq!(text(row, "usage"), usage.into_iter().find(|usage| !usage.is_empty()).unwrap_or_default(), "{unit}");
        let holder = person.get(&text(expected, "holder_code"));
        let is_dead = holder.is_some_and(|holder| !text(holder, "died_on").is_empty());
        assert_eq!(text(row, "holder_deceased"), is_dead.to_string(), "{unit}");
        heirs += usize::from(is_dead);
    }
    assert!(heirs > 0, "some holders have died");

    // Decisions, counted by party.
    let mut parties: BTreeMap<String, (u64, u64, u64, i64)> = BTreeMap::new();
    for row in &decisions {
        let party = text(row, "credit_record_no").split('|').next().unwrap_or_default().to_owned();
        let sum = parties.entry(party).or_default();
        let given = |column: &str| u64::from(!text(row, column).is_empty());
        sum.0 += given("licence_type");
        sum.1 += given("penalty_type");
        sum.2 += u64::from(given("penalty_type") == 1 && given("repaired_on") == 0);
        sum.3 += hundredths(&text(row, "amount"));
    }
    let found = by(&rows["credit"], "credit_code");
    assert_eq!(found.keys().collect::<Vec<_>>(), parties.keys().collect::<Vec<_>>());
    for (party, (licences, penalties, unrepaired, fines)) in &parties {
        let row = found[party];
        let counts = [text(row, "licences"), text(row, "penalties"), text(row, "unrepaired")];
        assert_eq!(counts, [licences.to_string(), penalties.to_string(), unrepaired.to_string()], "{party}");
        assert_eq!(hundredths(&text(row, "fines")), *fines, "{party}");
        if let Some(body) = body.get(party) {
            assert_eq!(text(row, "org_name"), text(body, "org_name"), "{party}");
        }
    }

    // Certificates, counted by holder.
    let mut holders: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in certificates.iter().filter(|row| !text(row, "holder_code").is_empty()) {
        let sum = holders.entry(text(row, "holder_code")).or_default();
        sum.0 += 1;
        sum.1 += u64::from(text(row, "cert_status") == "01");
    }
    let found = by(&rows["government_services"], "holder_code");
    assert_eq!(found.len(), holders.len());
    for (holder, (all, valid)) in &holders {
        let counts = (text(found[holder], "certificates"), text(found[holder], "valid"));
        assert_eq!(counts, (all.to_string(), valid.to_string()), "{holder}");
    }

    // A view has no table and is worked out when it is read.
    let transport = pack.theme("transport").expect("in the pack");
    assert_eq!(transport.form, ThemeForm::View);
    assert!(!city.lake.exists(&theme::theme_table(transport).expect("a name")));
    let shown: usize =
        builder.theme_rows(transport, &pack.registries, 3).await.expect("rows").iter().map(RecordBatch::num_rows).sum();
    assert_eq!(shown, 3);

    // Protected people are in the table, for the sums' sake, and among no rows that are shown.
    let residence = pack.theme("household_residence").expect("in the pack");
    let hidden = text(&people[0], "citizen_id");
    let shown = async |wanted: &str| {
        let rows = builder.theme_rows(residence, &pack.registries, people.len()).await.expect("rows");
        let rows: Vec<Row> = rows.iter().flat_map(crate::truth::rows_of).collect();
        (rows.len(), rows.iter().any(|row| text(row, "citizen_id") == wanted))
    };
    assert_eq!(shown(&hidden).await, (people.len(), true));
    let population = pack.registry("population").expect("in the pack");
    builder.protect(population, &hidden, "证人保护", None, &yihe_store::Actor::system()).await.expect("noted");
    builder.build(population).await.expect("built");
    assert_eq!(shown(&hidden).await, (people.len() - 1, false));
    builder.theme(residence).await.expect("built");

    // The same again: nothing is done. Another source: built again, and the changes are what differs.
    let table = theme::theme_table(residence).expect("a name");
    let before = builder.theme(residence).await.expect("built");
    assert!(before.unchanged);
    let mut proposed = pack.registry("population").expect("in the pack").clone();
    let field = proposed.fields.iter_mut().find(|field| field.name == "residence_division").expect("a field");
    field.authority.retain(|dataset| dataset != "residence_permits");
    builder.build(&proposed).await.expect("built");
    let after = builder.theme(residence).await.expect("built");
    assert!(!after.unchanged && after.version > before.version);
    let now = table_rows(&city.lake, &table).await;
    let now = by(&now, "citizen_id");
    let old = by(&rows["household_residence"], "citizen_id");
    let expected: BTreeSet<&String> = now.iter().filter(|(id, row)| old[*id] != **row).map(|(id, _)| id).collect();
    assert!(!expected.is_empty(), "the change of authority does something");
    let mut stream = city.lake.changes(&table, before.version, after.version).await.expect("changes");
    let mut changed = BTreeSet::new();
    while let Some(batch) = stream.next().await {
        for row in crate::truth::rows_of(&batch.expect("a batch")) {
            assert_eq!(text(&row, yihe_lake::CHANGE_COLUMN), "update");
            changed.insert(text(&row, "citizen_id"));
        }
    }
    assert_eq!(changed.iter().collect::<BTreeSet<_>>(), expected);

    // What would be wrong is refused and named.
    let refused = |id: &str, alter: fn(&mut yihe_definitions::Theme)| {
        let mut other = pack.theme("real_estate").expect("in the pack").clone();
        id.clone_into(&mut other.id);
        alter(&mut other);
        other
    };
    let twice = builder.theme(&refused("twice", |theme| theme.key = vec!["county".to_owned()])).await;
    assert!(matches!(twice, Err(RegistryError::ThemeKey { .. })), "{twice:?}");
    let short = builder.theme(&refused("short", |theme| drop(theme.columns.pop()))).await;
    assert!(matches!(short, Err(RegistryError::ThemeColumns { .. })), "{short:?}");
    let nameless = |theme: &mut yihe_definitions::Theme| {
        theme.sql = theme.sql.replacen("SELECT u.unit_no,", "SELECT CAST(NULL AS VARCHAR) AS unit_no,", 1);
    };
    let empty = builder.theme(&refused("nameless", nameless)).await;
    assert!(matches!(empty, Err(RegistryError::ThemeValue { .. })), "{empty:?}");
    let unread = builder.theme(&refused("unread", |theme| theme.sql = "SELECT nothing FROM u".to_owned())).await;
    assert!(matches!(unread, Err(RegistryError::Lake { .. })), "{unread:?}");
    let alien = theme::check(&{
        let mut pack = pack.clone();
        pack.themes[0].sql = "SELECT p.nothing FROM p".to_owned();
        pack
    })
    .await;
    assert!(alien.len() == 1 && alien[0].to_string().contains("nothing"), "{alien:?}");
}
