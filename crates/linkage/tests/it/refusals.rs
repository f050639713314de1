//! What cannot be done is said, with what was expected.

use std::path::Path;

use yihe_linkage::{
    LinkageError,
    model::Model,
    propose::{pair_columns, propose},
    read::read,
    records::Records,
    run::{Options, run},
};

use crate::people::one_table;

const GOOD: &str = "
comparisons:
  - {column: 姓名, reads: chinese_name, levels: [{when: exact}, {when: pinyin}, {when: other}]}
blocking: [{keys: [{column: 姓名, reads: chinese_name}]}]
";

#[test]
fn a_model_that_asks_for_what_cannot_be_is_refused_with_the_place() {
    Model::parse(GOOD).unwrap();
    for (from, to, expected) in [
        ("{when: pinyin}", "{when: jaro_winkler}", "needs at_least"),
        ("{when: pinyin}", "{when: days, at_most: 3}", "needs `reads: date`"),
        (", {when: other}]", "]", "the last level must be `other`"),
        ("{when: pinyin}", "{when: swapped}", "needs `with`"),
        ("{when: exact}", "{when: exact, m: 1.5}", "m is 1.5, expected 0 to 1"),
        ("{when: pinyin}", "{when: sounds}", "unknown variant"),
        ("comparisons:", "comparisions:", "unknown field"),
        ("blocking: [{keys: [{column: 姓名, reads: chinese_name}]}]", "blocking: []", "found 0 blocking rules"),
    ] {
        let refusal = Model::parse(&GOOD.replace(from, to)).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{to}: {refusal}");
        assert!(refusal.chinese().chars().any(|one| ('一'..='龥').contains(&one)), "{to}: {}", refusal.chinese());
    }
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let (records, _) = one_table(21, 200);
    let model = Model::parse(&GOOD.replace("姓名", "名字")).unwrap();
    let refusal = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap_err();
    assert!(matches!(refusal, LinkageError::Column { .. }));
    let (english, chinese) = (refusal.to_string(), refusal.chinese());
    assert!(english.contains("no column `名字`") && english.contains("出生日期"), "{english}");
    assert!(chinese.contains("没有列“名字”"), "{chinese}");
}

#[test]
fn files_that_are_no_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, english, chinese) in [
        (folder.path().join("absent.csv"), "No such file", "文件或文件夹不存在"),
        (write("empty.csv", b""), "the file is empty", "文件为空，应有标题行"),
        (write("broken.parquet", b"PAR1 and nothing more"), "not whole Parquet", "不是完整的 Parquet"),
        (write("binary.csv", &[0xff, 0x00, 0x81, 0xff, 0xfe, 0x0a]), "neither UTF-8 nor GB 18030", "既不是 UTF-8"),
        (write("ragged.csv", b"a,b\n1,2\n3\n"), "found 1 cells, expected 2", "有 1 个单元格，应有 2 个"),
    ] {
        let refusal = read(&path).unwrap_err();
        assert!(refusal.to_string().contains(english), "{}: {refusal}", path.display());
        assert!(refusal.chinese().contains(chinese), "{}: {}", path.display(), refusal.chinese());
    }
}

#[test]
fn tables_that_say_nothing_are_refused_rather_than_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("same.csv");
    std::fs::write(&path, "a,b\nx,\nx,\nx,\n").unwrap();
    let records = Records::one(read(&path).unwrap());
    let refusal = propose(&records, Vec::new()).unwrap_err().to_string();
    assert!(refusal.contains("no column tells records apart"), "{refusal}");
}

#[test]
fn chinese_encodings_and_other_names_of_columns_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines: Vec<String> =
        (0..30).map(|row| format!("{row},王{}明,138000000{row:02}", ["小", "大"][row % 2])).collect();
    let text = format!("id,姓名,手机\n{}\n", lines.join("\n"));
    std::fs::write(path("utf8.csv"), format!("\u{feff}{text}")).unwrap();
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    std::fs::write(path("gb.csv"), &bytes).unwrap();
    std::fs::write(path("tabs.csv"), text.replace("手机", "联系电话").replace(',', "\t")).unwrap();
    let (utf8, gb, tabs) =
        (read(&path("utf8.csv")).unwrap(), read(&path("gb.csv")).unwrap(), read(&path("tabs.csv")).unwrap());
    let values = |table: &yihe_linkage::records::Table| table.columns[1].values.clone();
    assert_eq!(values(&utf8), values(&gb));
    assert_eq!(values(&utf8), values(&tabs));
    let pairs = pair_columns(&utf8, &tabs);
    assert!(pairs.contains(&("手机".to_owned(), "联系电话".to_owned())), "{pairs:?}");
    assert!(Records::two(utf8, gb, &[("id".to_owned(), "none".to_owned())]).is_err());
    assert!(read(Path::new("/")).is_err());
}

#[test]
fn an_empty_table_has_no_partners() {
    let (records, _) = one_table(22, 50);
    let model = Model::parse(GOOD).unwrap();
    let table = |rows: usize| yihe_linkage::records::Table {
        name: "part".to_owned(),
        columns: records
            .columns
            .iter()
            .map(|column| yihe_linkage::records::Column { ids: column.ids[..rows].to_vec(), ..column.clone() })
            .collect(),
        rows,
    };
    let names: Vec<(String, String)> =
        records.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    for (first, second) in [(0, 0), (0, 20), (20, 0)] {
        let both = Records::two(table(first), table(second), &names).unwrap();
        let outcome = run(&model, &both, &Options { one_to_one: true, ..Options::default() }, &|_, _, _| {}).unwrap();
        assert!(outcome.pairs.is_empty() && outcome.clusters.len() == first + second);
    }
    for rows in [0, 1, 2, 3] {
        let outcome = run(&model, &Records::one(table(rows)), &Options::default(), &|_, _, _| {}).unwrap();
        assert_eq!(outcome.clusters.len(), rows);
    }
}
