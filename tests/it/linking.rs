//! `yihe link` as it is typed: propose, run, explain, hash; broken input; two at once; killed; on a full disk.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use arrow::array::{AsArray, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::program::{binary, json, parsed, said, yihe};

const SYLLABLES: [&str; 16] =
    ["ba", "den", "do", "fel", "gar", "ha", "jo", "kel", "lan", "mar", "ne", "per", "ro", "sen", "tul", "wim"];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn word(&mut self, syllables: usize) -> String {
        (0..syllables).map(|_| SYLLABLES[self.below(SYLLABLES.len())]).collect()
    }
}

/// Two files of people, each without duplicates. The first 300 of both are the same people; a value of the second
/// file is that of the first or missing, and with `slips` sometimes nearly the same.
fn people(folder: &Path, rows: usize, slips: bool) -> (PathBuf, PathBuf) {
    let mut random = Random(88_172_645_463_325_252);
    let header = "person_id,given_name,surname,born_on,phone,street\n";
    let (mut first, mut second) = (header.to_owned(), header.to_owned());
    for number in 0..2 * rows {
        let mut cells = [
            random.word(3),
            random.word(3),
            format!("19{:02}-{:02}-{:02}", 30 + random.below(70), 1 + random.below(12), 1 + random.below(28)),
            format!("138{:08}", random.below(100_000_000)),
            format!("{} street {}", random.word(3), 1 + random.below(200)),
        ];
        if number < rows {
            writeln!(first, "a{number},{}", cells.join(",")).expect("text");
        }
        if !(300..rows).contains(&number) {
            if slips && random.below(4) == 0 {
                cells[0].truncate(cells[0].len() - 1);
            }
            if random.below(8) == 0 {
                cells[random.below(5)].clear();
            }
            writeln!(second, "b{number},{}", cells.join(",")).expect("text");
        }
    }
    let paths = (folder.join("a.csv"), folder.join("b.csv"));
    fs::write(&paths.0, first).expect("written");
    fs::write(&paths.1, second).expect("written");
    paths
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn rows_of(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("whole Parquet").build().expect("a reader");
    reader.map(|batch| batch.expect("rows")).collect()
}

/// The identifiers of the pairs that were written.
fn pairs(path: &Path) -> Vec<(String, String)> {
    let column = |batch: &RecordBatch, name: &str| -> Vec<String> {
        let column = batch.column_by_name(name).expect("the column").as_string::<i32>();
        column.iter().map(|value| value.expect("an identifier").to_owned()).collect()
    };
    let of = |batch: &RecordBatch| column(batch, "left_id").into_iter().zip(column(batch, "right_id"));
    rows_of(path).iter().flat_map(of).collect()
}

fn is_same(left: &str, right: &str) -> bool {
    left[1..] == right[1..]
}

/// Right pairs and wrong ones.
fn judged(pairs: &[(String, String)]) -> (usize, usize) {
    let right = pairs.iter().filter(|(left, right)| is_same(left, right)).count();
    (right, pairs.len() - right)
}

#[test]
fn what_is_proposed_links_two_files_and_every_pair_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 1_500, true);
    let at = |name: &str| data.join(name);
    let (model, trained, found, groups) = (at("m.yaml"), at("t.yaml"), at("p.parquet"), at("c.parquet"));
    let proposed = json(data, &["link", "propose", text(&a), text(&b), "--out", text(&model)]);
    assert_eq!(proposed["rows"], 3_300);
    assert!(proposed["left_out"].to_string().contains("person_id"), "{proposed}");
    let written = fs::read_to_string(&model).expect("a model");
    assert!(written.contains("关联模型") && written.contains("a linkage model"), "reasons in both languages");

    let words = ["link", "run", "--model", text(&model), text(&a), text(&b), "--one-to-one"];
    let outputs = ["--pairs", text(&found), "--clusters", text(&groups), "--save-model", text(&trained)];
    let output = yihe(data, &[&words[..], &outputs[..], &["--json"]].concat()).output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let report = parsed(&output);
    let pairs = pairs(&found);
    assert_eq!(report["pairs"], pairs.len());
    let (right, wrong) = judged(&pairs);
    assert!(right >= 295 && wrong <= 2, "{right} right, {wrong} wrong");
    let (left, other): (HashSet<_>, HashSet<_>) = pairs.iter().cloned().unzip();
    assert!(left.len() == pairs.len() && other.len() == pairs.len(), "somebody has two partners");
    let grouped: usize = rows_of(&groups).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(grouped, 3_300, "a row for every record");
    assert_eq!(report["clusters"], 3_300 - pairs.len());

    let (left, right) = &pairs[0];
    let ask = ["link", "explain", "--model", text(&trained), text(&a), text(&b), "--left", left, "--right", right];
    let why = json(data, &ask);
    assert!(why["probability"].as_f64().expect("a number") > 0.5, "{why}");
    let steps = why["steps"].as_array().expect("steps");
    let columns: Vec<&str> = steps.iter().filter_map(|step| step["column"].as_str()).collect();
    assert_eq!(columns, ["given_name", "surname", "born_on", "phone", "street"]);
    let table = yihe(data, &ask).output().expect("it runs");
    assert!(said(&table).contains("probability that they are the same"), "{}", said(&table));
    let nobody = [&ask[..7], &["nobody", "--right", right]].concat();
    let refused = yihe(data, &nobody).output().expect("it runs");
    assert!(!refused.status.success() && said(&refused).contains("no record is called `nobody`"), "{}", said(&refused));
}

#[test]
fn the_same_files_give_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = people(folder.path(), 800, true);
    let written: Vec<Vec<u8>> = ["1", "3"]
        .iter()
        .map(|threads| {
            let found = folder.path().join(format!("{threads}.parquet"));
            json(folder.path(), &["link", "run", text(&a), text(&b), "--pairs", text(&found), "--threads", threads]);
            fs::read(found).expect("pairs")
        })
        .collect();
    assert_eq!(written[0], written[1]);
}

#[test]
fn hashed_files_link_as_clear_ones_where_values_are_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 1_500, false);
    let key = data.join("key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").expect("written");
    let found = data.join("clear.parquet");
    json(data, &["link", "run", text(&a), text(&b), "--pairs", text(&found)]);
    let clear: HashSet<_> = pairs(&found).into_iter().filter(|(left, right)| is_same(left, right)).collect();
    assert!(clear.len() >= 298, "{} of 300", clear.len());
    for algorithm in ["sm3", "sha256"] {
        let hashed: Vec<PathBuf> = [&a, &b]
            .iter()
            .map(|file| {
                let out = file.with_extension(format!("{algorithm}.parquet"));
                let columns = "given_name,surname,born_on=date,phone=code,street";
                let words = ["link", "hash", text(file), text(&out), "--columns", columns, "--key-file", text(&key)];
                json(data, &[&words[..], &["--algorithm", algorithm]].concat());
                out
            })
            .collect();
        let shown = fs::read(&hashed[0]).expect("a file");
        let clear_text = fs::read_to_string(&a).expect("a file");
        let phone = clear_text.lines().nth(1).and_then(|line| line.split(',').nth(4)).expect("a telephone");
        assert!(!shown.windows(phone.len()).any(|part| part == phone.as_bytes()), "a telephone in clear");
        let found = data.join("hashed.parquet");
        json(data, &["link", "run", text(&hashed[0]), text(&hashed[1]), "--pairs", text(&found)]);
        let hidden: HashSet<_> = pairs(&found).into_iter().collect();
        assert!(hidden.is_superset(&clear), "{algorithm}: {} fewer", clear.difference(&hidden).count());
        let (_, wrong) = judged(&hidden.into_iter().collect::<Vec<_>>());
        assert!(wrong <= 2, "{algorithm}: {wrong} wrong");
    }
    let short = data.join("short");
    fs::write(&short, "secret").expect("written");
    let out = data.join("never.parquet");
    let words = ["link", "hash", text(&a), text(&out), "--columns", "phone", "--key-file", text(&short)];
    let refused = yihe(data, &words).output().expect("it runs");
    assert!(!refused.status.success() && said(&refused).contains("16"), "{}", said(&refused));
    assert!(!out.exists());
}

#[test]
fn what_people_judged_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 800, true);
    let (found, labels) = (data.join("p.parquet"), data.join("labels.csv"));
    json(data, &["link", "run", text(&a), text(&b), "--pairs", text(&found)]);
    let before = pairs(&found);
    let (left, right) = before[0].clone();
    fs::write(&labels, format!("left_id,right_id,label\n{left},{right},different\na700,b900,same\na1,nobody,same\n"))
        .expect("written");
    let words = ["link", "run", text(&a), text(&b), "--pairs", text(&found), "--labels", text(&labels)];
    let output = yihe(data, &words).output().expect("it runs");
    assert!(output.status.success() && said(&output).contains("1 labels name records"), "{}", said(&output));
    let after = pairs(&found);
    assert!(!after.contains(&(left, right)), "judged different, and linked");
    assert!(after.contains(&("a700".to_owned(), "b900".to_owned())), "judged the same, and not linked");
}

#[test]
fn addresses_are_read_by_a_list_of_divisions_and_explained_by_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let divisions = data.join("divisions.csv");
    fs::write(
        &divisions,
        "code,name,parent,level\n370000000000,山东省,,1\n371300000000,临沂市,370000000000,2\n\
         371302000000,兰山区,371300000000,3\n371311000000,罗庄区,371300000000,3\n",
    )
    .expect("written");
    let names = ["王建国", "李秀英", "张伟明", "刘玉兰", "陈志强", "杨晓燕", "赵国庆", "孙丽华"];
    let mut random = Random(7);
    let mut file = "编号,姓名,出生日期,住址\n".to_owned();
    for number in 0..400 {
        let name = names[random.below(names.len())];
        let born = format!("19{:02}-{:02}-{:02}", 30 + random.below(70), 1 + random.below(12), 1 + random.below(28));
        let county = ["兰山区", "罗庄区"][random.below(2)];
        let road = ["金雀山路", "沂蒙路", "解放路", "通达路"][random.below(4)];
        let house = 1 + random.below(300);
        writeln!(file, "x{number},{name},{born},山东省临沂市{county}{road}{house}号").expect("text");
        if number % 3 == 0 {
            writeln!(file, "y{number},{name},{born},{county}{road}{house}号").expect("text");
        }
    }
    let people = data.join("people.csv");
    fs::write(&people, file).expect("written");
    let (found, trained) = (data.join("p.parquet"), data.join("t.yaml"));
    let by = ["--divisions", text(&divisions)];
    let outputs = ["--pairs", text(&found), "--save-model", text(&trained)];
    json(data, &[&["link", "run", text(&people)][..], &outputs, &by].concat());
    let (right, wrong) = judged(&pairs(&found));
    assert!(right >= 130 && wrong <= 4, "{right} right, {wrong} wrong");
    let ask = ["link", "explain", "--model", text(&trained), text(&people), "--left", "x3", "--right", "y3"];
    let step = |why: &Value| -> String {
        let steps = why["steps"].as_array().expect("steps").clone();
        steps.iter().find(|step| step["column"] == "住址").expect("the address")["level"].to_string()
    };
    assert!(step(&json(data, &[&ask[..], &by].concat())).contains("same_flat"), "by the list");
    let missing = yihe(data, &[&ask[..], &["--divisions", "nowhere.csv"]].concat()).output().expect("it runs");
    assert!(!missing.status.success() && said(&missing).contains("nowhere.csv"), "{}", said(&missing));
}

#[test]
fn a_file_in_gb18030_links_as_one_in_utf8() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    // 姓名,电话 and two people, as a Chinese spreadsheet saves them.
    let header: &[u8] = &[0xd0, 0xd5, 0xc3, 0xfb, b',', 0xb5, 0xe7, 0xbb, 0xb0];
    let (mut gbk, mut utf8) = (header.to_vec(), "姓名,电话".to_owned());
    gbk.extend(b",born_on,street\n");
    utf8.push_str(",born_on,street\n");
    let mut random = Random(9);
    for number in 0..200 {
        let born = format!("19{:02}-{:02}-{:02}", 30 + random.below(70), 1 + random.below(12), 1 + random.below(28));
        let rest = format!(",138{:08},{born},{} street {}\n", number * 7919, random.word(3), random.below(90));
        gbk.extend([0xd5, 0xc5, 0xc8, 0xfd]);
        gbk.extend(rest.bytes());
        utf8.push_str(&format!("张三{rest}"));
    }
    let (a, b, found) = (data.join("a.csv"), data.join("b.csv"), data.join("p.parquet"));
    fs::write(&a, gbk).expect("written");
    fs::write(&b, utf8).expect("written");
    let report = json(data, &["link", "run", text(&a), text(&b), "--one-to-one", "--pairs", text(&found)]);
    assert_eq!(report["pairs"], 200);
}

#[test]
fn what_cannot_be_linked_is_refused_in_both_languages_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 400, false);
    let at = |name: &str, content: &[u8]| {
        let path = data.join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let model = at("m.yaml", b"");
    json(data, &["link", "propose", text(&a), text(&b), "--out", text(&model)]);
    let whole = fs::read_to_string(&model).expect("a model");
    let columnless = at("columnless.yaml", whole.replace("surname", "family").as_bytes());
    let senseless = at("senseless.yaml", b"comparisons: 7\n");
    let empty = at("empty.csv", b"");
    let header = at("header.csv", b"given_name,surname\n");
    let noise = at("binary.csv", &[0xff, 0xfe, 0x00, 0xd8, 0xff, 0xff, 0x80, 0x00]);
    let broken = at("broken.parquet", b"PAR1 and then nothing of the kind");
    let nowhere = data.join("nowhere.csv");
    let out = data.join("out.parquet");
    let cases: [(&[&str], &str, &str); 8] = [
        (&["--model", text(&columnless), text(&a), text(&b)], "no column `family", "没有列“family"),
        (&["--model", text(&senseless), text(&a), text(&b)], "senseless.yaml", "有误"),
        (&[text(&a), text(&empty)], "empty.csv", "无法读取"),
        (&[text(&header)], "", ""),
        (&[text(&noise), text(&a)], "binary.csv", "无法读取"),
        (&[text(&broken)], "broken.parquet", "无法读取"),
        (&[text(&nowhere)], "nowhere.csv", "无法读取"),
        (&["--one-to-one", text(&a)], "--one-to-one needs two files", "--one-to-one 需要两个文件"),
    ];
    for (words, english, chinese) in cases {
        let words = [&["link", "run"], words, &["--pairs", text(&out)]].concat();
        for (language, expected) in [("en", english), ("zh", chinese)] {
            let output = Command::new(binary())
                .arg("--data")
                .arg(data)
                .args(["--lang", language])
                .args(&words)
                .output()
                .expect("it runs");
            let said = said(&output);
            assert!(!output.status.success(), "{words:?} succeeded: {said}");
            assert!(said.contains(expected), "{words:?}: expected `{expected}` in {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        assert!(!out.exists(), "{words:?} wrote something");
    }
    left_behind(data, &[]);
}

/// Nothing half-written lies about, except what these processes had begun.
fn left_behind(folder: &Path, killed: &[u32]) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let own = killed.iter().any(|process| name.ends_with(&format!(".{process}.writing")));
        assert!(own || !name.ends_with(".writing"), "{name} was left behind");
    }
}

#[test]
fn two_at_once_into_one_file_leave_it_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 1_000, true);
    let (found, groups) = (data.join("p.parquet"), data.join("c.parquet"));
    let words = ["link", "run", text(&a), text(&b), "--pairs", text(&found), "--clusters", text(&groups)];
    let start = || yihe(data, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut running: Vec<_> = (0..4).map(|_| start()).collect();
    for process in &mut running {
        assert!(process.wait().expect("it ends").success());
    }
    let (right, wrong) = judged(&pairs(&found));
    assert!(right >= 290 && wrong <= 3, "{right} right, {wrong} wrong");
    let rows: usize = rows_of(&groups).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 2_300);
    left_behind(data, &[]);
}

#[test]
fn killed_at_any_moment_its_outputs_are_whole_or_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (a, b) = people(data, 4_000, true);
    let outputs: HashMap<&str, PathBuf> =
        ["pairs", "clusters"].into_iter().map(|name| (name, data.join(format!("{name}.parquet")))).collect();
    let model = data.join("trained.yaml");
    let words = ["link", "run", text(&a), text(&b), "--pairs", text(&outputs["pairs"])];
    let more = ["--clusters", text(&outputs["clusters"]), "--save-model", text(&model)];
    let words = [&words[..], &more].concat();
    let mut killed = Vec::new();
    // Until one of them is quicker than the kill.
    for step in 1.. {
        let mut process = yihe(data, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        killed.push(process.id());
        std::thread::sleep(Duration::from_millis(step * 40));
        let ended = process.try_wait().expect("it is asked").is_some();
        process.kill().expect("killed");
        process.wait().expect("it ended");
        for path in outputs.values().filter(|path| path.exists()) {
            assert!(rows_of(path).iter().map(RecordBatch::num_rows).sum::<usize>() >= 290, "{}", path.display());
        }
        if model.exists() {
            assert!(fs::read_to_string(&model).expect("a model").contains("comparisons:"), "half a model");
        }
        left_behind(data, &killed);
        if ended {
            break;
        }
        assert!(step < 1_000, "it never ended");
    }
    // As of a process that was killed just before it put its file in place.
    fs::write(data.join("pairs.parquet.1.writing"), "half").expect("written");
    assert!(yihe(data, &words).output().expect("it runs").status.success());
    left_behind(data, &[]);
    assert!(killed.len() > 2, "killed only {} times", killed.len());
    assert!(outputs.values().all(|path| path.exists()));
}

/// Runs inside a mount namespace of its own, so that a small file system can be mounted without any right.
const FULL_DISK: &str = r#"
set -eu
out=$1 yihe=$2 a=$3 b=$4
mount -t tmpfs -o size=16k tmpfs "$out"
for language in zh en; do
  status=0
  "$yihe" --data "$out" --lang $language link run "$a" "$b" --clusters "$out/c.parquet" || status=$?
  echo "status $status left $(ls -A "$out" | wc -l)"
done
"#;

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = people(folder.path(), 3_000, false);
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", FULL_DISK, "sh"])
        .args([&out, &binary(), &a, &b])
        .output()
        .expect("unshare runs");
    let said = said(&output);
    assert_eq!(said.matches("status 3 left 0").count(), 2, "{said}");
    assert!(said.contains("cannot write") && said.contains("无法写出"), "{said}");
}
