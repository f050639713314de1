//! `yihe demo`: a city, and its data through the main line.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, Result, bail};
use arrow::{array::AsArray, datatypes::DataType};
use futures::StreamExt;
use jiff::civil::date;
use serde_json::{Value, json};
use yihe_city::{CityOptions, Truth};
use yihe_definitions::{EntityKind, Pack};
use yihe_lake::{Scan, TableName, Zone};
use yihe_store::{ObjectKind, ProtectionRow};

use crate::{
    app::App,
    cli::Demo,
    commands::{account, catalogue, check, collect, ledger, pack, registry, serve, share, theme},
    config::Config,
    memory,
    output::{Exit, Output, grouped, warn},
    packs, sequence,
};

/// Registry whose golden table is shared, and the department that asks for it.
const SHARED_REGISTRY: &str = "population";
const REQUESTER: &str = "minzheng";
/// People of the city who are protected.
const PROTECTED: usize = 2;

/// One line of the report.
struct Step {
    name: &'static str,
    rows_in: u64,
    accepted: u64,
    quarantined: u64,
    seconds: f64,
    peak_bytes: u64,
}

/// Takes the time and the memory of each step.
struct Steps<'a> {
    output: &'a Output,
    done: Vec<Step>,
    began: Instant,
}

impl<'a> Steps<'a> {
    fn new(output: &'a Output) -> Self {
        memory::reset();
        Self { output, done: Vec::new(), began: Instant::now() }
    }

    fn end(&mut self, name: &'static str, rows_in: u64, accepted: u64, quarantined: u64) {
        let seconds = self.began.elapsed().as_secs_f64();
        let step = Step { name, rows_in, accepted, quarantined, seconds, peak_bytes: memory::peak_bytes() };
        if !self.output.json {
            warn(&format!("  ✓ {} {seconds:.1} s", heading(name, self.output)));
        }
        self.done.push(step);
        memory::reset();
        self.began = Instant::now();
    }
}

/// The command.
pub async fn run(demo: Demo, mut config: Config, output: &Output) -> Result<Exit> {
    let connections = [("postgres", &demo.postgres), ("mariadb", &demo.mariadb)];
    for (name, url) in connections {
        if let Some(url) = url {
            config.connections.insert(name.to_owned(), url.clone());
        }
    }
    let listen = demo.listen.clone().unwrap_or_else(|| config.listen.clone());
    let app = App::open(config).await?;
    let definitions = Pack::from_files(&[packs::base(), packs::demo()])?;
    if !output.json {
        warn(output.say("示范市走完全程：", "the demonstration city, from end to end:"));
    }
    let mut steps = Steps::new(output);

    let truth = generate(&app, &definitions, &demo, output).await?;
    let delivered: u64 = truth.datasets.values().map(|dataset| dataset.rows).sum();
    steps.end("generate", 0, delivered, 0);
    if demo.only_generate {
        report(&steps.done, None, output);
        return Ok(Exit::Done);
    }

    let applied = pack::put_in_force(&app, &definitions).await?;
    let documents = (applied.changed + applied.unchanged) as u64;
    steps.end("pack apply", documents, documents, 0);

    let received = collect::collect(&app, &definitions, &[], output).await?;
    let sums = collect::sums(&received);
    steps.end("collect", sums.rows_in, sums.accepted, sums.quarantined);
    if sums.refused > 0 {
        bail!("{} of the demonstration city's files were refused", sums.refused);
    }

    let checked = check::check(&app, &definitions, &[], output).await?;
    let rows: u64 = checked.iter().map(|one| one.rows).sum();
    let held: u64 = checked.iter().map(|one| one.held).sum();
    steps.end("check", rows, rows - held, held);
    let tickets = check::tickets(&checked);
    let faults: u64 = checked.iter().flat_map(|one| one.followed.tallies.values()).map(|tally| tally.open).sum();
    steps.end("tickets", faults, tickets.opened, 0);

    protect(&app).await?;
    let built = registry::build(&app, &definitions, &[], output).await?;
    let records = built.iter().map(|one| one.records + one.unlinked).sum();
    let entities = built.iter().map(|one| one.entities).sum();
    steps.end("registry build", records, entities, built.iter().map(|one| one.unlinked).sum());

    // Something to review: records without a usable number, beside the people they may be of.
    let shared = definitions.registry(SHARED_REGISTRY).context("the demonstration city has a population registry")?;
    let looked_for = app
        .builder()
        .candidates(shared, app.config.threads)
        .await
        .map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    let likely = looked_for.certain + looked_for.doubtful;
    steps.end("registry candidates", looked_for.unlinked, likely, looked_for.unlinked.saturating_sub(likely));

    let themes = theme::build(&app, &definitions, &[], output).await?;
    let rows = themes.iter().map(|one| one.rows).sum();
    steps.end("theme build", entities, rows, 0);

    let secret = std::env::var("YIHE_PASSPHRASE").unwrap_or_else(|_| "yihe-demo-2026".to_owned());
    account::cast(&app, &definitions, &secret).await?;
    let room = catalogue::room(&app, &definitions)?;
    let published = catalogue::publish(&app, &room, &definitions, output).await?;
    let entries = (published.published.len() + published.unchanged) as u64;
    steps.end("catalogue publish", entries, entries, 0);

    let wish = wish(&app, &definitions).await?;
    let shared = share::grant(&app, &definitions, &wish, output).await?;
    steps.end("share request", 1, 1, 0);

    // Without a server to leave running, any free port will do.
    let server = serve::Server::start(&app, if demo.no_serve { "127.0.0.1:0" } else { &listen }).await?;
    let supplied = supply(&app, &definitions, &server.address, &shared).await?;
    steps.end("supply", 1, supplied.rows, 0);

    sequence_until_quiet(&app).await?;
    let proven = ledger::verify(&app, output).await?;
    steps.end("ledger verify", proven.audit.entries, proven.audit.entries, 0);

    let root = proven.audit.root_sha256.map(hex::encode);
    let ledger = json!({ "entries": proven.audit.entries, "root": root, "root_sm3": proven.audit.root_sm3.map(hex::encode), "sound": proven.is_sound() });
    report(&steps.done, Some(&ledger), output);
    output.line(&format!("{} GET {}", output.say("供给示例", "a record supplied:"), supplied.address));
    output.line(&format!("  {}", supplied.body));
    let exit = if proven.is_sound() { Exit::Done } else { ledger::show(&proven, &Output { json: false, ..*output }) };
    if demo.no_serve {
        server.stop().await?;
        return Ok(exit);
    }
    output.line(&format!("{} {}", output.say("请在浏览器打开", "open in a browser:"), server.address));
    output.line(&format!("  {} minzheng-officer / {secret}", output.say("登录", "sign in as")));
    output.line(&format!(
        "  {} gongan-officer: {}/registries/{SHARED_REGISTRY}/review",
        output.say("核对疑似同一的记录", "judge doubtful pairs as"),
        server.address
    ));
    output.line(output.say("按 Ctrl-C 结束。", "Ctrl-C ends it."));
    serve::interrupted().await;
    server.stop().await?;
    Ok(exit)
}

/// Makes the city, unless the same one stands there from an interrupted run.
async fn generate(app: &App, definitions: &Pack, demo: &Demo, output: &Output) -> Result<Truth> {
    let known = app.config.data.join("truth").join("truth.json");
    if let Ok(text) = std::fs::read_to_string(&known)
        && let Ok(truth) = serde_json::from_str::<Truth>(&text)
    {
        #[expect(clippy::float_cmp, reason = "the same number, written and read again")]
        if truth.seed == demo.seed && truth.scale == demo.scale {
            return Ok(truth);
        }
        bail!(
            "{} holds another demonstration city (scale {}, seed {}); choose another folder with --data ({})",
            app.config.data.display(),
            truth.scale,
            truth.seed,
            "该目录已有另一座示范市，请用 --data 另选目录"
        );
    }
    let options = CityOptions {
        scale: demo.scale,
        seed: demo.seed,
        out: app.config.data.clone(),
        postgres: demo.postgres.clone(),
        mariadb: demo.mariadb.clone(),
        threads: app.config.threads.min(yihe_city::THREADS_MAX),
    };
    let definitions = definitions.clone();
    let bar = output.bar(output.say("造城", "making the city"), 0);
    let made = tokio::task::spawn_blocking(move || {
        let made = yihe_city::generate(&definitions, &options, &mut |progress| {
            bar.set_length(progress.rows_total);
            bar.set_position(progress.rows);
        });
        bar.finish_and_clear();
        made
    })
    .await
    .context("the generator stopped")?;
    Ok(made?.truth)
}

/// Notes two people of the city as protected, as a court's order or a witness programme would.
async fn protect(app: &App) -> Result<()> {
    let register = TableName::new(Zone::Checked, "population_household")?;
    let scan =
        Scan { columns: Some(vec!["citizen_id".to_owned()]), limit: Some(PROTECTED), ordered: true, ..Scan::default() };
    let mut stream = app.lake.scan(&register, scan).await?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let numbers = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
        for number in numbers.as_string::<i32>().iter().flatten() {
            let Some(key) = yihe_registries::key::usable(EntityKind::Person, number) else { continue };
            if app.store.protection_find_standing(SHARED_REGISTRY, &key).await?.is_some() {
                continue;
            }
            let now = app.clock.now();
            let machine = app.machine();
            let act = machine.act("entity.protected", now);
            let row = ProtectionRow {
                id: app.store.new_id(now),
                registry: SHARED_REGISTRY.to_owned(),
                entity_key: key.into_owned(),
                basis: "个人信息保护法第二十八条；示范".to_owned(),
                since: date(2026, 1, 1),
                until: None,
                noted_by: act.actor.to_owned(),
                noted_at: now,
                lifted_at: None,
                lifted_by: None,
                version: 1,
            };
            let mut tx = app.store.begin().await?;
            tx.protection_insert(&row, &act).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// What the civil affairs bureau asks for: a few fields of the population registry.
async fn wish(app: &App, definitions: &Pack) -> Result<share::Wish> {
    let registry = definitions.registry(SHARED_REGISTRY).context("the demonstration city has a population registry")?;
    let entry = catalogue::room(app, definitions)?
        .find_published_by_source(&yihe_catalogue::EntrySource::Registry(registry.id.clone()))
        .await?
        .context("the population registry is published")?;
    let wanted = [registry.key.as_str(), "name", "sex", "birth_on", "household_address", "marital_status"];
    Ok(share::Wish {
        entry: entry.code.to_string(),
        department: REQUESTER.to_owned(),
        basis: "《婚姻登记条例》第四条".to_owned(),
        purpose: "婚姻登记核验".to_owned(),
        columns: wanted.iter().map(|column| (*column).to_owned()).collect(),
        rows: Vec::new(),
    })
}

struct Supplied {
    rows: u64,
    address: String,
    body: String,
}

/// Asks the running server for one record, as the requester's system would.
async fn supply(app: &App, definitions: &Pack, address: &str, shared: &share::Shared) -> Result<Supplied> {
    let registry = definitions.registry(SHARED_REGISTRY).context("the demonstration city has a population registry")?;
    let key = registry::any_key(app, registry).await?;
    let url = format!("{address}/api/v1/share/{}/records/{key}", registry.id);
    let response = reqwest::Client::new()
        .get(&url)
        .bearer_auth(&shared.token)
        .header("X-Yihe-Case", "HY-2026-000001")
        .send()
        .await
        .context("failed to call the service door")?;
    let status = response.status();
    let body: Value = response.json().await.context("the service door did not answer in JSON")?;
    if !status.is_success() {
        bail!("the service door answered {status}: {body}");
    }
    if body["records"].as_array().is_none_or(Vec::is_empty) {
        bail!("the service door gave no record of a person who is in the registry: {body}");
    }
    let uses = app.store.usage_list(Some(&shared.grant.id), 0, 1).await?;
    let receipt = uses.first().map(|used| ObjectKind::Usage.name(&used.id)).context("every supply has a use record")?;
    // The key of a person does not go to the terminal.
    let shown = url.replace(&key, "…");
    Ok(Supplied { rows: 1, address: format!("{shown}  ({receipt})"), body: body.to_string() })
}

/// Waits until the server's sequencer has entered everything.
async fn sequence_until_quiet(app: &App) -> Result<()> {
    app.store.calls_close(&app.machine().act(sequence::CALLS_KIND, app.clock.now())).await?;
    for _ in 0..600 {
        if app.store.outbox_count_pending().await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    bail!("the ledger did not take everything within 30 seconds")
}

fn heading(name: &str, output: &Output) -> String {
    let names: BTreeMap<&str, &str> = [
        ("generate", "造城"),
        ("pack apply", "启用定义"),
        ("collect", "归集"),
        ("check", "检查"),
        ("tickets", "问题开单"),
        ("registry build", "建库"),
        ("registry candidates", "查找候选"),
        ("theme build", "建主题库"),
        ("catalogue publish", "发布目录"),
        ("share request", "申请与授权"),
        ("supply", "供给"),
        ("ledger verify", "验证账本"),
    ]
    .into();
    let zh = names.get(name).copied().unwrap_or(name);
    output.say(&format!("{zh} {name}"), name).to_owned()
}

fn report(steps: &[Step], ledger: Option<&Value>, output: &Output) {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let rows = step.rows_in.max(step.accepted) as f64;
            vec![
                heading(step.name, output),
                grouped(step.rows_in),
                grouped(step.accepted),
                grouped(step.quarantined),
                format!("{:.2}", step.seconds),
                format!("{:.0}", rows / step.seconds.max(0.001)),
                (step.peak_bytes >> 20).to_string(),
            ]
        })
        .collect();
    let headings = [
        output.say("步骤", "step"),
        output.say("进", "rows in"),
        output.say("成", "accepted"),
        output.say("隔离/扣留", "set aside"),
        output.say("秒", "seconds"),
        output.say("行/秒", "rows/s"),
        output.say("峰值 MiB", "peak MiB"),
    ];
    output.table(&headings, &rows);
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name, "rows_in": step.rows_in, "accepted": step.accepted, "quarantined": step.quarantined,
                "seconds": step.seconds, "peak_memory_bytes": step.peak_bytes,
            })
        })
        .collect();
    if let Some(ledger) = ledger {
        output.line(&format!(
            "{} {} {}\n  root {}",
            output.say("账本", "ledger"),
            ledger["entries"],
            output.say("条登记，全部证实", "entries, all proven"),
            ledger["root"].as_str().unwrap_or("-")
        ));
    }
    output.object(&json!({ "steps": steps, "ledger": ledger }));
}
