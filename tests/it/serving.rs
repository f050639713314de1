//! A running server, and what a department asks of it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::program::yihe;

/// A program that serves; killed when the test ends, however it ends.
pub struct Serving {
    child: Child,
    told: Value,
}

impl Serving {
    /// Starts a command that serves and says so in one line of JSON.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it speaks");
        Self { child, told: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")) }
    }

    /// Serves a data folder at an address of its own.
    pub fn folder(data: &Path) -> Self {
        Self::start(yihe(data, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Where it listens: `http://…`.
    pub fn address(&self) -> &str {
        self.told["address"].as_str().expect("an address")
    }

    /// Asks for the record with this key, as the department does that the token was given to.
    pub async fn call(&self, source: &str, key: &str, token: &str) -> reqwest::Response {
        let answer = reqwest::Client::new()
            .get(format!("{}/api/v1/share/{source}/records/{key}", self.address()))
            .bearer_auth(token)
            .header("X-Yihe-Case", "case-1")
            .send();
        answer.await.expect("an answer")
    }

    /// The body of a supply.
    pub async fn supply(&self, source: &str, key: &str, token: &str) -> Value {
        let answer = self.call(source, key, token).await;
        assert_eq!(answer.status(), 200, "{source}");
        answer.json().await.expect("json")
    }

    /// Ends it as an operator does, and says whether it ended well.
    pub fn stop(mut self) -> bool {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        asked.success() && self.child.wait().expect("it ends").success()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
