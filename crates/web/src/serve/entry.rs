//! Fills an entry's page.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use yihe_catalogue::{Entry, EntrySource, Format, search::sharing_word};
use yihe_definitions::{Dimension, OpenAttribute, Pack, Sensitivity, ShareMethod, Sharing, UpdateCycle};
use yihe_lake::Zone;
use yihe_store::{ObjectKind, Role};
use yihe_vocabulary::clock::local_day;

use super::{Answer, catalogue::refused, home::rows, html, internal};
use crate::{
    language::{Text, Words, capital},
    layout::Part,
    pages::entry::{self, BatchLine, ColumnLine, EntryView, MetricLine, ProofLine},
    problem::{Kind, Problem},
    state::{AppState, count},
    visit::Visit,
};

/// Batches shown.
const BATCHES_MAX: i64 = 10;
/// Ledger entries of one catalogue entry that are looked through for its publication.
const HISTORY_MAX: i64 = 1_000;

/// `GET /catalogue/{*code}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(code): Path<String>) -> Answer {
    let found = find(&state, &code).await?;
    let frame = visit.frame(&state, Part::Catalogue).await?;
    Ok(html(entry::page(&frame, &view(&state, &visit, &found).await?)))
}

/// The entry as it was announced.
///
/// # Errors
/// [`Kind::NotFound`] when it is not, so that a draft cannot be told from nothing; the store failed.
pub async fn find(state: &AppState, code: &str) -> Result<Entry, Problem> {
    state.catalogue.find_published(code).await.map_err(refused)?.ok_or_else(|| Kind::NotFound.into())
}

async fn view(state: &AppState, visit: &Visit, entry: &Entry) -> Result<EntryView, Problem> {
    let pack = state.pack();
    let code = entry.code.to_string();
    let records = match &entry.source {
        EntrySource::Dataset(id) => rows(state, Zone::Checked, id).await?,
        EntrySource::Registry(id) => rows(state, Zone::Registry, id).await?,
    };
    let (batches, batches_total) = batches(state, entry).await?;
    let withheld = matches!(entry.sharing, Sharing::Withheld { .. });
    Ok(EntryView {
        title: entry.title.clone(),
        summary: Some(entry.summary.clone()),
        sharing: sharing_word(&entry.sharing),
        terms: terms(&entry.sharing),
        core: core(visit.words, entry, records),
        columns: columns(&pack, entry),
        metrics: metrics(state, &pack, entry).await?,
        batches,
        batches_total,
        proof: proof(state, &code).await?,
        requestable: !withheld && visit.account.as_ref().is_none_or(|account| account.roles.contains(&Role::Officer)),
        code,
    })
}

fn terms(sharing: &Sharing) -> Vec<(Text, Text)> {
    match sharing {
        Sharing::Unconditional => Vec::new(),
        Sharing::Conditional { scope, purpose } => {
            vec![(Text::new("共享范围", "Scope"), scope.clone()), (Text::new("使用用途", "Purpose"), purpose.clone())]
        }
        Sharing::Withheld { reason, legal_basis } => vec![
            (Text::new("理由", "Reason"), reason.clone()),
            (Text::new("法律依据", "Legal basis"), legal_basis.clone()),
        ],
    }
}

/// The thirteen core elements of 发改高技〔2017〕1272号, in its order; the number of records stands with the format.
fn core(words: Words, entry: &Entry, records: Option<u64>) -> Vec<(Text, Text)> {
    let plain = |text: String| Text { zh: text.clone(), en: Some(text) };
    let class = match entry.classification.class() {
        1 => Text::new("基础信息资源", "base registries"),
        2 => Text::new("主题信息资源", "themes"),
        _ => Text::new("部门信息资源", "departments"),
    };
    let methods = entry.methods.iter().map(|method| method_title(*method)).reduce(|all, one| joined(&all, &one));
    let kind = sharing_word(&entry.sharing).title();
    let sharing = methods.map_or(kind.clone(), |methods| Text {
        zh: format!("{}（{}）", kind.zh, methods.zh),
        en: kind.en.zip(methods.en).map(|(kind, methods)| format!("{kind} ({methods})")),
    });
    let format = format_title(entry.format);
    let format = records.map_or(format.clone(), |records| Text {
        zh: format!("{}，{}", format.zh, words.many(records, "条记录", "record", "records")),
        en: format.en.map(|format| format!("{format}, {}", words.many(records, "条记录", "record", "records"))),
    });
    let related: Vec<String> = entry.related.iter().map(ToString::to_string).collect();
    let elements = vec![
        (
            Text::new("信息资源分类", "Class"),
            Text {
                zh: format!("{} · {}", class.zh, entry.classification),
                en: class.en.map(|class| format!("{class} · {}", entry.classification)),
            },
        ),
        (Text::new("信息资源名称", "Title"), entry.title.clone()),
        (Text::new("信息资源代码", "Code"), plain(entry.code.to_string())),
        (Text::new("信息资源提供方", "Provider"), entry.department_name.clone()),
        (Text::new("信息资源提供方代码", "Provider's code"), plain(entry.department_code.clone())),
        (Text::new("信息资源摘要", "Summary"), entry.summary.clone()),
        (Text::new("信息资源格式", "Format"), format),
        (
            Text::new("信息项信息", "Columns"),
            Text::new(format!("{} 项，见下", entry.items.len()), format!("{}, listed below", entry.items.len())),
        ),
        (Text::new("共享属性", "Sharing"), sharing),
        (Text::new("开放属性", "Opening"), open_title(&entry.open)),
        (Text::new("更新周期", "Update cycle"), cycle(entry.update_cycle)),
        (
            Text::new("发布日期", "Published on"),
            entry.published_at.map_or_else(
                || plain("–".into()),
                |at| {
                    let day = local_day(at);
                    Text::new(
                        Words(yihe_definitions::Language::Zh).day(day),
                        Words(yihe_definitions::Language::En).day(day),
                    )
                },
            ),
        ),
        (
            Text::new("关联资源代码", "Related codes"),
            plain(if related.is_empty() { "–".into() } else { related.join(", ") }),
        ),
    ];
    elements.into_iter().map(|(title, value)| (title, capital(value))).collect()
}

fn joined(one: &Text, other: &Text) -> Text {
    Text {
        zh: format!("{}、{}", one.zh, other.zh),
        en: one.en.as_ref().zip(other.en.as_ref()).map(|(one, other)| format!("{one}, {other}")),
    }
}

fn columns(pack: &Pack, entry: &Entry) -> Vec<ColumnLine> {
    entry
        .items
        .iter()
        .map(|item| ColumnLine {
            name: item.name.clone(),
            title: item.title.clone(),
            column_type: item.column_type.to_string(),
            is_key: entry.key.contains(&item.name),
            sensitivity: sensitivity(item.sensitivity),
            codes: item.codes.as_ref().map(|id| {
                pack.code_table(id)
                    .map_or_else(|| Text { zh: id.clone(), en: Some(id.clone()) }, |table| table.title.clone())
            }),
        })
        .collect()
}

/// One rule's figures as `quality` keeps them.
#[derive(Debug, Deserialize)]
struct KeptMetric {
    id: String,
    dimension: Dimension,
    evaluated: u64,
    failed: u64,
}

async fn metrics(state: &AppState, pack: &Pack, entry: &Entry) -> Result<Vec<MetricLine>, Problem> {
    let EntrySource::Dataset(id) = &entry.source else { return Ok(Vec::new()) };
    let Some(kept) = state.store.metric_find(id).await.map_err(internal)? else { return Ok(Vec::new()) };
    let kept: Vec<KeptMetric> = serde_json::from_str(&kept.body).map_err(internal)?;
    let rules = pack.dataset(id).map(|dataset| dataset.rules.as_slice()).unwrap_or_default();
    Ok(kept
        .into_iter()
        .map(|metric| MetricLine {
            rule: rules.iter().find(|rule| rule.id == metric.id).map_or_else(
                || Text { zh: metric.id.clone(), en: Some(metric.id.clone()) },
                |rule| rule_title(entry, rule),
            ),
            dimension: dimension(metric.dimension),
            passed: metric.evaluated.saturating_sub(metric.failed),
            rows: metric.evaluated,
        })
        .collect())
}

/// What a rule demands of which columns, by their titles.
fn rule_title(entry: &Entry, rule: &yihe_definitions::Rule) -> Text {
    if let Some(message) = &rule.message {
        return message.clone();
    }
    let demanded = yihe_quality::messages::expected(rule);
    let columns = rule
        .kind
        .columns()
        .into_iter()
        .map(|name| {
            let item = entry.items.iter().find(|item| item.name == *name);
            item.map_or_else(|| Text { zh: name.to_string(), en: Some(name.to_string()) }, |item| item.title.clone())
        })
        .reduce(|all, one| joined(&all, &one));
    match columns {
        None => demanded,
        Some(columns) => Text {
            zh: format!("{}：{}", columns.zh, demanded.zh),
            en: columns.en.zip(demanded.en).map(|(columns, demanded)| format!("{columns}: {demanded}")),
        },
    }
}

async fn batches(state: &AppState, entry: &Entry) -> Result<(Vec<BatchLine>, u64), Problem> {
    let EntrySource::Dataset(id) = &entry.source else { return Ok((Vec::new(), 0)) };
    let batches = state.store.batch_list(Some(id), BATCHES_MAX).await.map_err(internal)?;
    let total = state
        .store
        .batch_tally()
        .await
        .map_err(internal)?
        .iter()
        .find(|tally| tally.dataset == *id)
        .map_or(0, |tally| count(tally.batches));
    let lines = batches
        .into_iter()
        .filter(|batch| batch.state == yihe_store::BatchState::Landed)
        .map(|batch| BatchLine {
            id: batch.id,
            landed_at: batch.ended_at.unwrap_or(batch.received_at),
            rows_in: count(batch.rows_in),
            accepted: count(batch.rows_accepted),
            quarantined: count(batch.rows_quarantined),
        })
        .collect();
    Ok((lines, total))
}

/// Where its last publication stands in the ledger.
async fn proof(state: &AppState, code: &str) -> Result<Option<ProofLine>, Problem> {
    let object = ObjectKind::Entry.name(code);
    let rows = state.store.outbox_list_by_object(&object, HISTORY_MAX).await.map_err(internal)?;
    Ok(rows
        .into_iter()
        .rev()
        .find(|row| row.kind == super::proof::PUBLISHED)
        .and_then(|row| Some(ProofLine { index: count(row.leaf?), id: row.entry_id, at: row.at })))
}

/// Update cycle (更新周期).
#[must_use]
pub fn cycle(cycle: UpdateCycle) -> Text {
    match cycle {
        UpdateCycle::Realtime => Text::new("实时", "real time"),
        UpdateCycle::Daily => Text::new("每日", "daily"),
        UpdateCycle::Weekly => Text::new("每周", "weekly"),
        UpdateCycle::Monthly => Text::new("每月", "monthly"),
        UpdateCycle::Quarterly => Text::new("每季度", "quarterly"),
        UpdateCycle::Yearly => Text::new("每年", "yearly"),
        UpdateCycle::Irregular => Text::new("不定期", "irregular"),
    }
}

/// Sensitivity of a column; `None`: plain.
#[must_use]
pub fn sensitivity(sensitivity: Sensitivity) -> Option<Text> {
    match sensitivity {
        Sensitivity::Plain => None,
        Sensitivity::Name => Some(Text::new("姓名", "name")),
        Sensitivity::CitizenId => Some(Text::new("身份号码", "identity number")),
        Sensitivity::Phone => Some(Text::new("电话", "telephone")),
        Sensitivity::Account => Some(Text::new("账号", "account")),
        Sensitivity::Address => Some(Text::new("住址", "address")),
        Sensitivity::BirthDate => Some(Text::new("出生日期", "birth date")),
        Sensitivity::Hidden => Some(Text::new("敏感，整体隐藏", "sensitive, hidden whole")),
    }
}

/// Way of supply (共享方式).
#[must_use]
pub fn method_title(method: ShareMethod) -> Text {
    match method {
        ShareMethod::Service => Text::new("服务接口", "service"),
        ShareMethod::Exchange => Text::new("批量交换", "batch exchange"),
        ShareMethod::File => Text::new("文件下载", "file download"),
    }
}

fn format_title(format: Format) -> Text {
    match format {
        Format::File => Text::new("电子文件", "file"),
        Format::Spreadsheet => Text::new("电子表格", "spreadsheet"),
        Format::Database => Text::new("数据库", "database"),
    }
}

fn open_title(open: &OpenAttribute) -> Text {
    match open {
        OpenAttribute::Closed => Text::new("不予开放", "not opened"),
        OpenAttribute::Open => Text::new("无条件开放", "opened to everybody"),
        OpenAttribute::Conditional { condition } => Text {
            zh: format!("有条件开放：{}", condition.zh),
            en: condition.en.as_ref().map(|condition| format!("opened on conditions: {condition}")),
        },
    }
}

fn dimension(dimension: Dimension) -> Text {
    match dimension {
        Dimension::Conformity => Text::new("规范性", "conformity"),
        Dimension::Completeness => Text::new("完整性", "completeness"),
        Dimension::Accuracy => Text::new("准确性", "accuracy"),
        Dimension::Consistency => Text::new("一致性", "consistency"),
        Dimension::Timeliness => Text::new("时效性", "timeliness"),
        Dimension::Accessibility => Text::new("可访问性", "accessibility"),
    }
}
