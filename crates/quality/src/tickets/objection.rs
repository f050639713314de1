//! 校核: a user of shared data says that a record or a field is wrong (政务数据共享条例, art. 26).
//!
//! An objection names the receipt of a supply, never a person's key: the use record knows which record was supplied
//! to whom, so nobody can object to, or probe for, what it was not supplied with.

use arrow::{array::RecordBatch, compute::cast, datatypes::DataType};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use yihe_definitions::{Pack, THEME_TABLE_PREFIX, Text};
use yihe_lake::{TableName, Zone};
use yihe_store::{Actor, Role, TicketRow, UsageRow};

use super::{ANSWER, Reason, Ticket, TicketError, TicketKind, Tickets, demand, failed, notice::Telling, ticket};
use crate::recipients;

/// Open objections to one entry that one look takes up.
const OBJECTIONS_MAX: i64 = 1_000;

/// What a user objects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Receipt of the supply: identifier of its use record.
    pub receipt: String,
    /// The field that is wrong; `None`: the record as a whole.
    pub field: Option<String>,
    /// What is wrong, and what it should be, as far as the user knows.
    pub statement: String,
}

/// Where a supplied record lies.
struct Place {
    table: TableName,
    /// Dataset that answers for the field.
    dataset: String,
    department: String,
}

impl Tickets {
    /// Raises an objection. It waits for the department whose dataset the value was taken from.
    ///
    /// # Errors
    /// A receipt of another department or of an answer without a record, a field that was not supplied, nothing
    /// said, the same objection still open; the lake or the store failed.
    pub async fn object(
        &self,
        pack: &Pack,
        objection: &Objection,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let statement = demand("statement", &objection.statement)?;
        let receipt = objection.receipt.trim();
        let not_supplied = || TicketError::NotSupplied { receipt: receipt.chars().take(80).collect() };
        let usage = self.store.usage_find(receipt).await.map_err(failed("find a use record"))?;
        let usage = usage.filter(|usage| usage.grantee == actor.department && usage.row_count > 0);
        let usage = usage.ok_or_else(not_supplied)?;
        let field = objection.field.as_deref().map(str::trim).filter(|field| !field.is_empty());
        if let Some(field) = field {
            self.check_field(&usage, field)?;
        }
        let key: Vec<String> = serde_json::from_str(&usage.looked_up).map_err(|_| not_supplied())?;
        let entry = self.store.entry_find(&usage.entry).await.map_err(failed("find an entry"))?;
        let entry = entry.ok_or_else(not_supplied)?;
        let place = self.place(pack, &entry.source_kind, &entry.source, &key, field).await?;
        let mut tx = self.store.begin().await.map_err(failed("raise an objection"))?;
        let id = tx.new_id(at);
        let value = self.value(&id, &place.table, &key, field).await?;
        let open = self.store.ticket_list_objections(&usage.entry, OBJECTIONS_MAX).await;
        let known = open.map_err(failed("list objections"))?.into_iter().find(|known| {
            known.record_key == usage.looked_up
                && known.field == field.unwrap_or_default()
                && known.raised_by == actor.department
        });
        if let Some(known) = known {
            return Err(TicketError::AlreadyRaised { ticket: known.id });
        }
        let row = TicketRow {
            value_digest: digest(&id, value.as_deref()),
            id,
            kind: TicketKind::Objection.as_str().to_owned(),
            dataset: place.dataset,
            rule: String::new(),
            severity: "warn".to_owned(),
            department: place.department,
            entry: usage.entry.clone(),
            record_key: usage.looked_up.clone(),
            field: field.unwrap_or_default().to_owned(),
            raised_by: actor.department.clone(),
            receipt: usage.id.clone(),
            statement,
            state: "open".to_owned(),
            reason: None,
            explanation: None,
            times: 1,
            opened_at: at,
            changed_at: at,
            closed_at: None,
            rows_open: 1,
            rows_seen: 1,
            seen_at: at,
            version: 1,
        };
        tx.ticket_insert(&row, &actor.act("objection.raised", at)).await.map_err(failed("raise an objection"))?;
        let raised = Ticket::read(row)?;
        let subject = (raised.subject(), objection_title(pack, &raised, &entry.title_zh, &entry.title_en));
        self.put(&mut tx, raised.kind.procedure(), subject, &raised.department, &ANSWER, actor, at).await?;
        tx.commit().await.map_err(failed("raise an objection"))?;
        Ok(raised)
    }

    /// Looks whether values to which somebody objects have changed, and closes what has: after a check for
    /// datasets, after a build for registries. Answers how many were closed.
    ///
    /// # Errors
    /// The lake or the store failed; what was closed before stays closed.
    pub async fn recheck(
        &self,
        source_kind: &str,
        source: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<u64, TicketError> {
        let entry = self.store.entry_find_by_source(source_kind, source).await.map_err(failed("find an entry"))?;
        let Some(entry) = entry else { return Ok(0) };
        let open = self.store.ticket_list_objections(&entry.code, OBJECTIONS_MAX).await;
        let mut closed = 0;
        for row in open.map_err(failed("list objections"))? {
            let ticket = Ticket::read(row)?;
            let key: Vec<String> = serde_json::from_str(&ticket.record_key).unwrap_or_default();
            let table = table_of(source_kind, source).map_err(unread(&ticket.id))?;
            let field = Some(ticket.field.as_str()).filter(|field| !field.is_empty());
            let value = self.value(&ticket.id, &table, &key, field).await?;
            if digest(&ticket.id, value.as_deref()) == ticket.row.value_digest {
                continue;
            }
            let outcome = if value.is_none() { "gone" } else { "corrected" };
            let supplied = recipients::of_record(&self.store, &ticket.entry, &ticket.record_key, at).await;
            let tellings: Vec<Telling> = supplied
                .map_err(failed("look for who was supplied"))?
                .into_iter()
                .map(|(department, (supplies, receipts))| Telling {
                    department,
                    outcome: outcome.to_owned(),
                    supplies,
                    receipts,
                })
                .collect();
            let mut tx = self.store.begin().await.map_err(failed("close an objection"))?;
            let ended = self.close_in(&mut tx, &ticket, Reason::Rechecked, None, actor, at).await?;
            self.tell(&mut tx, &ended, &tellings, actor, at).await?;
            tx.commit().await.map_err(failed("close an objection"))?;
            closed += 1;
        }
        Ok(closed)
    }

    /// Whether an account may object: an officer, for what its department was supplied with.
    #[must_use]
    pub fn may_object(actor: &Actor) -> bool {
        actor.roles.contains(&Role::Officer)
    }

    fn check_field(&self, usage: &UsageRow, field: &str) -> Result<(), TicketError> {
        let columns: Vec<serde_json::Value> = serde_json::from_str(&usage.columns).unwrap_or_default();
        let names: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
        if names.contains(&field) {
            return Ok(());
        }
        Err(TicketError::Field { found: field.chars().take(80).collect(), expected: names.join(", ") })
    }

    /// Where the record lies and who answers for the field: of a registry, the dataset it was taken from; of a theme,
    /// its department.
    async fn place(
        &self,
        pack: &Pack,
        kind: &str,
        source: &str,
        key: &[String],
        field: Option<&str>,
    ) -> Result<Place, TicketError> {
        let table = table_of(kind, source).map_err(unread(source))?;
        if kind == "dataset" {
            let department = pack.dataset(source).map(|dataset| dataset.department.clone()).unwrap_or_default();
            return Ok(Place { table, dataset: source.to_owned(), department });
        }
        let registry = pack.registry(source);
        // What a theme says follows from several departments' data: the one that answers for it finds out.
        let theme = source.strip_prefix(THEME_TABLE_PREFIX).and_then(|theme| pack.theme(theme));
        let keeper = registry.map(|known| &known.department).or(theme.map(|known| &known.department));
        let mut place =
            Place { table: table.clone(), dataset: String::new(), department: keeper.cloned().unwrap_or_default() };
        if let Some(field) = field {
            let from = format!("{field}_from");
            let parts: Vec<&str> = key.iter().map(String::as_str).collect();
            let record = self.lake.lookup(&table, &parts).await.map_err(unread(source))?;
            let taken = record.iter().find_map(|batch| cell(batch, &from));
            let authority = registry
                .and_then(|registry| registry.fields.iter().find(|known| known.name == field))
                .and_then(|known| known.authority.first().cloned());
            if let Some(dataset) = taken.or(authority).and_then(|id| pack.dataset(&id)) {
                place.dataset.clone_from(&dataset.id);
                place.department.clone_from(&dataset.department);
            }
        }
        Ok(place)
    }

    /// The value objected to, as text; of a whole record all its values. `None`: there is no such record.
    async fn value(
        &self,
        ticket: &str,
        table: &TableName,
        key: &[String],
        field: Option<&str>,
    ) -> Result<Option<String>, TicketError> {
        if !self.lake.exists(table) {
            return Ok(None);
        }
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        let found = self.lake.lookup(table, &parts).await.map_err(unread(ticket))?;
        let Some(batch) = found.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
        Ok(Some(match field {
            Some(field) => cell(batch, field).unwrap_or_default(),
            None => {
                let schema = batch.schema();
                // Columns of ours say where a row came from, not what it says.
                let names = schema.fields().iter().map(|field| field.name()).filter(|name| !name.starts_with('_'));
                names.map(|name| cell(batch, name).unwrap_or_default()).collect::<Vec<_>>().join("\u{1f}")
            }
        }))
    }
}

fn table_of(kind: &str, source: &str) -> Result<TableName, yihe_lake::LakeError> {
    TableName::new(if kind == "registry" { Zone::Registry } else { Zone::Checked }, source)
}

fn unread(ticket: &str) -> impl FnOnce(yihe_lake::LakeError) -> TicketError {
    let ticket = ticket.to_owned();
    move |source| TicketError::Lake { ticket, source: Box::new(source) }
}

fn cell(batch: &RecordBatch, column: &str) -> Option<String> {
    let array = cast(batch.column_by_name(column)?, &DataType::Utf8).ok()?;
    let array = arrow::array::AsArray::as_string_opt::<i32>(array.as_ref())?;
    arrow::array::Array::is_valid(array, 0).then(|| array.value(0).to_owned())
}

/// Recognises a value without keeping it.
fn digest(ticket: &str, value: Option<&str>) -> String {
    let value = value.map_or_else(String::new, |value| format!("={value}"));
    hex::encode(Sha256::new().chain_update(ticket).chain_update(value).finalize())
}

fn objection_title(pack: &Pack, raised: &Ticket, zh: &str, en: &str) -> Text {
    if zh.is_empty() {
        return ticket::title(raised);
    }
    let columns = pack.dataset(&raised.dataset).map(|dataset| dataset.columns.as_slice()).unwrap_or_default();
    let field = columns.iter().find(|column| column.name == raised.field).map(|column| column.title.clone());
    let field = field.unwrap_or_else(|| Text::new(&raised.field, &raised.field));
    let en = if en.is_empty() { zh } else { en };
    Text::new(
        format!("数据校核：{zh} {}", field.zh).trim().to_owned(),
        format!("objection: {en} {}", field.en.as_deref().unwrap_or(&field.zh)).trim().to_owned(),
    )
}
