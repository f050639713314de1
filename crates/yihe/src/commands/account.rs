//! `yihe account add|cast|list`

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, bail};
use serde_json::json;
use yihe_definitions::{Department, Pack};
use yihe_store::{Account as Row, Role};
use yihe_web::passphrase;

use crate::{
    app::App,
    cli::Account,
    commands::catalogue::accounts,
    output::{Exit, Output},
};

/// Longest passphrase taken from standard input, in bytes.
const PASSPHRASE_BYTES_MAX: u64 = 4_096;

/// The command.
pub async fn run(app: &App, account: Account, output: &Output) -> Result<Exit> {
    match account {
        Account::Add { login, name, department, roles } => {
            let pack = app.pack().await?;
            if pack.department(&department).is_none() {
                bail!("found no department `{department}` in the definitions in force (没有这个部门)");
            }
            let roles = roles
                .iter()
                .map(|role| role.parse().map_err(|error: String| anyhow::anyhow!(error)))
                .collect::<Result<Vec<Role>>>()?;
            let hash = passphrase::hash(&passphrase()?, &salt(app))?;
            insert(app, &login, &name, &department, &roles, &hash).await?;
            output.line(&format!("{} {login}", output.say("已新增账号", "account added:")));
            output.object(&json!({ "login": login, "department": department }));
            Ok(Exit::Done)
        }
        Account::Cast => {
            let pack = app.pack().await?;
            let secret = hex::encode(&app.store.new_secret()[..8]);
            let made = cast(app, &pack, &secret).await?;
            output.line(&format!(
                "{} {}. {} {secret}",
                output.say("新建账号", "accounts made:"),
                made.len(),
                output.say("口令（只显示这一次）：", "passphrase (shown this once):")
            ));
            output.object(&json!({ "made": made, "passphrase": secret }));
            Ok(Exit::Done)
        }
        Account::List => {
            let all = accounts(app).await?;
            let roles = |account: &Row| account.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|account| {
                    vec![account.login.clone(), account.name.clone(), account.department.clone(), roles(account)]
                })
                .collect();
            let headings = [
                output.say("登录名", "login"),
                output.say("姓名", "name"),
                output.say("部门", "department"),
                output.say("角色", "roles"),
            ];
            output.table(&headings, &rows);
            let list: Vec<_> =
                all.iter().map(|account| json!({ "login": account.login, "department": account.department })).collect();
            output.object(&json!({ "accounts": list }));
            Ok(Exit::Done)
        }
    }
}

/// An officer and a head for every department, and a reviewer for the competent authority; those that are there
/// stay as they are. Returns the logins made now.
pub async fn cast(app: &App, pack: &Pack, secret: &str) -> Result<Vec<String>> {
    let there = accounts(app).await?;
    // One slow hash for all: the accounts of a demonstration share their passphrase anyway.
    let hash = passphrase::hash(secret, &salt(app))?;
    let mut made = Vec::new();
    let mut wanted: Vec<(&Department, Role)> = Vec::new();
    for department in &pack.departments {
        wanted.extend([(department, Role::Officer), (department, Role::Head)]);
        if department.id == app.config.authority {
            wanted.push((department, Role::Reviewer));
        }
    }
    for (department, role) in wanted {
        if there.iter().any(|account| account.department == department.id && account.roles.contains(&role)) {
            continue;
        }
        let login = format!("{}-{role}", department.id);
        let (title, _) = role.titles();
        insert(app, &login, &format!("{}{title}", department.name.zh), &department.id, &[role], &hash).await?;
        made.push(login);
    }
    Ok(made)
}

async fn insert(app: &App, login: &str, name: &str, department: &str, roles: &[Role], hash: &str) -> Result<()> {
    let now = app.clock.now();
    let account = Row {
        id: app.store.new_id(now),
        login: login.to_owned(),
        name: name.to_owned(),
        department: department.to_owned(),
        password_hash: hash.to_owned(),
        roles: roles.to_vec(),
        office: None,
        created_at: now,
        disabled_at: None,
    };
    let mut tx = app.store.begin().await?;
    tx.account_insert(&account, "system").await?;
    Ok(tx.commit().await?)
}

fn salt(app: &App) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&app.store.new_secret()[..16]);
    salt
}

/// The passphrase from the environment, or the first line of standard input.
fn passphrase() -> Result<String> {
    if let Ok(given) = std::env::var("YIHE_PASSPHRASE") {
        return Ok(given);
    }
    if std::io::stdin().is_terminal() {
        bail!(
            "found no passphrase, expected one in YIHE_PASSPHRASE or on standard input (请由 YIHE_PASSPHRASE 或标准输入给出口令)"
        );
    }
    let mut text = String::new();
    std::io::stdin().take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text).context("failed to read the passphrase")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
