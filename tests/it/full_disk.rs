//! A disk that fills up while a file is collected: a clear sentence, nothing half-landed, and after space was
//! made the same command goes on.

use std::{fs, io::Write, path::Path, process::Command};

use crate::program::binary;

/// Runs inside a mount namespace of its own, so that a small file system can be mounted without any right.
const SCRIPT: &str = r#"
set -eu
data=$1 yihe=$2 inbox=$3 pack=$4
mount -t tmpfs -o size=96m tmpfs "$data"
"$yihe" --data "$data" pack apply "$pack" >/dev/null
rmdir "$data/inbox" && ln -s "$inbox" "$data/inbox"
used=$(df -k --output=used "$data" | tail -1)
mount -o remount,size=$((used + 1024))k "$data"
status=0
"$yihe" --data "$data" --lang zh collect || status=$?
echo "status $status"
mount -o remount,size=512m "$data"
"$yihe" --data "$data" --lang en --json collect
"$yihe" --data "$data" --lang en --json ledger verify
"#;

#[test]
fn a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, inbox) = (folder.path().join("data"), folder.path().join("inbox"));
    fs::create_dir_all(&data).expect("a folder");
    fs::create_dir_all(&inbox).expect("a folder");
    let pack = pack(folder.path());
    let mut file = fs::File::create(inbox.join("noise.csv")).expect("a file");
    writeln!(file, "编号,内容").expect("written");
    // Numbers that do not compress: about 13 MB stay as they are.
    let mut state: u64 = 88_172_645_463_325_252;
    let rows = 200_000;
    for row in 0..rows {
        let mut noise = String::new();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.push_str(&format!("{state:016x}"));
        }
        writeln!(file, "{row},{noise}").expect("written");
    }
    drop(file);

    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", SCRIPT, "sh"])
        .args([&data, &binary(), &inbox, &pack])
        .output()
        .expect("unshare runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("status 3"), "{out}\n{err}");
    assert!(err.contains("磁盘已满"), "{err}");
    let objects: Vec<serde_json::Value> = out
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    assert_eq!((&objects[0]["landed"], &objects[0]["accepted"]), (&1.into(), &rows.into()), "{out}");
    assert_eq!(objects[1]["sound"], true, "{out}");
}

fn pack(folder: &Path) -> std::path::PathBuf {
    let pack = folder.join("pack");
    fs::create_dir_all(&pack).expect("a folder");
    fs::write(pack.join("pack.yaml"), "id: noise\nversion: 0.1.0\ntitle: 测试\nlicence: Apache-2.0\n")
        .expect("written");
    let documents = "kind: department\nid: own\nname: 本单位\ncredit_code: 11100000000013338W\n---\nkind: dataset\nid: noise\n\
        title: 噪声\ndepartment: own\ncolumns:\n  - { name: number, title: 编号, type: integer }\n  - { name: content, title: 内容 }\n\
        source: { format: csv, files: '*.csv' }\n";
    fs::write(pack.join("noise.yaml"), documents).expect("written");
    pack
}
