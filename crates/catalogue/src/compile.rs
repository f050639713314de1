//! Compiling: an entry follows from the definitions of a pack.

use jiff::Timestamp;
use yihe_definitions::{Dataset, Department, Publication, Registry, THEME_TABLE_PREFIX, Text, Theme, UpdateCycle};
use yihe_store::{Actor, EntryRow, Role, Tx};
use yihe_vocabulary::{Classification, ResourceCode};

use crate::{
    document::{Body, Document, Item},
    entry::{EntryItem, EntrySource, EntryState, Format},
    error::CatalogueError,
    procedure::{Catalogue, EntryStep, failed},
    search::{SearchWords, sharing_word, title_key},
    validate::{EntryFault, faults_of},
};

/// Greatest sequence number of a classification: nine digits.
const SERIAL_MAX: u32 = 999_999_999;

/// What an entry is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryDraft {
    /// The dataset or registry it describes.
    pub source: EntrySource,
    /// Title.
    pub title: Text,
    /// Providing department.
    pub department: Department,
    /// Summary.
    pub summary: Text,
    /// Main kind of format.
    pub format: Format,
    /// Items in order.
    pub items: Vec<EntryItem>,
    /// Names of the items that identify a record.
    pub key: Vec<String>,
    /// How often it is renewed.
    pub update_cycle: UpdateCycle,
    /// Classification, sharing, opening, grade, assessments.
    pub publication: Publication,
}

/// What compiling found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    /// A new draft with a new code.
    New(ResourceCode),
    /// The draft changed; what was announced stays in force until the change is published.
    Changed(ResourceCode),
    /// The entry says this already.
    Unchanged(ResourceCode),
}

impl Compiled {
    /// The entry's code.
    #[must_use]
    pub fn code(&self) -> &ResourceCode {
        match self {
            Self::New(code) | Self::Changed(code) | Self::Unchanged(code) => code,
        }
    }
}

impl EntryDraft {
    /// The entry of a dataset; `None` when the dataset is internal.
    ///
    /// # Errors
    /// The dataset's department is not among `departments`.
    pub fn of_dataset(dataset: &Dataset, departments: &[Department]) -> Result<Option<Self>, CatalogueError> {
        let Some(publication) = dataset.publication.clone() else { return Ok(None) };
        let items: Vec<EntryItem> = dataset
            .columns
            .iter()
            .map(|column| EntryItem {
                name: column.name.clone(),
                title: column.title.clone(),
                column_type: column.column_type,
                sensitivity: column.sensitivity,
                codes: column.codes.clone(),
            })
            .collect();
        Ok(Some(Self {
            source: EntrySource::Dataset(dataset.id.clone()),
            title: dataset.title.clone(),
            department: department(departments, &dataset.department, &dataset.id)?,
            summary: dataset.summary.clone().unwrap_or_else(|| summary_of(&dataset.title, &items)),
            format: match dataset.source.format {
                yihe_definitions::Format::Csv | yihe_definitions::Format::Jsonl | yihe_definitions::Format::Parquet => {
                    Format::File
                }
                yihe_definitions::Format::Xlsx => Format::Spreadsheet,
                yihe_definitions::Format::Postgres | yihe_definitions::Format::Mariadb => Format::Database,
            },
            items,
            key: dataset.key.clone(),
            update_cycle: dataset.update_cycle,
            publication,
        }))
    }

    /// The entry of a base registry's golden table; `None` when the registry is internal.
    ///
    /// # Errors
    /// The registry's department is not among `departments`.
    pub fn of_registry(registry: &Registry, departments: &[Department]) -> Result<Option<Self>, CatalogueError> {
        let Some(publication) = registry.publication.clone() else { return Ok(None) };
        let (title, sensitivity) = key_item(registry);
        let mut items = vec![EntryItem {
            name: registry.key.clone(),
            title,
            column_type: yihe_definitions::ColumnType::Text,
            sensitivity,
            codes: None,
        }];
        items.extend(registry.fields.iter().map(|field| EntryItem {
            name: field.name.clone(),
            title: field.title.clone(),
            column_type: field.column_type,
            sensitivity: field.sensitivity,
            codes: None,
        }));
        Ok(Some(Self {
            source: EntrySource::Registry(registry.id.clone()),
            title: registry.title.clone(),
            department: department(departments, &registry.department, &registry.id)?,
            summary: summary_of(&registry.title, &items),
            format: Format::Database,
            items,
            key: vec![registry.key.clone()],
            update_cycle: UpdateCycle::Daily,
            publication,
        }))
    }

    /// The entry of a theme's table; `None` when the theme is internal or a view.
    ///
    /// # Errors
    /// The theme's department is not among `departments`.
    pub fn of_theme(theme: &Theme, departments: &[Department]) -> Result<Option<Self>, CatalogueError> {
        let Some(publication) = theme.publication.clone() else { return Ok(None) };
        let items: Vec<EntryItem> = theme
            .columns
            .iter()
            .map(|column| EntryItem {
                name: column.name.clone(),
                title: column.title.clone(),
                column_type: column.column_type,
                sensitivity: column.sensitivity,
                codes: None,
            })
            .collect();
        Ok(Some(Self {
            source: EntrySource::Registry(format!("{THEME_TABLE_PREFIX}{}", theme.id)),
            title: theme.title.clone(),
            department: department(departments, &theme.department, &theme.id)?,
            summary: theme.summary.clone().unwrap_or_else(|| summary_of(&theme.title, &items)),
            format: Format::Database,
            items,
            key: theme.key.clone(),
            update_cycle: UpdateCycle::Daily,
            publication,
        }))
    }

    fn document(&self) -> Document {
        Document {
            classification: self.publication.classification.clone(),
            title: self.title.clone(),
            department: self.department.id.clone(),
            department_name: self.department.name.clone(),
            department_code: self.department.credit_code.clone(),
            summary: self.summary.clone(),
            format: self.format.as_str().to_owned(),
            items: self
                .items
                .iter()
                .map(|item| Item {
                    name: item.name.clone(),
                    title: item.title.clone(),
                    column_type: item.column_type,
                    sensitivity: item.sensitivity,
                    codes: item.codes.clone(),
                })
                .collect(),
            key: self.key.clone(),
            sharing: self.publication.sharing.clone(),
            methods: self.publication.methods.clone(),
            open: self.publication.open.clone(),
            update_cycle: self.update_cycle,
            grade: self.publication.grade.clone(),
            secrecy_assessed: self.publication.secrecy_assessed,
            privacy_assessed: self.publication.privacy_assessed,
            related: Vec::new(),
        }
    }
}

impl Catalogue {
    /// Writes what the provider wants an entry to say. A new source gets a new code; the same content
    /// again changes nothing.
    ///
    /// # Errors
    /// The actor is no officer of the providing department; the draft has faults (all are listed); the
    /// entry is being signed or reviewed; somebody else was quicker; the store failed.
    pub async fn compile(&self, draft: &EntryDraft, actor: &Actor, at: Timestamp) -> Result<Compiled, CatalogueError> {
        let department = &draft.department.id;
        if !actor.is(Role::Officer, department) {
            return Err(CatalogueError::NotAllowed {
                code: draft.source.id().to_owned(),
                step: EntryStep::Compile,
                role: Role::Officer,
                department: department.clone(),
            });
        }
        let mut tx = self.store().begin().await.map_err(failed("compile a catalogue entry"))?;
        let known = tx
            .entry_find_by_source(draft.source.kind(), draft.source.id())
            .await
            .map_err(failed("compile a catalogue entry"))?;
        let mut faults = faults_of(draft);
        let taken = tx
            .entry_code_by_title(&title_key(&draft.title.zh))
            .await
            .map_err(failed("look for the title of a catalogue entry"))?;
        if let Some(code) = taken.filter(|code| known.as_ref().is_none_or(|row| row.code != *code)) {
            faults.push(EntryFault::TitleTaken { code });
        }
        if !faults.is_empty() {
            return Err(CatalogueError::Faults { title: draft.title.zh.clone(), faults });
        }
        let compiled = match known {
            None => Compiled::New(self.insert(&mut tx, draft, actor, at).await?),
            Some(row) => self.amend(&mut tx, row, draft, actor, at).await?,
        };
        tx.commit().await.map_err(failed("compile a catalogue entry"))?;
        Ok(compiled)
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        draft: &EntryDraft,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<ResourceCode, CatalogueError> {
        let classification: Classification = draft
            .publication
            .classification
            .parse()
            .map_err(|source| CatalogueError::Classification { title: draft.title.zh.clone(), source })?;
        let digits = classification.digits();
        let serial = tx.entry_next_serial(&digits).await.map_err(failed("draw a sequence number"))?;
        let sequence = u32::try_from(serial)
            .ok()
            .filter(|sequence| *sequence <= SERIAL_MAX)
            .ok_or_else(|| CatalogueError::Serials { classification: digits.clone(), limit: SERIAL_MAX })?;
        let code = ResourceCode::new(classification, sequence);
        let document = draft.document();
        let words = SearchWords::of(&document);
        let row = EntryRow {
            code: code.to_string(),
            classification: digits,
            serial,
            source_kind: draft.source.kind().to_owned(),
            source: draft.source.id().to_owned(),
            department: draft.department.id.clone(),
            title_zh: draft.title.zh.clone(),
            title_en: draft.title.en.clone().unwrap_or_default(),
            title_key: title_key(&draft.title.zh),
            sharing: sharing_word(&draft.publication.sharing).as_str().to_owned(),
            state: EntryState::Draft.as_str().to_owned(),
            body: Body { draft: document, published: None, reason: None }.to_json(),
            search_text: words.text,
            search_pinyin: words.pinyin,
            search_initials: words.initials,
            created_at: at,
            changed_at: at,
            published_at: None,
            version: 1,
        };
        tx.entry_insert(&row, &actor.act("entry.compiled", at)).await.map_err(failed("insert a catalogue entry"))?;
        Ok(code)
    }

    async fn amend(
        &self,
        tx: &mut Tx,
        mut row: EntryRow,
        draft: &EntryDraft,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Compiled, CatalogueError> {
        let entry = crate::document::working(&row)?;
        let mut body = Body::read(&row)?;
        let document = draft.document();
        if body.draft == document && entry.state != EntryState::Withdrawn {
            return Ok(Compiled::Unchanged(entry.code));
        }
        let state = match entry.state {
            EntryState::Draft | EntryState::Published | EntryState::Withdrawn => EntryState::Draft,
            EntryState::Returned => EntryState::Returned,
            EntryState::AwaitingSignature | EntryState::AwaitingReview => {
                return Err(CatalogueError::WrongState {
                    code: row.code,
                    step: EntryStep::Compile,
                    state: entry.state,
                });
            }
        };
        body.draft = document;
        row.title_zh.clone_from(&draft.title.zh);
        row.title_en = draft.title.en.clone().unwrap_or_default();
        row.title_key = title_key(&draft.title.zh);
        row.body = body.to_json();
        state.as_str().clone_into(&mut row.state);
        tx.entry_update(&row, &actor.act("entry.amended", at)).await.map_err(failed("amend a catalogue entry"))?;
        Ok(Compiled::Changed(entry.code))
    }
}

fn department(departments: &[Department], id: &str, source_id: &str) -> Result<Department, CatalogueError> {
    departments
        .iter()
        .find(|department| department.id == id)
        .cloned()
        .ok_or_else(|| CatalogueError::UnknownDepartment { department: id.to_owned(), source_id: source_id.to_owned() })
}

/// A registry names its key but gives it no title; what the key is follows from the entity.
fn key_item(registry: &Registry) -> (Text, yihe_definitions::Sensitivity) {
    use yihe_definitions::{EntityKind, Sensitivity};
    let parts = registry.entity.key_parts();
    let joined = |words: Vec<&str>, between: &str| words.join(between);
    let title = Text::new(
        joined(parts.iter().map(|(zh, _)| *zh).collect(), "+"),
        joined(parts.iter().map(|(_, en)| *en).collect(), " + "),
    );
    let sensitivity = match registry.entity {
        // The party of a decision may be a person.
        EntityKind::Person | EntityKind::CreditRecord => Sensitivity::CitizenId,
        EntityKind::Organisation
        | EntityKind::Place
        | EntityKind::Certificate
        | EntityKind::RealEstateUnit
        | EntityKind::Indicator => Sensitivity::Plain,
    };
    (title, sensitivity)
}

/// 摘要 where the pack has none: what the items say, and no more.
fn summary_of(title: &Text, items: &[EntryItem]) -> Text {
    const SHOWN: usize = 6;
    let zh: Vec<&str> = items.iter().take(SHOWN).map(|item| item.title.zh.as_str()).collect();
    let en: Vec<&str> = items.iter().take(SHOWN).map(|item| item.title.get(yihe_definitions::Language::En)).collect();
    let count = items.len();
    Text::new(
        format!("{}，含{}等 {count} 个数据项。", title.zh, zh.join("、")),
        format!("{}: {count} items, among them {}.", title.get(yihe_definitions::Language::En), en.join(", ")),
    )
}
