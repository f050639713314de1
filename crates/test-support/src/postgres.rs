//! A real PostgreSQL server for the tests of one binary, and a database of its own for each test.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

/// How long the server may take to answer.
const START_SECONDS_MAX: u64 = 60;

/// Role that owns every test database.
const OWNER: &str = "yihe";

/// A running server. It ends, and its folder goes, when the test process ends, however it ends.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
}

impl Postgres {
    /// The server of this test binary, started on the first call.
    ///
    /// # Panics
    /// PostgreSQL is not installed (the message names the command that installs it) or does not start.
    pub async fn shared() -> &'static Self {
        static SERVER: OnceCell<Postgres> = OnceCell::const_new();
        SERVER
            .get_or_init(|| async {
                tokio::task::spawn_blocking(start).await.expect("starting the server does not panic otherwise")
            })
            .await
    }

    /// The address of a fresh, empty database.
    ///
    /// # Panics
    /// The server refuses to create it.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&self.address("postgres"))
            .await
            .expect("the server answers");
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await
            .expect("the server creates a database");
        self.address(&name)
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

fn start() -> Postgres {
    let bin = binaries();
    let folder = tempfile::Builder::new().prefix("yihe-postgres-").tempdir().expect("a temporary folder").keep();
    let user = unprivileged_user(&folder);
    let data = folder.join("data");
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.arg("--pgdata").arg(&data).args(["--username", OWNER, "--auth=trust", "--encoding=UTF8"]);
    // C.UTF-8 exists everywhere and sorts by code point, as SQLite does.
    initdb.args(["--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
    run_as(&mut initdb, user);
    let output = initdb.current_dir(&folder).output().expect("initdb runs");
    assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));

    let mut last_failure = String::new();
    for _ in 0..3 {
        match serve(&bin, &folder, &data, user) {
            Ok(port) => return Postgres { port },
            // Another process may have taken the port between looking for it and binding it.
            Err(failure) => last_failure = failure,
        }
    }
    panic!("postgres did not start: {last_failure}");
}

/// Starts the server under a shell that waits for the end of its input. The test process holds the
/// other end of that pipe: when it ends, even by `kill -9`, the shell stops the server and clears up.
fn serve(bin: &Path, folder: &Path, data: &Path, user: Option<u32>) -> Result<u16, String> {
    let port = free_port();
    let script = r#"
        "$1" -D "$2" -p "$3" -h 127.0.0.1 -k "$4" -c fsync=off -c synchronous_commit=off \
            -c full_page_writes=off -c max_connections=300 >"$4/log" 2>&1 </dev/null &
        server=$!
        echo started
        while read -r _; do :; done
        kill -QUIT "$server" 2>/dev/null
        wait "$server"
        rm -rf "$4"
    "#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(bin.join("postgres")).arg(data).arg(port.to_string()).arg(folder);
    run_as(&mut shell, user);
    let mut child = shell
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    let stdout = child.stdout.take().expect("the shell's output is a pipe");
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while Instant::now() < deadline {
        let mut ready = Command::new(bin.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-U", OWNER, "-p"]).arg(port.to_string());
        if ready.status().is_ok_and(|status| status.success()) {
            // Never dropped: dropping would close the pipe.
            std::mem::forget(child.stdin.take());
            return Ok(port);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    Err(format!("no answer within {START_SECONDS_MAX} s: {log}"))
}

/// The newest installed binaries.
fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists())
        .collect();
    found.sort();
    let Some((_, bin)) = found.pop() else {
        panic!("found no PostgreSQL server, expected one; install it with: apt-get install -y postgresql");
    };
    bin
}

/// PostgreSQL refuses to run as root: then the user of the Debian package runs it and owns the folder.
fn unprivileged_user(folder: &Path) -> Option<u32> {
    let probe = Command::new("id").arg("-u").output().expect("id runs");
    if String::from_utf8_lossy(&probe.stdout).trim() != "0" {
        return None;
    }
    let probe = Command::new("id").args(["-u", "postgres"]).output().expect("id runs");
    let user = String::from_utf8_lossy(&probe.stdout).trim().parse().expect("the package created the user postgres");
    std::os::unix::fs::chown(folder, Some(user), None).expect("root may give a folder away");
    Some(user)
}

fn run_as(command: &mut Command, user: Option<u32>) {
    use std::os::unix::process::CommandExt as _;
    if let Some(user) = user {
        command.uid(user);
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
