//! The binary: commands, configuration, wiring. No rules of the city's work live here.
//!
//! Reading order: [`cli`] → [`config`] → [`app`] → [`packs`] → [`sequence`] → [`cosign`] → [`watch`] →
//! [`commands`] → [`output`].
//!
//! # Recipe: a new command
//! 1. Add its words to `cli.rs` with a help text that shows a whole example.
//! 2. Write `commands/<name>.rs`: open the [`app::App`], call the room, hand the result to [`output`].
//! 3. It prints a table for people and one JSON object with `--json`; its exit code is one of [`output::Exit`].

mod app;
mod cli;
mod commands;
mod config;
mod conflicts;
mod cosign;
mod faults;
mod memory;
mod output;
mod packs;
mod sequence;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::output::Output;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = Output::new(&cli.common);
    let config = match config::Config::load(&cli.common) {
        Ok(config) => config,
        Err(error) => return output.config_fault(&error),
    };
    start_log(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(config.threads).enable_all().build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output.failure(&error.into()),
    };
    match runtime.block_on(commands::run(cli.command, config, &output)) {
        Ok(exit) => exit.into(),
        Err(error) => output.failure(&error),
    }
}

/// Log lines go to standard error, so that standard output stays a table or one JSON object.
fn start_log(config: &config::Config) {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // Statistics that the engine cannot use for skipping files cost a little time; an operator can do nothing.
    let filter = filter.add_directive("datafusion_common::pruning=error".parse().expect("a directive"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
