//! The ledger from the command line: proofs, witnesses over HTTP and by file, export, anchors, keys, the
//! nightly round.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    program::{json, parsed, said, yihe},
    serving::Serving,
};

/// A data folder with the demonstration city's definitions published: a few dozen entries.
fn city(data: &Path) {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("packs").join("demo");
    json(data, &["pack", "apply", &packs.display().to_string()]);
    json(data, &["account", "cast"]);
    json(data, &["catalogue", "publish"]);
    json(data, &["ledger", "verify"]);
}

/// Code of some announced entry.
fn announced(data: &Path) -> String {
    let found = json(data, &["catalogue", "search"]);
    found["entries"][0]["code"].as_str().expect("a code").to_owned()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn word(path: &Path) -> String {
    path.display().to_string()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn log_lines(data: &Path) -> String {
    let keys = text(&data.join("keys").join("verifier-keys"));
    let lines: Vec<&str> = keys.lines().filter(|line| !line.starts_with('#')).collect();
    format!("log {}\n", lines.join("\nlog "))
}

/// A witness in a folder of its own, watching the log in `data`; returns its two keys.
fn witness(folder: &Path, name: &str, data: &Path) -> [String; 2] {
    let keys = json(folder, &["witness", "keys", "--name", name]);
    std::fs::write(folder.join("witness").join("policy.txt"), format!("{}quorum none\n", log_lines(data)))
        .expect("written");
    ["ed25519", "sm2"].map(|kind| keys[kind].as_str().expect("a key").to_owned())
}

#[test]
fn a_proof_is_made_and_checked_offline_by_both_verifiers_and_a_changed_byte_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    let out = folder.path().join("proof");
    let object = format!("entry:{}", announced(&data));
    let made = json(&data, &["ledger", "prove", &object, "--out", &word(&out)]);
    let [proof, item, policy] =
        ["proof", "item", "policy"].map(|name| PathBuf::from(made[name].as_str().expect("a path")));
    // Anywhere else, with no data folder at all.
    let elsewhere = folder.path().join("nothing-here");
    let words = |item: &Path| {
        ["ledger", "verify", "--policy", &word(&policy), &word(&proof), &word(item)].map(str::to_owned).to_vec()
    };
    let check = |item: &Path| {
        let words = words(item);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        yihe(&elsewhere, &words).arg("--json").output().expect("it runs")
    };
    let proven = check(&item);
    assert_eq!(proven.status.code(), Some(0), "{}", said(&proven));
    assert_eq!(parsed(&proven)["proven"], true);
    assert!(!elsewhere.exists(), "verifying a proof makes no data folder");
    let python = |item: &Path| {
        let verifier = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("verifier").join("yihe_verify.py");
        let mut command = Command::new("python3");
        command.arg(verifier).arg("proof").arg("--policy").arg(&policy).arg(&proof).arg(item);
        command.output().expect("python3 runs")
    };
    assert_eq!(python(&item).status.code(), Some(0), "{}", said(&python(&item)));
    let forged = folder.path().join("forged.json");
    std::fs::write(&forged, text(&item).replacen("\"state\": \"published\"", "\"state\": \"withdrawn\"", 1))
        .expect("written");
    assert_ne!(text(&forged), text(&item));
    assert_eq!(check(&forged).status.code(), Some(1), "{}", said(&check(&forged)));
    assert_eq!(python(&forged).status.code(), Some(1));
    assert_eq!(check(folder.path()).status.code(), Some(3), "a folder is no item");
}

#[test]
fn witnesses_cosign_over_http_and_by_file_and_the_quorum_publishes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    let (province, audit) = (folder.path().join("province"), folder.path().join("audit"));
    let province_keys = witness(&province, "province.example", &data);
    let audit_keys = witness(&audit, "audit.example", &data);
    let near = Serving::start(yihe(&province, &["witness", "--listen", "127.0.0.1:0"]));
    // The province is reached by network, the audit office by a carried file; both are demanded.
    let mut policy = log_lines(&data);
    for (tree, key) in ["ed", "sm"].iter().zip(&province_keys) {
        policy += &format!("witness province-{tree} {key} {}\n", near.address());
    }
    for (tree, key) in ["ed", "sm"].iter().zip(&audit_keys) {
        policy += &format!("witness audit-{tree} {key}\n");
    }
    policy += "group province any province-ed province-sm\ngroup audit any audit-ed audit-sm\n";
    policy += "group both all province audit\nquorum both\n";
    let policy_path = folder.path().join("policy.txt");
    std::fs::write(&policy_path, &policy).expect("written");
    let with_policy = |words: &[&str]| {
        let mut command = yihe(&data, words);
        command.env("YIHE_POLICY", &policy_path);
        command
    };
    let run = |words: &[&str]| {
        let output = with_policy(words).arg("--json").output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        parsed(&output)
    };

    let server = Serving::start(with_policy(&["serve", "--listen", "127.0.0.1:0"]));
    let pool = data.join("ledger").join("state").join("cosigned");
    let waiting = || std::fs::read_dir(&pool).map_or(0, |list| list.flatten().count());
    until("the province's cosignatures on both trees", || waiting() >= 2);
    let witnessed = data.join("ledger").join("public").join("witnessed").join("checkpoint");
    assert!(!witnessed.exists(), "one of two is no quorum");

    // The file goes across; the answer comes back; the running server takes it in.
    let carry = folder.path().join("carry");
    let requests = run(&["ledger", "cosign-request", "--out", &word(&carry)]);
    let files: Vec<String> = requests["requests"]
        .as_array()
        .expect("requests")
        .iter()
        .map(|request| request["file"].as_str().expect("a path").to_owned())
        .collect();
    assert_eq!(files.len(), 2);
    let cosigned = json(&audit, &["witness", "cosign", &files[0], &files[1]]);
    let answers: Vec<String> = cosigned["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|answer| answer["cosignature"].as_str().expect("a path").to_owned())
        .collect();
    run(&["ledger", "cosign-accept", &answers[0], &answers[1]]);
    assert!(witnessed.exists(), "the quorum is reached");
    assert!(data.join("ledger").join("public").join("sm3").join("witnessed").join("checkpoint").exists());
    // Carried a second time the request no longer begins where the witness stands: it says so.
    let again = yihe(&audit, &["witness", "cosign", &files[0]]).output().expect("it runs");
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("cosign-request --old"), "{}", said(&again));
    assert!(server.stop(), "the server ends well");

    // A proof under this policy needs both; the log with its cosignatures is sound.
    let object = format!("entry:{}", announced(&data));
    let made = run(&["ledger", "prove", &object, "--out", &word(&folder.path().join("proof"))]);
    let [proof, item] = ["proof", "item"].map(|name| made[name].as_str().expect("a path").to_owned());
    let proven = run(&["ledger", "verify", "--policy", &word(&policy_path), &proof, &item]);
    assert_eq!(proven["witnesses"].as_array().map(Vec::len), Some(2), "{proven}");
    let stricter = folder.path().join("stricter.txt");
    let other = policy.replace("any province-ed province-sm", "any province-sm");
    std::fs::write(&stricter, other).expect("written");
    let stricter = word(&stricter);
    let refused = yihe(&data, &["ledger", "verify", "--policy", &stricter, &proof, &item]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "another quorum is not reached: {}", said(&refused));
    assert_eq!(run(&["ledger", "verify"])["sound"], true);
    assert!(near.stop(), "the witness ends well");
}

#[test]
fn a_log_that_was_rolled_back_is_not_cosigned_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    city(&data);
    let audit = folder.path().join("audit");
    witness(&audit, "audit.example", &data);
    // The city keeps a copy, goes on, is cosigned, and then pretends the rest never happened.
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&copy).status().expect("cp runs");
    assert!(copied.success());
    let file = folder.path().join("people.csv");
    std::fs::write(&file, "姓名,月收入\n张三,12\n").expect("written");
    let pack = folder.path().join("people-pack");
    json(&data, &["pack", "init", &word(&file), "--out", &word(&pack)]);
    json(&data, &["pack", "apply", &word(&pack)]);
    json(&data, &["ledger", "verify"]);
    let carry = folder.path().join("carry");
    let made = json(&data, &["ledger", "cosign-request", "--out", &word(&carry)]);
    let size = made["requests"][0]["size"].as_u64().expect("a size");
    let file = made["requests"][0]["file"].as_str().expect("a path").to_owned();
    json(&audit, &["witness", "cosign", &file]);
    let entry = format!("entry:{}", announced(&copy));
    json(&copy, &["ledger", "prove", &entry, "--out", &word(&carry)]);
    let old = json(&copy, &["ledger", "cosign-request", "--out", &word(&folder.path().join("fork"))]);
    let fork = old["requests"][0]["file"].as_str().expect("a path").to_owned();
    let answer = yihe(&audit, &["--json", "witness", "cosign", &fork]).output().expect("it runs");
    assert_eq!(answer.status.code(), Some(1), "{}", said(&answer));
    let answer = parsed(&answer);
    assert_eq!(answer["answers"][0]["status"], 409, "{answer}");
    assert_eq!(answer["answers"][0]["answer"], size.to_string(), "it says how far it has seen");
}

#[test]
fn an_export_is_served_by_any_web_server_and_both_verifiers_find_it_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    let out = folder.path().join("export");
    let exported = json(&data, &["ledger", "export", &word(&out)]);
    let entries = exported["entries"].as_u64().expect("a count");
    assert!(entries > 60, "{exported}");
    let keys = out.join("verifier-keys");
    let elsewhere = folder.path().join("nothing-here");
    let verify = || {
        yihe(&elsewhere, &["--json", "ledger", "verify", "--log", &word(&out), "--keys", &word(&keys)])
            .output()
            .expect("it runs")
    };
    let report = parsed(&verify());
    assert_eq!((&report["sound"], report["entries"].as_u64()), (&Value::Bool(true), Some(entries)), "{report}");
    let verifier = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("verifier").join("yihe_verify.py");
    let python = || {
        let mut command = Command::new("python3");
        command.arg(&verifier).arg("log").arg("--keys").arg(&keys).arg(&out).output().expect("python3 runs")
    };
    assert_eq!(python().status.code(), Some(0), "{}", said(&python()));
    // A second export adds nothing but the checkpoints and unfinished tiles.
    let again = json(&data, &["ledger", "export", &word(&out)]);
    assert_eq!(again["entries"].as_u64(), Some(entries));
    // One byte, and both say where.
    let tile = std::fs::read_dir(out.join("tile").join("entries")).expect("bundles").flatten().next().expect("one");
    let mut path = tile.path();
    if path.is_dir() {
        path = std::fs::read_dir(&path).expect("partial bundles").flatten().next().expect("one").path();
    }
    let mut bytes = std::fs::read(&path).expect("a bundle");
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let found = verify();
    assert_eq!(found.status.code(), Some(1));
    assert!(parsed(&found)["faults"][0].as_str().expect("a fault").contains("tile/entries/"), "{}", said(&found));
    assert_eq!(python().status.code(), Some(1));
}

#[test]
fn checkpoints_are_anchored_in_a_folder_and_by_a_time_stamping_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    let archive = folder.path().join("archive");
    let receipts = json(&data, &["ledger", "anchor", "--file", &word(&archive)]);
    assert_eq!(receipts["receipts"].as_array().map(Vec::len), Some(2), "both trees: {receipts}");
    let kept = receipts["receipts"][0]["files"][0].as_str().expect("a file");
    assert_eq!(text(Path::new(kept)), text(&data.join("ledger").join("public").join("checkpoint")));

    let authority = folder.path().join("tsa");
    time_authority(&authority);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let at = authority.clone();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| stamp(&at, stream)));
    let stamps = folder.path().join("stamps");
    let receipts = json(&data, &["ledger", "anchor", "--rfc3161", &url, "--out", &word(&stamps)]);
    let files = &receipts["receipts"][1]["files"];
    let [note, reply] = [0, 1].map(|at| files[at].as_str().expect("a file").to_owned());
    let checked = Command::new("openssl")
        .args(["ts", "-verify", "-data", &note, "-in", &reply, "-CAfile"])
        .arg(authority.join("tsa.pem"))
        .output()
        .expect("openssl runs");
    assert!(checked.status.success(), "{}", said(&checked));
    let gone = yihe(&data, &["ledger", "anchor", "--rfc3161", "http://127.0.0.1:9"]).output().expect("it runs");
    assert_eq!(gone.status.code(), Some(3), "{}", said(&gone));
}

/// OpenSSL as a time-stamping authority (RFC 3161).
fn time_authority(folder: &Path) {
    const CONFIGURATION: &str = "[req]\ndistinguished_name=name\n[name]\n[tsa]\ndefault_tsa=one\n[one]\n\
        serial=./serial\ndefault_policy=1.2.3.4.1\ndigests=sha256\nsigner_digest=sha256\n\
        [ext]\nextendedKeyUsage=critical,timeStamping\nbasicConstraints=critical,CA:true\n";
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("tsa.cnf"), CONFIGURATION).expect("written");
    std::fs::write(folder.join("serial"), "01").expect("written");
    let made = Command::new("openssl")
        .current_dir(folder)
        .args("req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -days 30 -subj /CN=time".split(' '))
        .args("-config tsa.cnf -extensions ext".split(' '))
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", said(&made));
}

/// Answers one `application/timestamp-query`.
fn stamp(folder: &Path, mut stream: std::net::TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let body = loop {
        let length = stream.read(&mut part).unwrap_or(0);
        if length == 0 {
            return;
        }
        request.extend_from_slice(&part[..length]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        assert!(head.contains("application/timestamp-query"), "{head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|length| length.trim().parse().ok()).expect("a length");
        if request.len() >= end + 4 + length {
            break request[end + 4..end + 4 + length].to_vec();
        }
    };
    std::fs::write(folder.join("query.tsq"), body).expect("written");
    let replied = Command::new("openssl")
        .current_dir(folder)
        .args("ts -reply -config tsa.cnf -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out reply.tsr".split(' '))
        .output()
        .expect("openssl runs");
    assert!(replied.status.success(), "{}", said(&replied));
    let reply = std::fs::read(folder.join("reply.tsr")).expect("a reply");
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&reply)).expect("sent");
}

#[test]
fn keys_are_rotated_with_an_entry_old_proofs_stay_good_and_a_serving_process_is_not_disturbed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    let object = format!("entry:{}", announced(&data));
    let old = json(&data, &["ledger", "prove", &object, "--out", &word(&folder.path().join("old"))]);
    let before = log_lines(&data);
    let server = Serving::folder(&data);
    let refused = yihe(&data, &["ledger", "rotate-key"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("stop yihe serve"), "{}", said(&refused));
    assert!(server.stop());

    let rotated = json(&data, &["ledger", "rotate-key"]);
    let after = log_lines(&data);
    assert_ne!(before, after);
    assert!(before.lines().all(|line| after.contains(line)), "retired keys stay listed");
    let checkpoint = json(&data, &["ledger", "checkpoint"]);
    assert_eq!(checkpoint["size"].as_u64(), rotated["index"].as_u64().map(|index| index + 1), "it is the last entry");
    assert_eq!(json(&data, &["ledger", "verify"])["sound"], true);
    // Signed by the retired key, verified by the policy of that time; a new proof needs the new key.
    let verify = |made: &Value, policy: &str| {
        let words = ["ledger", "verify", "--policy", policy, made["proof"].as_str().expect("a path")];
        yihe(folder.path(), &words).arg(made["item"].as_str().expect("a path")).output().expect("it runs").status.code()
    };
    let old_policy = old["policy"].as_str().expect("a path");
    assert_eq!(verify(&old, old_policy), Some(0));
    let new = json(&data, &["ledger", "prove", &object, "--out", &word(&folder.path().join("new"))]);
    let new_policy = new["policy"].as_str().expect("a path");
    assert_eq!(verify(&new, new_policy), Some(0));
    assert_eq!(verify(&new, old_policy), Some(1), "whoever has not been told of the new key does not believe it");
    assert_eq!(verify(&old, new_policy), Some(0), "the retired key is still listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nightly_round_names_what_was_changed_and_an_alarm_waits_for_the_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    city(&data);
    // Behind the application's back.
    let change = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                  c.execute(\"UPDATE entry SET title_zh = title_zh || '改' WHERE code = ?\", (sys.argv[2],))\nc.commit()";
    let code = announced(&data);
    let store = data.join("store").join("yihe.sqlite");
    let changed = Command::new("python3").args(["-c", change]).arg(&store).arg(&code).status().expect("python3 runs");
    assert!(changed.success());
    let server = Serving::folder(&data);
    let url = format!("{}/ledger?lang=en", server.address());
    let begun = Instant::now();
    let page = loop {
        let page = reqwest::get(&url).await.expect("an answer").text().await.expect("a page");
        if page.contains(">alarm<") || begun.elapsed() > Duration::from_secs(90) {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert!(page.contains(">alarm<"), "no round has ended within 90 s: {page}");
    assert!(!page.contains(&format!("entry:{code}")), "what was found is not named to the public");
    assert!(server.stop());
    let look = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                print(c.execute(\"SELECT result FROM run WHERE step = 'ledger.verify'\").fetchone()[0])\n\
                print(c.execute(\"SELECT count(*) FROM docket_item WHERE procedure = 'ledger_alarm' AND closed_at IS NULL\").fetchone()[0])";
    let looked = Command::new("python3").args(["-c", look]).arg(&store).output().expect("python3 runs");
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    let (result, open) = told.trim().rsplit_once('\n').expect("two lines");
    let result: Value = serde_json::from_str(result).expect("json");
    assert_eq!(result["faults_total"], 1, "{result}");
    let named = result["faults"][0]["en"].as_str().expect("a sentence");
    assert!(named.contains(&format!("urn:yihe:entry:{code}")) && named.contains("title_zh"), "{named}");
    assert_eq!(open, "1", "the alarm waits on the docket");
}
