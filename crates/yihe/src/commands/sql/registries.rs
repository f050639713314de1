//! `yihe.golden`, `yihe.conflicts`, `yihe.links`, `yihe.decisions` and `yihe.pairs`: where golden values are from, which
//! lost and why, what entities were made of, who decided, and the weights of every doubtful pair. Entities go by their name; what is sensitive, or of a protected person, is
//! hidden.

use std::sync::Arc;

use anyhow::Result;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use yihe_definitions::{Field, Pack, Registry, Sensitivity};
use yihe_lake::{Offered, OfferedRows, QueryTable, TableName, Zone};
use yihe_registries::{RegistryError, duplicates::ENTITY_SIDE, identity::is_entity_id, review, shape, why};
use yihe_store::{DecisionFilter, DecisionRow, PAGE_ROWS_MAX};

use super::{Columns, ROWS_MAX, given};
use crate::app::App;

/// The names of the tables in the schema `yihe`.
pub(super) const NAMES: [&str; 5] = ["golden", "conflicts", "links", "decisions", PAIRS];
/// The name of the table of pairs, which is made for a question that speaks of it alone.
const PAIRS: &str = "pairs";

/// What takes the place of a hidden value.
const HIDDEN: &str = "'***'";

/// The tables that a question may speak of.
pub(super) async fn offered(app: &App, pack: &Pack, question: &str) -> Result<Vec<Offered>> {
    let mut built = Vec::new();
    for registry in &pack.registries {
        if app.lake.exists(&shape::sources_table(registry)?) && app.lake.exists(&shape::golden_table(registry)?) {
            built.push(registry);
        }
    }
    let mut golden = Query::default();
    let mut when: Vec<String> = Vec::new();
    let mut conflicts = Query::default();
    let mut links = Query::default();
    for registry in built {
        let id = &registry.id;
        let key = &registry.key;
        let alias = golden.table("g", shape::golden_table(registry)?);
        if asks_when(question) {
            places(app, registry, &mut golden, &mut when).await?;
        }
        let source_key = if asks_when(question) { format!(", \"{key}\" AS source_key") } else { String::new() };
        for field in &registry.fields {
            let name = &field.name;
            let value = if field.sensitivity == Sensitivity::Plain {
                format!("CASE WHEN \"_protected\" IS TRUE THEN {HIDDEN} ELSE CAST(\"{name}\" AS VARCHAR) END")
            } else {
                format!("CASE WHEN \"{name}\" IS NULL THEN NULL ELSE {HIDDEN} END")
            };
            golden.selects.push(format!(
                "SELECT '{id}' AS registry, \"_entity\" AS entity, '{name}' AS field, {value} AS value, \
                 \"{}\" AS taken_from, \"_standing\" AS standing{source_key} FROM {alias}",
                shape::from_column(name),
            ));
        }
        let one = conflicts.table("g", shape::golden_table(registry)?);
        let other = conflicts.table("c", shape::conflicts_table(registry)?);
        let shown = |column: &str| shown(registry, &one, &other, column);
        conflicts.selects.push(format!(
            "SELECT '{id}' AS registry, {one}.\"_entity\" AS entity, {other}.field AS field, {} AS kept, \
             {other}.kept_from AS kept_from, {} AS lost, {other}.lost_from AS lost_from, \
             {other}.lost_batch AS lost_batch, {other}.lost_row AS lost_row, {} AS why \
             FROM {other} JOIN {one} ON {one}.\"{key}\" = {other}.entity",
            shown("kept"),
            shown("lost"),
            why(registry, &other),
        ));
        let one = links.table("g", shape::golden_table(registry)?);
        let other = links.table("s", shape::sources_table(registry)?);
        links.selects.push(format!(
            "SELECT '{id}' AS registry, {one}.\"_entity\" AS entity, split_part(line, chr(9), 1) AS dataset, \
             CASE WHEN split_part(line, chr(9), 3) = '' THEN 'key' ELSE split_part(line, chr(9), 3) END AS joined_by \
             FROM (SELECT key AS source_key, unnest(lines(records)) AS line FROM {other}) AS lines \
             JOIN {one} ON {one}.\"{key}\" = lines.source_key WHERE line <> ''",
        ));
    }
    let rows = decisions(app, pack).await?;
    let versions: Vec<Option<String>> =
        rows.iter().map(|row| row.model_version.map(|version| version.to_string())).collect();
    let table = Columns::default()
        .text("id", rows.iter().map(|row| Some(row.id.as_str())))
        .text("registry", rows.iter().map(|row| Some(row.registry.as_str())))
        .text("kind", rows.iter().map(|row| Some(row.kind.as_str())))
        .text("dataset", rows.iter().map(|row| Some(row.dataset.as_str()).filter(|dataset| !dataset.is_empty())))
        .text("reason", rows.iter().map(|row| Some(row.reason.as_str())))
        .text("decided_by", rows.iter().map(|row| Some(row.decided_by.as_str())))
        .instant("decided_at", rows.iter().map(|row| Some(row.decided_at)))
        .text("model", rows.iter().map(|row| Some(row.model.as_str()).filter(|model| !model.is_empty())))
        .whole("probability_ppm", rows.iter().map(|row| row.probability_ppm.unwrap_or(0)))
        .text("evidence", rows.iter().map(|row| row.evidence.as_deref()))
        .text("model_version", versions.iter().map(Option::as_deref))
        .instant("revoked_at", rows.iter().map(|row| row.revoked_at))
        .text("revoked_by", rows.iter().map(|row| row.revoked_by.as_deref()));
    let mut offered = vec![
        golden_offered(app, golden, &when, asks_when(question)).await?,
        conflicts
            .offered("conflicts", &["registry", "entity", "field", "kept", "kept_from", "lost", "lost_from", "why"]),
        links.offered("links", &["registry", "entity", "dataset", "joined_by"]),
        Offered { name: "decisions".to_owned(), rows: given(table) },
    ];
    if question.contains(PAIRS) {
        offered.push(Offered { name: PAIRS.to_owned(), rows: given(pairs(app, pack).await?) });
    }
    Ok(offered)
}

/// Whether a question on golden values asks when they came: then the records are joined that they were taken from.
fn asks_when(question: &str) -> bool {
    let question = question.to_lowercase();
    ["changed_on", "batch", "row_number", "arrived_at"].iter().any(|column| question.contains(column))
        || question.replace("(*)", "").contains('*')
}

/// Adds to `when` the place of each record that speaks for an entity: of each member the first in the entity's sources.
async fn places(app: &App, registry: &Registry, golden: &mut Query, when: &mut Vec<String>) -> Result<()> {
    let sources = golden.table("s", shape::sources_table(registry)?);
    let versions = why::built_from(&app.lake, registry).await?;
    for (member, version) in registry.members.iter().zip(versions) {
        let table = TableName::new(Zone::Checked, member.dataset.as_str())?;
        if version.is_none() || !app.lake.exists(&table) {
            continue;
        }
        let spelled = spelled(app.lake.layout(&table).await?.key());
        let dataset = &member.dataset;
        let changed_on = match &member.changed_on {
            Some(column) => format!("CAST(\"{column}\" AS VARCHAR)"),
            None => "CAST(NULL AS VARCHAR)".to_owned(),
        };
        let alias = golden.table_at("m", table, version);
        // A line ends with its dataset where the business key is the entity's; a tab at every end makes all lines alike.
        let first = format!(
            "first_after(replace(sources.records, chr(10), concat(chr(9), chr(10))), concat('{dataset}', chr(9)))"
        );
        let own = as_list(&["sources.key".to_owned()]);
        when.push(format!(
            "SELECT '{}' AS of_registry, sources.key AS of_key, '{dataset}' AS of_dataset, records.changed_on AS \
             changed_on, records.batch AS batch, records.row_number AS row_number FROM {sources} AS sources JOIN \
             (SELECT {spelled} AS record_key, {changed_on} AS changed_on, \"_batch\" AS batch, \"_row\" AS row_number \
             FROM {alias}) AS records \
             ON records.record_key = CASE WHEN {first} = '' THEN {own} ELSE {first} END",
            registry.id,
        ));
    }
    Ok(())
}

/// A record's business key as the sources spell it: a JSON list of texts, or batch and row where there is none.
fn spelled(key: &[String]) -> String {
    if key.is_empty() {
        return "concat('#', \"_batch\", ':', CAST(\"_row\" AS VARCHAR))".to_owned();
    }
    as_list(&key.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>())
}

/// The values of these columns as a JSON list of texts.
fn as_list(columns: &[String]) -> String {
    let escapes =
        [("'\\'", "'\\\\'"), ("'\"'", "'\\\"'"), ("chr(9)", "'\\t'"), ("chr(10)", "'\\n'"), ("chr(13)", "'\\r'")];
    let parts = columns.iter().map(|column| {
        let text = format!("CAST({column} AS VARCHAR)");
        escapes.iter().fold(text, |text, (found, escaped)| format!("replace({text}, {found}, {escaped})"))
    });
    format!("concat('[\"', {}, '\"]')", parts.collect::<Vec<_>>().join(", '\",\"', "))
}

/// The golden values, with the record each was taken from where the question asks for it: batch, row, the day of the
/// record's change as its dataset tells it, and when the batch arrived.
async fn golden_offered(app: &App, query: Query, when: &[String], asked: bool) -> Result<Offered> {
    const COLUMNS: [&str; 10] = [
        "registry",
        "entity",
        "field",
        "value",
        "taken_from",
        "changed_on",
        "batch",
        "row_number",
        "arrived_at",
        "standing",
    ];
    if query.selects.is_empty() || when.is_empty() || !asked {
        return Ok(query.offered("golden", &COLUMNS));
    }
    let (mut ids, mut arrivals) = (Vec::new(), Vec::new());
    loop {
        let page = app.store.batch_arrivals(ids.last().map_or("", String::as_str), PAGE_ROWS_MAX).await?;
        if page.is_empty() {
            break;
        }
        for (id, at) in page {
            ids.push(id);
            arrivals.push(at);
        }
    }
    let batches = Columns::default()
        .text("id", ids.iter().map(|id| Some(id.as_str())))
        .instant("received_at", arrivals.iter().map(|at| Some(*at)));
    let OfferedRows::Given { schema, batches } = given(batches) else { anyhow::bail!("columns are given rows") };
    let sql = format!(
        "SELECT golden.registry AS registry, golden.entity AS entity, golden.field AS field, golden.value AS value, \
         golden.taken_from AS taken_from, records.changed_on AS changed_on, records.batch AS batch, \
         records.row_number AS row_number, arrivals.received_at AS arrived_at, golden.standing AS standing \
         FROM ({}) AS golden LEFT JOIN ({}) AS records ON records.of_registry = golden.registry \
         AND records.of_key = golden.source_key AND records.of_dataset = golden.taken_from \
         LEFT JOIN arrivals ON arrivals.id = records.batch",
        query.selects.join(" UNION ALL "),
        when.join(" UNION ALL "),
    );
    let given = vec![("arrivals".to_owned(), schema, batches)];
    Ok(Offered { name: "golden".to_owned(), rows: OfferedRows::Query { sql, tables: query.tables, given } })
}

/// Why a value of the conflicts lost: its dataset may not supply the field, comes later in the order of belief, or comes
/// earlier and was too old.
fn why(registry: &Registry, conflicts: &str) -> String {
    let rank = |field: &Field, column: &str| {
        let places = field.authority.iter().zip(1..);
        let arms: Vec<String> =
            places.map(|(dataset, place)| format!(" WHEN {conflicts}.{column} = '{dataset}' THEN {place}")).collect();
        if arms.is_empty() { "NULL".to_owned() } else { format!("CASE{} END", arms.concat()) }
    };
    let arms: Vec<String> = registry
        .fields
        .iter()
        .map(|field| {
            let (lost, kept) = (rank(field, "lost_from"), rank(field, "kept_from"));
            format!(
                " WHEN {conflicts}.field = '{}' THEN CASE WHEN {lost} IS NULL THEN 'not_listed' WHEN {lost} < {kept} \
                 THEN 'too_old' ELSE 'lower_authority' END",
                field.name
            )
        })
        .collect();
    if arms.is_empty() { "CAST(NULL AS VARCHAR)".to_owned() } else { format!("CASE{} END", arms.concat()) }
}

/// The waterfall of every pair that was scored: a line for the odds before anything is compared (step 0), one for each
/// comparison, and one for what is given back (`moved`) or taken off (`kin`) in the end. In bits; they add up to the
/// odds of the pair alone. A record goes by its batch and row; of two entities the other goes by its name.
async fn pairs(app: &App, pack: &Pack) -> Result<Columns> {
    let mut scored = Vec::new();
    for registry in &pack.registries {
        match review::pairs(&app.lake, registry).await {
            Ok((pairs, _)) => scored.extend(pairs.into_iter().map(|pair| (registry, pair))),
            Err(RegistryError::NoCandidates { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let entities: Vec<String> = scored.iter().map(|(registry, pair)| named(app, registry, &pair.entity)).collect();
    let mut lines = Vec::new();
    for ((registry, pair), entity) in scored.iter().zip(&entities) {
        let Some(waterfall) = &pair.waterfall else { continue };
        let compared = waterfall.steps.iter().map(|step| (step.field.as_str(), step.level.as_str(), step.weight));
        let ends = [("moved", "", waterfall.moved), ("kin", "", waterfall.kin)].into_iter().filter(|end| end.2 != 0.0);
        let steps = std::iter::once(("prior", "", waterfall.prior)).chain(compared).chain(ends);
        lines.extend(steps.zip(0..).map(|(step, at)| (registry.id.as_str(), pair, entity.as_str(), step, at)));
    }
    Ok(Columns::default()
        .text("registry", lines.iter().map(|line| Some(line.0)))
        .text("entity", lines.iter().map(|line| Some(line.2)))
        .text("dataset", lines.iter().map(|line| of_record(line.1).then_some(line.1.dataset.as_str())))
        .text("record_batch", lines.iter().map(|line| of_record(line.1).then_some(line.1.batch.as_str())))
        .whole("record_row", lines.iter().map(|line| line.1.row))
        .text("other_entity", lines.iter().map(|line| (!of_record(line.1)).then_some(line.1.batch.as_str())))
        .real("probability", lines.iter().map(|line| line.1.probability))
        .whole("rank", lines.iter().map(|line| line.1.rank))
        .text("model", lines.iter().map(|line| Some(line.1.model.as_str())))
        .whole("step", lines.iter().map(|line| line.4))
        .text("field", lines.iter().map(|line| Some(line.3.0)))
        .text("level", lines.iter().map(|line| Some(line.3.1).filter(|level| !level.is_empty())))
        .real("weight", lines.iter().map(|line| line.3.2)))
}

fn named(app: &App, registry: &Registry, key: &str) -> String {
    if is_entity_id(key) { key.to_owned() } else { app.secret.entity_id(&registry.id, key) }
}

fn of_record(pair: &review::Pair) -> bool {
    pair.dataset != ENTITY_SIDE
}

/// A value of the conflicts, where the field is plain and nobody is protected.
fn shown(registry: &Registry, golden: &str, conflicts: &str, column: &str) -> String {
    let plain: Vec<String> = registry
        .fields
        .iter()
        .filter(|field| field.sensitivity == Sensitivity::Plain)
        .map(|field| format!("'{}'", field.name))
        .collect();
    if plain.is_empty() {
        return HIDDEN.to_owned();
    }
    format!(
        "CASE WHEN {conflicts}.field IN ({}) AND {golden}.\"_protected\" IS NOT TRUE THEN {conflicts}.{column} \
         ELSE {HIDDEN} END",
        plain.join(", ")
    )
}

async fn decisions(app: &App, pack: &Pack) -> Result<Vec<DecisionRow>> {
    let mut found = Vec::new();
    for registry in &pack.registries {
        let filter = DecisionFilter { registry: registry.id.clone(), ..DecisionFilter::default() };
        let mut offset = 0;
        while offset < ROWS_MAX {
            let page = app.store.decision_list_newest(&filter, offset, PAGE_ROWS_MAX).await?;
            if page.is_empty() {
                break;
            }
            offset += PAGE_ROWS_MAX;
            found.extend(page);
        }
    }
    Ok(found)
}

/// One query over the tables of several registries.
#[derive(Default)]
struct Query {
    tables: Vec<QueryTable>,
    selects: Vec<String>,
}

impl Query {
    /// Takes a table and gives the name under which the query finds it.
    fn table(&mut self, letter: &str, table: TableName) -> String {
        let alias = format!("{letter}{}", self.tables.len());
        self.tables.push(QueryTable::newest(alias.clone(), table));
        alias
    }

    /// As [`Query::table`], at a version.
    fn table_at(&mut self, letter: &str, table: TableName, version: Option<i64>) -> String {
        let alias = format!("{letter}{}", self.tables.len());
        self.tables.push(QueryTable { alias: alias.clone(), table, version });
        alias
    }

    fn offered(self, name: &str, columns: &[&str]) -> Offered {
        let rows = if self.selects.is_empty() {
            let text = |name: &&str| ArrowField::new(*name, DataType::Utf8, true);
            let schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(text).collect::<Vec<_>>()));
            OfferedRows::Given { schema, batches: Vec::new() }
        } else {
            OfferedRows::Query { sql: self.selects.join(" UNION ALL "), tables: self.tables, given: Vec::new() }
        };
        Offered { name: name.to_owned(), rows }
    }
}
