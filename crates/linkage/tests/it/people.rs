//! Invented people with the mistakes that departments make, and the truth.

use yihe_linkage::records::{ColumnBuilder, Records, Table};

const SURNAMES: &str =
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈";
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红娥玲芬燕彩春菊兰凤洁梅琳云莲真环雪荣爱香月媛瑞佳嘉琼勤珍贞晓晨阳鹏飞龙波辉海峰俊思建国志文斌浩宇轩子涵";
/// Characters that sound or look alike, or are another form.
const CONFUSED: [(char, char); 24] = [
    ('张', '章'),
    ('张', '張'),
    ('刘', '劉'),
    ('陈', '程'),
    ('黄', '王'),
    ('吴', '武'),
    ('晓', '小'),
    ('文', '雯'),
    ('华', '花'),
    ('国', '國'),
    ('丽', '莉'),
    ('静', '敬'),
    ('娟', '鹃'),
    ('峰', '锋'),
    ('杰', '捷'),
    ('辉', '晖'),
    ('俊', '峻'),
    ('明', '民'),
    ('琳', '玲'),
    ('强', '強'),
    ('燕', '艳'),
    ('英', '莹'),
    ('军', '君'),
    ('志', '智'),
];
const COUNTIES: [&str; 6] = ["兰山区", "罗庄区", "河东区", "沂南县", "郯城县", "沂水县"];

/// A generator that is the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (self.0 >> 22 ^ self.0) >> (22 + (self.0 >> 61));
        word & 0xffff_ffff
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() as usize) % bound
    }

    pub fn chance(&mut self, per_cent: usize) -> bool {
        self.below(100) < per_cent
    }

    fn one(&mut self, of: &str) -> char {
        let characters: Vec<char> = of.chars().collect();
        // The first ones are more common, as names are.
        let (a, b) = (self.below(characters.len()), self.below(characters.len()));
        characters[a.min(b)]
    }
}

/// One person, or what a department wrote of one.
#[derive(Debug, Clone)]
pub struct Person {
    pub truth: usize,
    pub name: String,
    pub sex: &'static str,
    pub birth: String,
    pub address: String,
    pub mobile: String,
}

fn person(random: &mut Random, truth: usize, relative: Option<&Person>) -> Person {
    let surname = relative.map_or_else(|| random.one(SURNAMES), |other| other.name.chars().next().unwrap());
    let mut name = String::from(surname);
    for _ in 0..=usize::from(random.chance(80)) {
        name.push(random.one(GIVEN));
    }
    let county = COUNTIES[random.below(COUNTIES.len())];
    let address = relative.map_or_else(
        || {
            format!(
                "山东省临沂市{county}{}{}镇{}庄村{}号",
                random.one(GIVEN),
                random.one(SURNAMES),
                random.one(SURNAMES),
                1 + random.below(400)
            )
        },
        |other| other.address.clone(),
    );
    let mobile = match relative {
        Some(other) if random.chance(30) => other.mobile.clone(),
        _ => format!("1{}{:09}", ["3", "5", "7", "8"][random.below(4)], random.next() % 1_000_000_000),
    };
    let birth = format!("{}-{:02}-{:02}", 1940 + random.below(75), 1 + random.below(12), 1 + random.below(28));
    Person { truth, name, sex: ["男", "女"][random.below(2)], birth, address, mobile }
}

fn written(random: &mut Random, person: &Person) -> Person {
    let mut other = person.clone();
    if random.chance(25) {
        let confused = CONFUSED.iter().find(|(right, _)| other.name.contains(*right));
        match confused {
            Some((right, wrong)) => other.name = other.name.replacen(*right, &wrong.to_string(), 1),
            None => other.name.insert(other.name.chars().next().map_or(0, char::len_utf8), ' '),
        }
    }
    if random.chance(10) {
        let day = random.below(10);
        other.birth.replace_range(9..10, &day.to_string());
    }
    if random.chance(25) {
        other.mobile = format!("1{}{:09}", ["3", "5", "7", "8"][random.below(4)], random.next() % 1_000_000_000);
    }
    if random.chance(30) {
        other.address = other.address.replace("山东省临沂市", "");
    }
    for field in [&mut other.birth, &mut other.address, &mut other.mobile] {
        if random.chance(6) {
            field.clear();
        }
    }
    other
}

/// A register of households, and what another department knows of most of its people and of some more.
pub fn register_and_delivery(seed: u64, people: usize) -> (Vec<Person>, Vec<Person>) {
    let mut random = Random(seed);
    let mut register: Vec<Person> = Vec::new();
    while register.len() < people {
        let head = person(&mut random, register.len(), None);
        register.push(head.clone());
        if random.chance(35) {
            for _ in 0..=random.below(3) {
                let relative = person(&mut random, register.len(), Some(&head));
                register.push(relative);
            }
        }
    }
    let mut delivery = Vec::new();
    for known in &register {
        if random.chance(70) {
            delivery.push(written(&mut random, known));
        }
    }
    for more in 0..people / 10 {
        let stranger = person(&mut random, register.len() + more, None);
        delivery.push(written(&mut random, &stranger));
    }
    (register, delivery)
}

pub fn table(people: &[Person]) -> Table {
    let column = |name: &str, value: &dyn Fn(usize, &Person) -> String| {
        let mut column = ColumnBuilder::new(name);
        for (row, person) in people.iter().enumerate() {
            column.push(Some(&value(row, person)));
        }
        column.finish()
    };
    Table {
        name: "people".to_owned(),
        columns: vec![
            column("编号", &|row, person| format!("{}-{row}", person.name.len())),
            column("姓名", &|_, person| person.name.clone()),
            column("性别", &|_, person| person.sex.to_owned()),
            column("出生日期", &|_, person| person.birth.clone()),
            column("住址", &|_, person| person.address.clone()),
            column("手机", &|_, person| person.mobile.clone()),
        ],
        rows: people.len(),
    }
}

pub fn two_tables(seed: u64, people: usize) -> (Records, Vec<usize>) {
    let (register, delivery) = register_and_delivery(seed, people);
    let (first, second) = (table(&register), table(&delivery));
    let names: Vec<(String, String)> =
        first.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    let truth = register.iter().chain(&delivery).map(|person| person.truth).collect();
    (Records::two(first, second, &names).unwrap(), truth)
}

pub fn one_table(seed: u64, people: usize) -> (Records, Vec<usize>) {
    let (mut all, delivery) = register_and_delivery(seed, people);
    all.extend(delivery);
    let truth = all.iter().map(|person| person.truth).collect();
    (Records::one(table(&all)), truth)
}
