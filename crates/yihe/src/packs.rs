//! Packs between folders, the binary and the store.

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use serde::de::DeserializeOwned;
use yihe_definitions::{Pack, pack::PackFiles};
use yihe_store::{Act, DefinitionDraft, PackApplied, Store};

static BASE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../packs/base");
static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../packs/demo");

/// Kind of the one document that holds what has no identifier of its own.
const WHOLE: &str = "pack";

/// The base pack that the binary carries: code tables, divisions, calendars.
pub fn base() -> PackFiles {
    embedded(&BASE)
}

/// The demonstration city's pack.
pub fn demo() -> PackFiles {
    embedded(&DEMO)
}

fn embedded(folder: &Dir<'_>) -> PackFiles {
    let mut files = PackFiles::default();
    let mut waiting = vec![folder];
    while let Some(current) = waiting.pop() {
        waiting.extend(current.dirs());
        for file in current.files() {
            let name = file.path().to_string_lossy().into_owned();
            let wanted = [".yaml", ".yml", ".csv"].iter().any(|end| name.ends_with(end));
            if let Some(text) = file.contents_utf8().filter(|_| wanted) {
                files.0.insert(name, text.to_owned());
            }
        }
    }
    files
}

/// Puts a pack in force: every document a version of its own.
pub async fn apply(store: &Store, pack: &Pack, act: &Act<'_>) -> Result<PackApplied> {
    let mut drafts = Vec::new();
    let mut add = |kind: &str, name: &str, body: String| {
        drafts.push(DefinitionDraft { kind: kind.to_owned(), name: name.to_owned(), body });
    };
    for department in &pack.departments {
        add("department", &department.id, serde_json::to_string(department)?);
    }
    for dataset in &pack.datasets {
        add("dataset", &dataset.id, serde_json::to_string(dataset)?);
    }
    for registry in &pack.registries {
        add("registry", &registry.id, serde_json::to_string(registry)?);
    }
    for theme in &pack.themes {
        add("theme", &theme.id, serde_json::to_string(theme)?);
    }
    for release in &pack.releases {
        add("release", &release.id, serde_json::to_string(release)?);
    }
    for calendar in &pack.calendars {
        add("calendar", &calendar.year.to_string(), serde_json::to_string(calendar)?);
    }
    for table in &pack.code_tables {
        add("code_table", &table.id, serde_json::to_string(table)?);
    }
    add(WHOLE, "schemes", serde_json::to_string(&pack.schemes)?);
    add(WHOLE, "rule_sets", serde_json::to_string(&pack.rule_sets)?);
    add(WHOLE, "registry_shapes", serde_json::to_string(&pack.registry_shapes)?);
    add(WHOLE, "manifests", serde_json::to_string(&pack.manifests)?);
    add(WHOLE, "divisions", serde_json::to_string(&pack.divisions)?);
    let order = Order {
        departments: pack.departments.iter().map(|department| department.id.clone()).collect(),
        datasets: pack.datasets.iter().map(|dataset| dataset.id.clone()).collect(),
        registries: pack.registries.iter().map(|registry| registry.id.clone()).collect(),
        themes: pack.themes.iter().map(|theme| theme.id.clone()).collect(),
    };
    add(WHOLE, "order", serde_json::to_string(&order)?);
    let mut tx = store.begin().await?;
    let applied = tx.pack_apply(&drafts, act).await?;
    tx.commit().await?;
    Ok(applied)
}

/// The order in which a pack names things; the store lists them by name.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Order {
    departments: Vec<String>,
    datasets: Vec<String>,
    registries: Vec<String>,
    /// Absent where a release that knew no themes applied the pack.
    #[serde(default)]
    themes: Vec<String>,
}

/// The pack in force.
pub async fn in_force(store: &Store) -> Result<Pack> {
    if store.pack_find().await?.is_none() {
        anyhow::bail!(
            "no definitions are in force yet; run `yihe pack apply FOLDER` or `yihe demo` (尚未启用任何定义包)"
        );
    }
    let order: Order = whole(store, "order").await?;
    let mut pack = Pack {
        manifests: whole(store, "manifests").await?,
        departments: all(store, "department").await?,
        datasets: all(store, "dataset").await?,
        registries: all(store, "registry").await?,
        themes: all(store, "theme").await?,
        releases: all(store, "release").await?,
        calendars: all(store, "calendar").await?,
        code_tables: all(store, "code_table").await?,
        divisions: whole(store, "divisions").await?,
        rule_sets: whole_or_none(store, "rule_sets").await?,
        registry_shapes: whole_or_none(store, "registry_shapes").await?,
        schemes: whole_or_none(store, "schemes").await?,
    };
    let place = |order: &[String], id: &str| order.iter().position(|known| known == id).unwrap_or(usize::MAX);
    pack.departments.sort_by_key(|department| place(&order.departments, &department.id));
    pack.datasets.sort_by_key(|dataset| place(&order.datasets, &dataset.id));
    pack.registries.sort_by_key(|registry| place(&order.registries, &registry.id));
    pack.themes.sort_by_key(|theme| place(&order.themes, &theme.id));
    Ok(pack)
}

async fn all<T: DeserializeOwned>(store: &Store, kind: &str) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for definition in store.definition_list(kind).await? {
        let document = serde_json::from_str(&definition.body)
            .with_context(|| format!("failed to read definition {kind}/{} from the store", definition.name))?;
        found.push(document);
    }
    Ok(found)
}

/// As [`whole`]; empty where the pack was applied by a release that did not know of it.
async fn whole_or_none<T: DeserializeOwned>(store: &Store, name: &str) -> Result<Vec<T>> {
    match store.definition_find(WHOLE, name).await? {
        Some(_) => whole(store, name).await,
        None => Ok(Vec::new()),
    }
}

async fn whole<T: DeserializeOwned>(store: &Store, name: &str) -> Result<T> {
    let definition = store.definition_find(WHOLE, name).await?;
    let definition = definition.with_context(|| format!("found no definition {WHOLE}/{name} in the store"))?;
    serde_json::from_str(&definition.body)
        .with_context(|| format!("failed to read definition {WHOLE}/{name} from the store"))
}
