//! The binary, as a person at a terminal meets it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Where the binary is: `YIHE_BIN`, as `make test` says, or beside this test in the build cache.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("YIHE_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a test has a path");
    let path = own.parent().and_then(Path::parent).expect("deps lies in release").join("yihe");
    assert!(path.exists(), "found no {}; build it first: make build", path.display());
    path
}

/// A command of the binary on a data folder, in English.
pub fn yihe(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("--data").arg(data).args(["--lang", "en"]).args(words);
    command.env_remove("YIHE_FAULT");
    command
}

/// Runs a command that must succeed and returns the JSON object it prints.
pub fn json(data: &Path, words: &[&str]) -> Value {
    let output = yihe(data, words).arg("--json").output().expect("the binary runs");
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    parsed(&output)
}

/// The JSON object on standard output.
pub fn parsed(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error} in {text:?}\n{}", said(output)))
}

/// Everything a command said.
pub fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
