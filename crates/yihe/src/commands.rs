//! One file per command.

mod account;
mod catalogue;
mod check;
mod collect;
mod demo;
mod init;
mod ledger;
mod link;
mod pack;
mod quality;
mod registry;
mod rules;
mod serve;
mod share;
mod sql;
mod theme;
pub mod ticket;
mod witness;

use anyhow::Result;

use crate::{
    app::App,
    cli::{Command, Pack, Rules},
    config::Config,
    output::{Exit, Output},
};

/// Runs a command.
pub async fn run(command: Command, config: Config, output: &Output) -> Result<Exit> {
    match command {
        Command::Demo(demo) => demo::run(demo, config, output).await,
        Command::Pack(Pack::Check { folders }) => pack::check(&folders, output).await,
        Command::Pack(Pack::Init { file, out }) => init::run(&file, out, output),
        Command::Pack(Pack::Apply { folders }) => pack::apply(&App::open(config).await?, &folders, output).await,
        Command::Pack(Pack::List) => pack::list(&App::open(config).await?, output).await,
        Command::Collect(datasets) => collect::run(&App::open(config).await?, &datasets.datasets, output).await,
        Command::Check(check) if check.rules.is_some() => check::files(&check, output),
        Command::Check(check) => check::datasets(&App::open(config).await?, &check.subjects, output).await,
        Command::Rules(Rules::Propose { subjects, out }) => {
            rules::propose(config, &subjects, out.as_deref(), output).await
        }
        Command::Ticket(ticket) => ticket::run(&App::open(config).await?, ticket, output).await,
        Command::Sql(words) => sql::run(&App::open(config).await?, &words, output).await,
        Command::Quality(words) => quality::run(&App::open(config).await?, words, output).await,
        Command::Registry(registry) => registry::run(&App::open(config).await?, registry, output).await,
        Command::Theme(theme) => theme::run(&App::open(config).await?, theme, output).await,
        Command::Catalogue(catalogue) => catalogue::run(&App::open(config).await?, catalogue, output).await,
        Command::Share(share) => share::run(&App::open(config).await?, share, output).await,
        Command::Link(command) => link::run(command, output),
        Command::Ledger(ledger) => ledger::run(config, ledger, output).await,
        Command::Witness(witness) => witness::run(&config, witness, output).await,
        Command::Account(account) => account::run(&App::open(config).await?, account, output).await,
        Command::Serve(serve) => serve::run(App::open(config).await?, serve, output).await,
    }
}
