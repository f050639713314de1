//! What departments really send, broken: each a clear sentence in both languages, the file left where it is,
//! nothing half-landed.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    sync::Arc,
};

use yihe_collect::{CollectError, Collector, Outcome, Received, deliveries};
use yihe_definitions::{Language, Pack, pack::PackFiles};
use yihe_lake::{Lake, LakeOptions, TableName, Zone};
use yihe_store::{Actor, BatchState, SeededIdentity, Store};
use yihe_vocabulary::FixedClock;

use crate::main_line::NOW;

const DATASET: &str = "\
kind: dataset
id: people
title: 人员
department: own
columns:
  - { name: citizen_id, title: 公民身份号码 }
  - { name: name, title: 姓名, required: true }
  - { name: born_on, title: 出生日期, type: date }
  - { name: paid, title: 金额, type: 'decimal(10,2)' }
source: { format: csv, files: 'people*' }
";
const DEPARTMENT: &str = "kind: department\nid: own\nname: 本单位\ncredit_code: 11100000000013338W\n";
const MANIFEST: &str = "id: test\nversion: 0.1.0\ntitle: 测试\nlicence: Apache-2.0\n";
const HEADER: &str = "公民身份号码,姓名,出生日期,金额\n";

struct Bench {
    folder: tempfile::TempDir,
    pack: Pack,
    lake: Lake,
    store: Store,
}

impl Bench {
    async fn new() -> Self {
        Self::with(DATASET).await
    }

    async fn with(dataset: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [("pack.yaml", MANIFEST), ("own.yaml", DEPARTMENT), ("people.yaml", dataset)];
        let files = PackFiles(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
        let pack = Pack::from_files(&[files]).expect("a sound pack");
        let data = folder.path();
        fs::create_dir_all(data.join("inbox")).expect("an inbox");
        let lake = Lake::open(&data.join("lake"), LakeOptions::new(data.join("spill"))).expect("the lake opens");
        let store = Store::open_file(&data.join("yihe.sqlite"), SeededIdentity::new(1)).await.expect("the store opens");
        Self { folder, pack, lake, store }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join("inbox").join(name), bytes).expect("a file");
    }

    async fn receive(&self) -> Vec<Received> {
        let collector = Collector {
            lake: self.lake.clone(),
            store: self.store.clone(),
            clock: Arc::new(FixedClock::new(NOW.parse().expect("an instant"))),
            actor: Actor::system(),
            spool: self.folder.path().join("spool"),
            faults: Arc::new(|_| {}),
        };
        let mut received = Vec::new();
        let inbox = self.folder.path().join("inbox");
        for delivery in deliveries(&self.pack, &inbox, &std::collections::BTreeMap::new()).expect("an inbox") {
            received.push(collector.receive(&delivery).await.expect("nothing of ours fails"));
        }
        received
    }

    /// Receives one bad file and answers why it was refused; nothing of it may have landed.
    async fn refused(&self, name: &str, bytes: &[u8]) -> CollectError {
        self.put(name, bytes);
        self.refused_file(name).await
    }

    async fn refused_file(&self, name: &str) -> CollectError {
        let mut received = self.receive().await;
        assert_eq!(received.len(), 1);
        let Outcome::Refused(error) = received.remove(0).outcome else { panic!("{name} was not refused") };
        assert!(self.folder.path().join("inbox").join(name).exists(), "the file is left where it is");
        for zone in [Zone::Landing, Zone::Quarantine] {
            let table = TableName::new(zone, "people").expect("a name");
            let rows = if self.lake.exists(&table) { self.lake.count(&table, None).await.expect("a count") } else { 0 };
            assert_eq!(rows, 0, "nothing of a refused file is landed");
        }
        for batch in self.store.batch_list(None, 10).await.expect("batches") {
            assert_eq!(batch.state, BatchState::Failed);
            assert!(batch.error.is_some_and(|error| !error.is_empty()));
        }
        error
    }
}

/// Both sentences say where, what was found and what to do.
fn says(error: &CollectError, zh: &[&str], en: &[&str]) {
    let (chinese, english) = (error.message(Language::Zh), error.message(Language::En));
    for word in zh {
        assert!(chinese.contains(word), "{chinese:?} does not say {word:?}");
    }
    for word in en {
        assert!(english.contains(word), "{english:?} does not say {word:?}");
    }
}

#[tokio::test]
async fn bytes_of_another_encoding_are_named_with_their_line() {
    let bench =
        Bench::with(&DATASET.replace("source: { format: csv,", "source: { format: csv, encoding: utf-8,")).await;
    let mut bytes = format!("{HEADER}1,张三,2001-01-01,1\n2,").into_bytes();
    bytes.extend([0xd5, 0xc5, b',', b',', b'\n']);
    let error = bench.refused("people.csv", &bytes).await;
    says(&error, &["第 3 行", "d5", "UTF-8"], &["line 3", "d5", "UTF-8"]);
}

#[tokio::test]
async fn utf8_declared_as_gb18030_is_not_turned_into_other_characters() {
    let bench =
        Bench::with(&DATASET.replace("source: { format: csv,", "source: { format: csv, encoding: gb18030,")).await;
    let error = bench.refused("people.csv", format!("{HEADER}1,张三,,\n").as_bytes()).await;
    says(&error, &["UTF-8", "GB18030"], &["UTF-8", "GB18030"]);
}

#[tokio::test]
async fn utf16_is_recognised_by_its_mark() {
    let bench = Bench::new().await;
    let bytes: Vec<u8> = format!("\u{feff}{HEADER}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    says(&bench.refused("people.csv", &bytes).await, &["UTF-16"], &["UTF-16"]);
}

#[tokio::test]
async fn an_unknown_column_is_named_with_its_place() {
    let bench = Bench::new().await;
    let error = bench.refused("people.csv", "公民身份号码,姓名,血型\n1,张三,A\n".as_bytes()).await;
    says(&error, &["第 1 行第 3 列", "血型", "出生日期"], &["line 1, column 3", "血型", "出生日期"]);
}

#[tokio::test]
async fn a_missing_required_column_is_named() {
    let bench = Bench::new().await;
    let error = bench.refused("people.csv", "公民身份号码,出生日期\n1,2001-01-01\n".as_bytes()).await;
    says(&error, &["缺少", "姓名"], &["姓名", "required"]);
}

#[tokio::test]
async fn an_empty_file_has_no_header() {
    let bench = Bench::new().await;
    says(&bench.refused("people.csv", b"").await, &["表头"], &["no header"]);
}

#[tokio::test]
async fn a_parquet_file_cut_short_is_refused() {
    let bench = Bench::new().await;
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(
        "name",
        arrow::datatypes::DataType::Utf8,
        true,
    )]));
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), None).expect("a writer");
    let names: arrow::array::ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["张三"; 1_000]));
    writer.write(&arrow::array::RecordBatch::try_new(schema, vec![names]).expect("a batch")).expect("written");
    writer.close().expect("closed");
    bytes.truncate(bytes.len() / 2);
    says(&bench.refused("people.parquet", &bytes).await, &["Parquet", "重新报送"], &["Parquet", "send it again"]);
}

#[tokio::test]
async fn a_workbook_that_is_none_and_a_workbook_that_is_a_bomb_are_refused() {
    let bench = Bench::new().await;
    says(&bench.refused("people.xlsx", b"not a workbook").await, &["工作簿"], &["workbook"]);

    // Two GiB of zeros pack to about two MiB.
    let bench = Bench::new().await;
    let path = bench.folder.path().join("inbox").join("people.xlsx");
    let mut archive = zip::ZipWriter::new(File::create(&path).expect("a file"));
    let packed =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated).large_file(true);
    archive.start_file("xl/worksheets/sheet1.xml", packed).expect("a part");
    let zeros = vec![0; 1 << 20];
    for _ in 0..2_048 {
        archive.write_all(&zeros).expect("written");
    }
    archive.finish().expect("finished");
    let error = bench.refused_file("people.xlsx").await;
    says(&error, &["解压后超过", "sheet1.xml"], &["unpacks to more than", "sheet1.xml"]);
}

#[tokio::test]
async fn one_line_of_a_gigabyte_is_refused_in_bounded_memory() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("inbox").join("people.csv");
    let mut file = File::create(&path).expect("a file");
    file.write_all(format!("{HEADER}1,\"").as_bytes()).expect("written");
    file.set_len(1 << 30).expect("a sparse file of one GiB");
    drop(file);
    let error = bench.refused_file("people.csv").await;
    says(&error, &["第 2 行", "引号"], &["line 2", "quote"]);
    let peak = peak_bytes();
    assert!(peak < 1 << 30, "peak memory {peak} bytes");
}

fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1_024
}

#[tokio::test]
async fn one_bad_row_never_fails_a_batch() {
    let bench = Bench::new().await;
    let rows = "1,张三,2001-02-29,1\n2,,2001-01-01,1\n3,李四,2001/3/5,１２.50\n4,王五,20010305\n5,赵六,2001年3月5日,十元\n6,钱七,,\n";
    bench.put("people.csv", format!("{HEADER}{rows}").as_bytes());
    let received = bench.receive().await;
    let Outcome::Landed { counts, .. } = &received[0].outcome else { panic!("not landed: {received:?}") };
    assert_eq!((counts.rows_in, counts.accepted, counts.quarantined), (6, 2, 4));
    let table = TableName::new(Zone::Quarantine, "people").expect("a name");
    let found = crate::truth::table_rows(&bench.lake, &table).await;
    let mut told: Vec<(String, String, String, String)> = found
        .iter()
        .map(|row| {
            let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
            (text("_line"), text("_column"), text("_found"), text("_reason"))
        })
        .collect();
    told.sort();
    let expected = [
        ("2", "出生日期", "2001-02-29", "type"),
        ("3", "姓名", "", "missing"),
        ("5", "", "3", "field_count"),
        ("6", "金额", "十元", "type"),
    ];
    let expected = expected
        .map(|(line, column, found, reason)| (line.to_owned(), column.to_owned(), found.to_owned(), reason.to_owned()));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_same_file_sent_twice_under_two_names_is_one_batch() {
    let bench = Bench::new().await;
    let text = format!("{HEADER}1,张三,2001-01-01,1\n");
    bench.put("people_1.csv", text.as_bytes());
    bench.put("people_2.csv", text.as_bytes());
    let received = bench.receive().await;
    assert!(matches!(received[0].outcome, Outcome::Landed { .. }));
    assert!(matches!(received[1].outcome, Outcome::Known { .. }));
    let table = TableName::new(Zone::Landing, "people").expect("a name");
    assert_eq!(bench.lake.count(&table, None).await.expect("a count"), 1);
}

#[tokio::test]
async fn a_refused_file_lands_once_it_was_mended() {
    let bench = Bench::new().await;
    bench.refused("people.csv", "公民身份号码,姓名,血型\n1,张三,A\n".as_bytes()).await;
    bench.put("people.csv", "公民身份号码,姓名\n1,张三\n".as_bytes());
    let received = bench.receive().await;
    assert!(matches!(received[0].outcome, Outcome::Landed { .. }), "{received:?}");
}

#[tokio::test]
async fn a_workbook_with_title_lines_and_a_merged_header_lands() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("inbox").join("people.xlsx");
    workbook(&path);
    let received = bench.receive().await;
    let Outcome::Landed { counts, .. } = &received[0].outcome else { panic!("not landed: {received:?}") };
    // The second identity number was typed as a number, so its last digits are lost: it must not land as it is.
    assert_eq!((counts.rows_in, counts.accepted, counts.quarantined), (2, 1, 1));
}

fn workbook(path: &Path) {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    let plain = rust_xlsxwriter::Format::new();
    sheet.merge_range(0, 0, 0, 3, "2026年度人员名册", &plain).expect("a title");
    sheet.write(1, 0, "填报单位：示范局").expect("a remark");
    sheet.merge_range(2, 0, 2, 1, "身份信息", &plain).expect("a merged header");
    sheet.merge_range(2, 2, 2, 3, "其他", &plain).expect("a merged header");
    for (column, title) in ["公民身份号码", "姓名", "出生日期", "金额"].iter().enumerate() {
        sheet.write(3, u16::try_from(column).expect("small"), *title).expect("a header");
    }
    sheet.write(4, 0, "11010519491231002X").expect("a cell");
    sheet.write(4, 1, "张三").expect("a cell");
    sheet.write(4, 3, 12.5).expect("a cell");
    sheet.write(5, 0, 110_105_194_912_310_020.0).expect("a cell");
    sheet.write(5, 1, "李四").expect("a cell");
    // A row that was formatted and left empty.
    sheet.write_blank(6, 0, &rust_xlsxwriter::Format::new().set_bold()).expect("a blank cell");
    workbook.save(path).expect("a workbook");
}
