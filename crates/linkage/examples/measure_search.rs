//! One record against many: `measure_search [RECORDS] [LOOK_UPS]` (10,000,000 and 20,000) makes Chinese people, trains on
//! a part of them, builds the index and asks for people as another department writes them.
#![expect(clippy::print_stdout, reason = "a measuring tool prints")]
#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "counts and shares of a measuring tool")]

use std::{error::Error, time::Instant};

use yihe_linkage::{
    propose::propose,
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
    search::Index,
};

const COLUMNS: [&str; 5] = ["姓名", "性别", "出生日期", "住址", "手机"];
const SURNAMES: &str = "王王王王李李李李张张张张刘刘刘陈陈陈杨杨赵赵黄黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎";
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀兰霞平刚桂英华建国志文玉海春梅玲红辉鹏飞雪琳欣怡子涵浩宇轩晨思雨佳俊凯博晓东云龙凤琴淑珍贵福成德永庆忠祥振兴利新民生根林森山川江河";
const ROADS: &str = "金银沂蒙解放通达北京上海滨河开阳陶然涑河聚才成都启红旗新华平安青年育才";

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(word ^ word >> 31) * bound as u128) >> 64) as usize
    }

    fn one(&mut self, of: &[char]) -> char {
        of[self.below(of.len())]
    }
}

struct Letters {
    surnames: Vec<char>,
    given: Vec<char>,
    roads: Vec<char>,
}

/// A person follows from its number: nothing is kept to ask for it later.
fn person(letters: &Letters, number: u64) -> [String; 5] {
    let mut random = Random(number.wrapping_mul(0xD134_2543_DE82_EF95));
    let mut name = random.one(&letters.surnames).to_string();
    for _ in 0..=usize::from(random.below(10) > 1) {
        name.push(random.one(&letters.given));
    }
    let sex = if random.below(2) == 0 { "男" } else { "女" };
    let birth = format!("{}-{:02}-{:02}", 1930 + random.below(90), 1 + random.below(12), 1 + random.below(28));
    let county = ["兰山区", "罗庄区", "河东区", "沂南县", "郯城县", "沂水县", "兰陵县", "费县", "平邑县", "莒南县"]
        [random.below(10)];
    let road: String = (0..2).map(|_| random.one(&letters.roads)).collect();
    let (house, block, flat) = (1 + random.below(300), 1 + random.below(20), 101 + random.below(2000));
    let home = format!("山东省临沂市{county}{road}路{house}号{block}号楼{flat}");
    let mobile = format!("1{}{:09}", ["3", "5", "7", "8"][random.below(4)], random.below(1_000_000_000));
    [name, sex.to_owned(), birth, home, mobile]
}

/// The same person as another department writes it.
fn written(letters: &Letters, number: u64) -> [String; 5] {
    let [mut name, sex, mut birth, mut home, mut mobile] = person(letters, number);
    let mut random = Random(number ^ 0x5EED);
    if random.below(100) < 8 {
        name.pop();
        name.push(random.one(&letters.given));
    }
    if random.below(100) < 8 {
        birth.replace_range(9..10, &random.below(10).to_string());
    }
    if random.below(100) < 40 {
        home = home.replace("山东省临沂市", "");
    }
    if random.below(100) < 15 {
        home.clear();
    }
    if random.below(100) < 30 {
        mobile = format!("1{}{:09}", ["3", "5", "7", "8"][random.below(4)], random.below(1_000_000_000));
    }
    [name, sex, birth, home, mobile]
}

fn table(people: impl Iterator<Item = [String; 5]>) -> Table {
    let mut columns: Vec<ColumnBuilder> = COLUMNS.iter().map(|name| ColumnBuilder::new(name)).collect();
    let mut rows = 0;
    for person in people {
        for (column, value) in columns.iter_mut().zip(&person) {
            column.push(Some(value));
        }
        rows += 1;
    }
    Table { name: "people".to_owned(), columns: columns.into_iter().map(ColumnBuilder::finish).collect(), rows }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let look_ups: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let letters = Letters {
        surnames: SURNAMES.chars().collect(),
        given: GIVEN.chars().collect(),
        roads: ROADS.chars().collect(),
    };
    let began = Instant::now();
    let part = rows.min(40_000);
    let sample =
        Records::one(table((0..part).map(|n| person(&letters, n)).chain((0..part / 2).map(|n| written(&letters, n)))));
    let mut model = propose(&sample, Vec::new())?.model;
    // Rules for so many records: what is common among forty thousand is everywhere among ten million.
    model.blocking.retain(|rule| rule.block_max.is_none());
    let mut model = run(&model, &sample, &Options::default(), &|_, _, _| {})?.model;
    drop(sample);
    // The share of pairs that are the same falls with the number of records.
    model.prior = Some(0.3 / rows as f64);
    for rule in &model.blocking {
        println!("rule    {} {:?}", yihe_linkage::block::name(rule), rule.block_max);
    }
    println!("model   {:>7.1} s, {} rules", began.elapsed().as_secs_f64(), model.blocking.len());
    let since = Instant::now();
    let records = Records::one(table((0..rows).map(|n| person(&letters, n))));
    println!("people  {:>7.1} s, {}", since.elapsed().as_secs_f64(), memory());
    let since = Instant::now();
    let mut index = Index::build(&model, records)?;
    println!("index   {:>7.1} s, {} records, {}", since.elapsed().as_secs_f64(), index.rows(), memory());

    let mut times: Vec<f64> = Vec::new();
    let (mut right, mut found, mut compared, mut left_out, mut cut) = (0_u64, 0, 0, 0, 0);
    for at in 0..look_ups {
        let number = at.wrapping_mul(7919) % rows;
        let asked = written(&letters, number);
        let since = Instant::now();
        let answer = index
            .find(&|column| COLUMNS.iter().position(|name| *name == column).map(|place| asked[place].clone()), 0.5);
        times.push(since.elapsed().as_secs_f64() * 1000.0);
        right += u64::from(answer.found.first().is_some_and(|best| u64::from(best.row) == number));
        found += usize::from(!answer.found.is_empty());
        compared += answer.compared;
        left_out += answer.left_out.len();
        cut += usize::from(answer.cut);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "look-up p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms; {} records compared each; right {:.4}, found {:.4}; blocks left out {:.2} each, cut {}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        compared as u64 / look_ups,
        right as f64 / look_ups as f64,
        found as f64 / look_ups as f64,
        left_out as f64 / look_ups as f64,
        cut,
    );
    Ok(())
}
