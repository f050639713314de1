//! A grant: which cells of one table one department may have, for what, until when.

use std::sync::Arc;

use arrow::{
    array::{Array as _, AsArray as _, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
    record_batch::RecordBatch,
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use yihe_catalogue::{Entry, EntrySource};
use yihe_definitions::{Sensitivity, ShareMethod, THEME_TABLE_PREFIX, Text};
use yihe_lake::{GrantedColumn, Mask, Rights, TableName, Zone};
use yihe_store::{Actor, GrantFilter, GrantRow, Tx};
use yihe_vocabulary::clock::local_day;

use crate::{
    application::{Condition, item},
    error::ExchangeError,
    procedure::{Exchange, failed},
    protected::PROTECTED,
    request::{Consent, Request},
};

/// Most rows of one answer to a look-up.
pub const ANSWER_ROWS_MAX: u64 = 1_000;

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Identifier.
    pub id: String,
    /// The request it answers.
    pub request: String,
    /// Code of the catalogue entry.
    pub entry: String,
    /// The table behind it.
    pub source: EntrySource,
    /// Department that may have it.
    pub grantee: String,
    /// Department that supplies it.
    pub provider: String,
    /// Where it stands.
    pub state: GrantState,
    /// Why it is suspended or terminated.
    pub reason: Option<String>,
    /// Items in the requester's order.
    pub columns: Vec<GrantColumn>,
    /// Rows that meet every condition.
    pub rows: Vec<Condition>,
    /// Items that identify a record.
    pub key: Vec<String>,
    /// What they are used for (art. 25).
    pub purpose: String,
    /// Way of supply.
    pub method: ShareMethod,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_until: Date,
    /// Calls per day.
    pub calls_per_day: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// One item of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantColumn {
    /// Column.
    pub name: String,
    /// What is seen in place of the values; `None`: the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskKind>,
    /// Why the mask was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmasked_because: Option<String>,
}

/// A mask, by the sensitivity that calls for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskKind {
    /// Surname.
    Name,
    /// First 6 and last 4.
    CitizenId,
    /// First 3 and last 4.
    Phone,
    /// First 6 and last 4.
    Account,
    /// Down to the county.
    Address,
    /// Year.
    BirthDate,
    /// Nothing.
    Hidden,
}

impl MaskKind {
    /// The mask that a sensitivity calls for; `None` for plain values.
    #[must_use]
    pub fn of(sensitivity: Sensitivity) -> Option<Self> {
        match sensitivity {
            Sensitivity::Plain => None,
            Sensitivity::Name => Some(Self::Name),
            Sensitivity::CitizenId => Some(Self::CitizenId),
            Sensitivity::Phone => Some(Self::Phone),
            Sensitivity::Account => Some(Self::Account),
            Sensitivity::Address => Some(Self::Address),
            Sensitivity::BirthDate => Some(Self::BirthDate),
            Sensitivity::Hidden => Some(Self::Hidden),
        }
    }

    fn mask(self) -> Mask {
        match self {
            Self::Name => Mask::Name,
            Self::CitizenId => Mask::CitizenId,
            Self::Phone => Mask::Phone,
            Self::Account => Mask::Account,
            Self::Address => Mask::Address,
            Self::BirthDate => Mask::BirthDate,
            Self::Hidden => Mask::Hidden,
        }
    }
}

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// 待提供
    Pending,
    /// 生效
    Active,
    /// 暂停
    Suspended,
    /// 到期
    Expired,
    /// 终止
    Terminated,
}

impl GrantState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Active, Self::Suspended, Self::Expired, Self::Terminated];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
        }
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Pending => Text::new("待提供", "to be supplied"),
            Self::Active => Text::new("生效", "active"),
            Self::Suspended => Text::new("暂停", "suspended"),
            Self::Expired => Text::new("到期", "expired"),
            Self::Terminated => Text::new("终止", "terminated"),
        }
    }
}

/// The body of a grant's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    source_kind: String,
    source: String,
    columns: Vec<GrantColumn>,
    rows: Vec<Condition>,
    key: Vec<String>,
    purpose: String,
    method: ShareMethod,
}

impl Grant {
    /// The grant that a signed consent makes: masks by sensitivity, but for those lifted with a reason.
    pub(crate) fn of_consent(
        id: String,
        request: &Request,
        consent: &Consent,
        entry: &Entry,
        at: Timestamp,
    ) -> Result<Self, ExchangeError> {
        let applied = &request.application;
        let mut columns = Vec::with_capacity(consent.columns.len());
        for name in &consent.columns {
            let item = item(entry, name)
                .ok_or_else(|| ExchangeError::BeyondApplication { request: request.id.clone(), what: "columns" })?;
            let lifted =
                applied.unmasked.iter().find(|unmasking| unmasking.column == *name && consent.unmasked.contains(name));
            columns.push(GrantColumn {
                name: name.clone(),
                mask: if lifted.is_some() { None } else { MaskKind::of(item.sensitivity) },
                unmasked_because: lifted.map(|unmasking| unmasking.reason.clone()),
            });
        }
        Ok(Self {
            id,
            request: request.id.clone(),
            entry: request.entry.clone(),
            source: entry.source.clone(),
            grantee: request.requester.clone(),
            provider: request.provider.clone(),
            state: GrantState::Pending,
            reason: None,
            columns,
            rows: applied.rows.iter().chain(&consent.rows).cloned().collect(),
            key: entry.key.clone(),
            purpose: applied.purpose.trim().to_owned(),
            method: applied.method,
            valid_from: local_day(at),
            valid_until: consent.until,
            calls_per_day: consent.calls_per_day,
            created_at: at,
            changed_at: at,
            version: 1,
        })
    }

    /// The cells it covers, as the lake understands them.
    ///
    /// # Errors
    /// The source's name cannot be a table's.
    pub fn rights(&self) -> Result<Rights, ExchangeError> {
        let zone = match self.source {
            EntrySource::Dataset(_) => Zone::Checked,
            EntrySource::Registry(_) => Zone::Registry,
        };
        let table = TableName::new(zone, self.source.id())
            .map_err(|source| ExchangeError::Lake { grant: self.id.clone(), source: Box::new(source) })?;
        Ok(Rights {
            view: self.source.id().to_owned(),
            table,
            version: None,
            columns: self
                .columns
                .iter()
                .map(|column| GrantedColumn { name: column.name.clone(), mask: column.mask.map(MaskKind::mask) })
                .collect(),
            row_filter: self.row_filter(),
            row_limit: Some(ANSWER_ROWS_MAX),
        })
    }

    /// The grant's conditions on rows. Of a golden table, the entities marked as protected when it was built are left
    /// out in the plan already; [`protected`](crate::protected) leaves out those noted since, and of other tables.
    fn row_filter(&self) -> Option<String> {
        let marked = match &self.source {
            EntrySource::Registry(id) => !id.starts_with(THEME_TABLE_PREFIX),
            EntrySource::Dataset(_) => false,
        };
        let unprotected = (marked && !self.covers_protected()).then(|| format!("\"{PROTECTED}\" IS NOT TRUE"));
        let clauses: Vec<String> = row_filter(&self.rows).into_iter().chain(unprotected).collect();
        (!clauses.is_empty()).then(|| clauses.join(" AND "))
    }

    /// The cells of a look-up by key. The caller has named the whole key, so the lake may compare it even where the
    /// grant masks or leaves out a key column; so may we what says of whom a row is (`identifying`).
    /// [`Grant::cover`] takes that back from the answer.
    pub(crate) fn lookup_rights(&self, identifying: &[String]) -> Result<Rights, ExchangeError> {
        let mut rights = self.rights()?;
        for name in self.key.iter().chain(identifying) {
            match rights.columns.iter_mut().find(|column| column.name == *name) {
                Some(column) => column.mask = None,
                None => rights.columns.push(GrantedColumn::open(name.clone())),
            }
        }
        Ok(rights)
    }

    /// The answer to a look-up as the grant covers it: its columns in its order, those that were opened masked.
    pub(crate) fn cover(
        &self,
        identifying: &[String],
        batches: Vec<RecordBatch>,
    ) -> Result<Vec<RecordBatch>, ExchangeError> {
        let uncovered = |source| ExchangeError::Answer { grant: self.id.clone(), source };
        batches.into_iter().map(|batch| self.cover_one(identifying, &batch).map_err(uncovered)).collect()
    }

    fn cover_one(&self, identifying: &[String], batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let index = batch.schema().index_of(&column.name)?;
            let mut array = batch.column(index).clone();
            let was_opened = self.key.contains(&column.name) || identifying.contains(&column.name);
            if let Some(mask) = column.mask.filter(|_| was_opened) {
                let texts = cast(&array, &DataType::Utf8)?;
                let masked: StringArray =
                    texts.as_string::<i32>().iter().map(|text| text.and_then(|text| mask.mask().apply(text))).collect();
                array = Arc::new(masked);
            }
            fields.push(Field::new(&column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }

    pub(crate) fn read(row: GrantRow) -> Result<Self, ExchangeError> {
        let corrupt = |element| ExchangeError::Corrupt { object: format!("grant {}", row.id), element };
        let body: Body = serde_json::from_str(&row.body).map_err(|_| corrupt("body"))?;
        Ok(Self {
            source: match body.source_kind.as_str() {
                "dataset" => EntrySource::Dataset(body.source),
                "registry" => EntrySource::Registry(body.source),
                _ => return Err(corrupt("source_kind")),
            },
            state: GrantState::ALL
                .into_iter()
                .find(|state| state.as_str() == row.state)
                .ok_or_else(|| corrupt("state"))?,
            columns: body.columns,
            rows: body.rows,
            key: body.key,
            purpose: body.purpose,
            method: body.method,
            id: row.id,
            request: row.request,
            entry: row.entry,
            grantee: row.grantee,
            provider: row.provider,
            reason: row.reason,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            calls_per_day: row.calls_per_day,
            created_at: row.created_at,
            changed_at: row.changed_at,
            version: row.version,
        })
    }

    pub(crate) fn row(&self) -> GrantRow {
        let body = Body {
            source_kind: self.source.kind().to_owned(),
            source: self.source.id().to_owned(),
            columns: self.columns.clone(),
            rows: self.rows.clone(),
            key: self.key.clone(),
            purpose: self.purpose.clone(),
            method: self.method,
        };
        GrantRow {
            id: self.id.clone(),
            request: self.request.clone(),
            entry: self.entry.clone(),
            grantee: self.grantee.clone(),
            provider: self.provider.clone(),
            state: self.state.as_str().to_owned(),
            reason: self.reason.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            calls_per_day: self.calls_per_day,
            body: serde_json::to_string(&body).expect("texts and lists are always JSON"),
            created_at: self.created_at,
            changed_at: self.changed_at,
            version: self.version,
        }
    }
}

/// The conditions as SQL over the table's own columns. Column names were checked against the entry,
/// values are quoted: what a department typed is never read as SQL.
fn row_filter(conditions: &[Condition]) -> Option<String> {
    let clauses: Vec<String> = conditions
        .iter()
        .filter(|condition| condition.column != PROTECTED)
        .map(|condition| {
            let values: Vec<String> =
                condition.values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
            let column = condition.column.replace('"', "\"\"");
            format!("CAST(\"{column}\" AS VARCHAR) IN ({})", values.join(", "))
        })
        .collect();
    (!clauses.is_empty()).then(|| clauses.join(" AND "))
}

impl Exchange {
    /// A grant that `actor` may know of: a party's, or any for the competent authority.
    ///
    /// # Errors
    /// The store failed or the stored grant cannot be read.
    pub async fn grant_find(&self, id: &str, actor: &Actor) -> Result<Option<Grant>, ExchangeError> {
        let row = self.store.grant_find(id).await.map_err(failed("find a grant"))?;
        let grant = row.map(Grant::read).transpose()?;
        Ok(grant.filter(|grant| self.may_know_grant(grant, actor)))
    }

    /// The grants that `actor` may know of, newest first; narrowed to a state when one is given.
    ///
    /// # Errors
    /// The store failed or a stored grant cannot be read.
    pub async fn grant_list(
        &self,
        actor: &Actor,
        state: Option<GrantState>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Grant>, ExchangeError> {
        let filter = GrantFilter {
            party: (actor.department != self.catalogue.authority()).then(|| actor.department.clone()),
            entry: None,
            state: state.map(|state| state.as_str().to_owned()),
        };
        let rows = self.store.grant_list(&filter, offset, limit).await.map_err(failed("list grants"))?;
        rows.into_iter().map(Grant::read).collect()
    }

    /// The grant that answers a request.
    ///
    /// # Errors
    /// The store failed or the stored grant cannot be read.
    pub async fn grant_of_request(&self, request: &str, actor: &Actor) -> Result<Option<Grant>, ExchangeError> {
        let row = self.store.grant_find_by_request(request).await.map_err(failed("find a request's grant"))?;
        let grant = row.map(Grant::read).transpose()?;
        Ok(grant.filter(|grant| self.may_know_grant(grant, actor)))
    }

    pub(crate) fn may_know_grant(&self, grant: &Grant, actor: &Actor) -> bool {
        [grant.grantee.as_str(), grant.provider.as_str(), self.catalogue.authority()]
            .contains(&actor.department.as_str())
    }

    /// The provider opens the supply: the grant becomes active.
    pub(crate) async fn open_supply(
        &self,
        tx: &mut Tx,
        request: &Request,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), ExchangeError> {
        let row = tx.grant_find_by_request(&request.id).await.map_err(failed("find a request's grant"))?;
        let Some(mut row) = row else {
            return Err(ExchangeError::Corrupt { object: format!("request {}", request.id), element: "grant" });
        };
        GrantState::Active.as_str().clone_into(&mut row.state);
        tx.grant_update(&row, &actor.act("grant.activated", at)).await.map_err(failed("activate a grant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_department_typed_is_never_read_as_sql() {
        let conditions = [
            Condition { column: "division".to_owned(), values: vec!["371302".to_owned(), "x' OR '1'='1".to_owned()] },
            Condition { column: "a\"b".to_owned(), values: vec![String::new()] },
        ];
        assert_eq!(
            row_filter(&conditions).unwrap(),
            "CAST(\"division\" AS VARCHAR) IN ('371302', 'x'' OR ''1''=''1') AND CAST(\"a\"\"b\" AS VARCHAR) IN ('')"
        );
        assert_eq!(row_filter(&[]), None);
    }

    #[test]
    fn every_sensitivity_but_plain_calls_for_a_mask() {
        let sensitive = [
            Sensitivity::Name,
            Sensitivity::CitizenId,
            Sensitivity::Phone,
            Sensitivity::Account,
            Sensitivity::Address,
            Sensitivity::BirthDate,
            Sensitivity::Hidden,
        ];
        assert!(sensitive.into_iter().all(|sensitivity| MaskKind::of(sensitivity).is_some()));
        assert_eq!(MaskKind::of(Sensitivity::Plain), None);
    }
}
