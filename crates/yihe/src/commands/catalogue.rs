//! `yihe catalogue publish|search`

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use yihe_catalogue::{Catalogue as Room, PublishReport, Search};
use yihe_definitions::Pack;
use yihe_store::{Account, Actor, Role};

use crate::{
    app::App,
    cli::Catalogue,
    output::{Exit, Output},
    sequence,
};

/// Entries of one page of results.
const RESULTS: i64 = 20;

/// The command.
pub async fn run(app: &App, catalogue: Catalogue, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    let room = room(app, &pack)?;
    match catalogue {
        Catalogue::Publish => {
            let report = publish(app, &room, &pack, output).await?;
            sequence::settle(app).await?;
            output.line(&format!(
                "{} {}，{} {}，{} {}",
                output.say("新发布", "published"),
                report.published.len(),
                output.say("未变", "unchanged"),
                report.unchanged,
                output.say("不入目录", "internal"),
                report.internal
            ));
            output.object(
                &json!({ "published": report.published, "unchanged": report.unchanged, "internal": report.internal }),
            );
            Ok(Exit::Done)
        }
        Catalogue::Search { words } => {
            let search = Search { words: words.join(" "), ..Search::default() };
            let page =
                room.search(&search, 0, RESULTS).await.map_err(|error| anyhow!(error.message(output.language)))?;
            let rows: Vec<Vec<String>> = page
                .entries
                .iter()
                .map(|entry| {
                    vec![
                        entry.code.clone(),
                        entry.title.get(output.language).to_owned(),
                        entry.department_name.get(output.language).to_owned(),
                    ]
                })
                .collect();
            let headings =
                [output.say("代码", "code"), output.say("名称", "title"), output.say("提供单位", "department")];
            output.table(&headings, &rows);
            output.line(&format!("{} {}", output.say("共", "in all"), page.total));
            let found: Vec<_> =
                page.entries.iter().map(|entry| json!({ "code": entry.code, "title": entry.title })).collect();
            output.object(&json!({ "total": page.total, "entries": found }));
            Ok(Exit::Done)
        }
    }
}

/// The catalogue over the opened data folder.
pub fn room(app: &App, pack: &Pack) -> Result<Room> {
    let docket = app.docket(pack)?;
    Room::new(app.store.clone(), docket, app.config.authority.as_str(), &BTreeMap::new())
        .map_err(|defects| anyhow!("the city's terms are at fault: {defects:?}"))
}

/// Takes every entry of the pack through compilation, signature, review and publication.
pub async fn publish(app: &App, room: &Room, pack: &Pack, output: &Output) -> Result<PublishReport> {
    let cast = cast(app, pack).await?;
    let actor = |department: &str, role: Role| {
        (app.faults)("publish.step");
        cast.actor(department, role)
    };
    room.publish_all(pack, &actor, app.clock.now()).await.map_err(|error| anyhow!(error.message(output.language)))
}

/// Who acts for each department in each role.
#[derive(Debug, Default)]
pub struct Cast(HashMap<(String, Role), Actor>);

impl Cast {
    /// The actor for `role` in `department`; without one an actor who holds no role, whom every step refuses by name.
    pub fn actor(&self, department: &str, role: Role) -> Actor {
        let known = self.0.get(&(department.to_owned(), role)).cloned();
        known.unwrap_or_else(|| Actor {
            account: format!("nobody-{role}"),
            department: department.to_owned(),
            roles: Vec::new(),
        })
    }
}

/// The accounts of all departments as actors.
///
/// # Errors
/// A department that publishes something has nobody for a step; the sentence says how to add somebody.
pub async fn cast(app: &App, pack: &Pack) -> Result<Cast> {
    let mut cast = Cast::default();
    for account in accounts(app).await? {
        for role in &account.roles {
            cast.0.entry((account.department.clone(), *role)).or_insert_with(|| account.actor());
        }
    }
    let providers =
        pack.datasets.iter().filter(|dataset| dataset.publication.is_some()).map(|dataset| &dataset.department);
    let runners =
        pack.registries.iter().filter(|registry| registry.publication.is_some()).map(|registry| &registry.department);
    let themes = pack.themes.iter().filter(|theme| theme.publication.is_some()).map(|theme| &theme.department);
    let mut wanted: Vec<(&str, Role)> = vec![(app.config.authority.as_str(), Role::Reviewer)];
    for department in providers.chain(runners).chain(themes) {
        wanted.extend([(department.as_str(), Role::Officer), (department.as_str(), Role::Head)]);
    }
    for (department, role) in wanted {
        cast.0.get(&(department.to_owned(), role)).with_context(|| {
            format!(
                "department `{department}` has no account with role {role}; add one with \
                 `yihe account add NAME --department {department} --roles {role}`, or `yihe account cast` for all (缺少账号)"
            )
        })?;
    }
    Ok(cast)
}

/// Every account that is not disabled.
pub async fn accounts(app: &App) -> Result<Vec<Account>> {
    let mut all = app.store.account_list(None, 0, yihe_store::PAGE_ROWS_MAX).await?;
    all.retain(|account| account.disabled_at.is_none());
    Ok(all)
}
