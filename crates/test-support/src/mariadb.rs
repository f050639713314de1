//! A real MariaDB server for the tests of one binary, and a database of its own for each test.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::OnceCell;

use crate::postgres::free_port;

/// How long the server may take to answer.
const START_SECONDS_MAX: u64 = 60;

/// A running server. It ends, and its folder goes, when the test process ends, however it ends.
#[derive(Debug)]
pub struct Mariadb {
    port: u16,
}

impl Mariadb {
    /// The server of this test binary, started on the first call.
    ///
    /// # Panics
    /// MariaDB is not installed (the message names the command that installs it) or does not start.
    pub async fn shared() -> &'static Self {
        static SERVER: OnceCell<Mariadb> = OnceCell::const_new();
        SERVER.get_or_init(start).await
    }

    /// The address of a fresh, empty database.
    ///
    /// # Panics
    /// The server refuses to create it.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = MySqlConnection::connect(&self.address("")).await.expect("the server answers");
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")))
            .execute(&mut admin)
            .await
            .expect("the server creates a database");
        self.address(&name)
    }

    fn address(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}?ssl-mode=disabled", self.port)
    }
}

async fn start() -> Mariadb {
    let binary = ["/usr/sbin/mariadbd", "/usr/bin/mariadbd"].into_iter().find(|path| Path::new(path).exists());
    let Some(binary) = binary else {
        panic!("found no MariaDB server, expected one; install it with: apt-get install -y mariadb-server");
    };
    let folder = tempfile::Builder::new().prefix("yihe-mariadb-").tempdir().expect("a temporary folder").keep();
    let data = folder.join("data");
    let mut install = Command::new("mariadb-install-db");
    install
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    let output = install.output().expect("mariadb-install-db runs");
    assert!(output.status.success(), "mariadb-install-db failed: {}", String::from_utf8_lossy(&output.stderr));

    let port = free_port();
    // As with PostgreSQL: the shell stops the server when the test process, which holds its input, is gone.
    let script = r#"
        "$1" --no-defaults --user="$(id -un)" --datadir="$2" --port="$3" --bind-address=127.0.0.1 \
            --socket="$4/socket" --pid-file="$4/pid" --skip-log-bin --innodb-flush-log-at-trx-commit=0 \
            >"$4/log" 2>&1 </dev/null &
        server=$!
        echo started
        while read -r _; do :; done
        kill -KILL "$server" 2>/dev/null
        wait "$server"
        rm -rf "$4"
    "#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh", binary]).arg(&data).arg(port.to_string()).arg(&folder);
    #[expect(clippy::zombie_processes, reason = "the server lives as long as the test process")]
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("the shell's output is a pipe"))
        .read_line(&mut line)
        .expect("the shell speaks");
    // Never dropped: dropping would close the pipe.
    std::mem::forget(child.stdin.take());
    let server = Mariadb { port };
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while Instant::now() < deadline {
        if MySqlConnection::connect(&server.address("")).await.is_ok() {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("mariadb did not answer within {START_SECONDS_MAX} s: {log}");
}
