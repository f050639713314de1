//! Names of persons: surnames and given-name characters by sex and time, weighted as they are met.

use crate::random::Draw;

/// Surnames with their share in 1/10,000 of the population, roughly as the name reports of the Ministry of
/// Public Security give them; the rest are rarer ones.
const SURNAMES: &[(&str, u32)] = &[
    ("王", 717),
    ("李", 719),
    ("张", 679),
    ("刘", 517),
    ("陈", 361),
    ("杨", 309),
    ("赵", 269),
    ("黄", 186),
    ("周", 201),
    ("吴", 194),
    ("徐", 183),
    ("孙", 195),
    ("胡", 131),
    ("朱", 141),
    ("高", 139),
    ("林", 99),
    ("何", 113),
    ("郭", 124),
    ("马", 129),
    ("罗", 86),
    ("梁", 78),
    ("宋", 98),
    ("郑", 91),
    ("谢", 75),
    ("韩", 82),
    ("唐", 70),
    ("冯", 75),
    ("于", 83),
    ("董", 73),
    ("萧", 31),
    ("程", 62),
    ("曹", 65),
    ("袁", 60),
    ("邓", 59),
    ("许", 61),
    ("傅", 52),
    ("沈", 51),
    ("曾", 50),
    ("彭", 52),
    ("吕", 55),
    ("苏", 48),
    ("卢", 47),
    ("蒋", 47),
    ("蔡", 45),
    ("贾", 46),
    ("丁", 49),
    ("魏", 48),
    ("薛", 43),
    ("叶", 42),
    ("阎", 24),
    ("余", 41),
    ("潘", 40),
    ("杜", 44),
    ("戴", 34),
    ("夏", 35),
    ("钟", 34),
    ("汪", 36),
    ("田", 39),
    ("任", 38),
    ("姜", 41),
    ("范", 37),
    ("方", 36),
    ("石", 36),
    ("姚", 36),
    ("谭", 33),
    ("廖", 32),
    ("邹", 31),
    ("熊", 30),
    ("金", 31),
    ("陆", 29),
    ("郝", 28),
    ("孔", 33),
    ("白", 28),
    ("崔", 34),
    ("康", 26),
    ("毛", 27),
    ("邱", 27),
    ("秦", 26),
    ("江", 26),
    ("史", 26),
    ("顾", 25),
    ("侯", 26),
    ("邵", 25),
    ("孟", 28),
    ("龙", 22),
    ("万", 23),
    ("段", 23),
    ("雷", 22),
    ("钱", 22),
    ("汤", 22),
    ("尹", 23),
    ("黎", 20),
    ("易", 19),
    ("常", 20),
    ("武", 21),
    ("乔", 20),
    ("贺", 19),
    ("赖", 18),
    ("龚", 19),
    ("文", 18),
    ("庄", 19),
    ("殷", 16),
    ("刁", 10),
    ("颜", 19),
    ("季", 15),
    ("公", 14),
    ("相", 9),
    ("密", 8),
    ("解", 12),
    ("单", 12),
    ("仇", 9),
    ("厉", 9),
    ("冷", 8),
    ("隋", 10),
    ("逄", 6),
    ("尤", 9),
    ("诸葛", 5),
    ("欧阳", 7),
    ("上官", 2),
    ("司马", 2),
    ("臧", 10),
    ("宗", 8),
    ("鞠", 7),
    ("葛", 17),
    ("聂", 12),
    ("苗", 10),
    ("牛", 11),
    ("岳", 11),
];

/// Given-name characters, commonest first: men born before 1980.
const MEN_THEN: &str = "国建军华明志文永德庆玉成春林福生新平荣光学忠东海金兴贵洪祥宝全清云山立红振胜义良启少正世家传树维根喜长占来保克俊友顺利和民强刚勇伟峰波辉斌宏杰堂田江河安富昌绪奎廷法增存水廉恒秋冬";
/// Men born since.
const MEN_NOW: &str = "浩宇轩子涵明泽俊杰伟博文昊天晨鑫磊鹏飞超凯旭阳帅亮强勇涛斌辉龙志家豪睿嘉梓辰奕航一诺皓然铭煜瑞霖思远承恩翔宸逸凡骏毅佳恒峻熙锦程启哲景行书言云峰润泰乐冠霆森琛晟尧舜禹钧衡朗";
/// Women born before 1980.
const WOMEN_THEN: &str = "秀英兰芳玉华梅桂珍红霞凤霞爱玲丽萍淑云春燕香娟莲荣翠琴素美金花惠敏静艳桃月娥菊彩明巧银爽景芝连君清瑞杰平慧洁琳凡贞环青倩婷秋玲珠冬仙叶珊霜菲寒伊亚宜可姬舒影荔枝思";
/// Women born since.
const WOMEN_NOW: &str = "欣怡梓涵雨诗萱佳琪雅静婷婷雪梦洁琳璐瑶思颖悦彤晓丽娜娟敏莹慧倩晨曦语嫣可馨一诺依诺若曦子墨紫妍艺菲文君宁心媛如意安然芷若书瑶清扬予熙禾苗云舒初夏钰淇珊玥蕊薇芸苒岚";

/// A character and what clerks write instead: the same sound, or another form of the character.
const CONFUSED: &[(char, char)] = &[
    ('丽', '莉'),
    ('英', '瑛'),
    ('华', '桦'),
    ('伟', '玮'),
    ('军', '君'),
    ('明', '铭'),
    ('红', '虹'),
    ('玲', '铃'),
    ('燕', '艳'),
    ('萍', '苹'),
    ('杰', '洁'),
    ('峰', '锋'),
    ('勇', '永'),
    ('辉', '晖'),
    ('志', '智'),
    ('文', '雯'),
    ('刚', '钢'),
    ('磊', '蕾'),
    ('鑫', '新'),
    ('秀', '绣'),
    ('梅', '玫'),
    ('云', '芸'),
    ('琴', '勤'),
    ('兰', '岚'),
    ('霞', '遐'),
    ('国', '囯'),
    ('涛', '滔'),
    ('超', '朝'),
    ('波', '博'),
    ('宁', '甯'),
    ('斌', '彬'),
    ('宏', '弘'),
    ('芳', '方'),
    ('娟', '涓'),
    ('敏', '闽'),
    ('静', '净'),
    ('建', '健'),
    ('俊', '峻'),
    ('欣', '新'),
    ('怡', '仪'),
    ('涵', '函'),
    ('轩', '宣'),
    ('宇', '羽'),
    ('浩', '皓'),
    ('子', '梓'),
    ('雨', '语'),
    ('晨', '辰'),
    ('泽', '择'),
    ('玉', '钰'),
    ('德', '得'),
    ('庆', '磬'),
    ('成', '诚'),
    ('福', '富'),
    ('春', '椿'),
    ('淑', '叔'),
    ('珍', '真'),
    ('昊', '灏'),
    ('博', '搏'),
    ('飞', '菲'),
    ('凯', '恺'),
    ('佳', '嘉'),
    ('琪', '淇'),
    ('雪', '学'),
    ('梦', '孟'),
    ('瑶', '遥'),
    ('颖', '莹'),
    ('悦', '跃'),
    ('彤', '童'),
    ('晓', '小'),
    ('慧', '惠'),
    ('倩', '茜'),
    ('立', '利'),
    ('吕', '呂'),
    ('于', '於'),
    ('阎', '闫'),
    ('傅', '付'),
    ('萧', '肖'),
    ('邱', '丘'),
    ('戴', '代'),
    ('钟', '锺'),
];

const SLOTS: usize = 4_096;

/// Name tables: drawing a name is two or three look-ups.
#[derive(Debug)]
pub struct Names {
    surnames: Vec<&'static str>,
    given: [Vec<char>; 4],
}

impl Names {
    pub fn new() -> Self {
        let weights = SURNAMES.iter().map(|(surname, share)| (*surname, f64::from(*share)));
        Self {
            surnames: slots(weights.collect()),
            given: [MEN_THEN, MEN_NOW, WOMEN_THEN, WOMEN_NOW].map(|pool| slots(zipf(pool))),
        }
    }

    /// Writes a surname.
    pub fn surname(&self, draw: &mut Draw, into: &mut String) {
        into.push_str(self.surnames[slot(draw)]);
    }

    /// Writes a given name of one or two characters.
    pub fn given(&self, is_woman: bool, born_since_1980: bool, draw: &mut Draw, into: &mut String) {
        let pool = &self.given[usize::from(is_woman) * 2 + usize::from(born_since_1980)];
        // Single-character names were in fashion between about 1975 and 2000; a sixth of all names on average.
        if !draw.chance(160_000) {
            into.push(pool[slot(draw)]);
        }
        into.push(pool[slot(draw)]);
    }
}

/// What a clerk writes by ear or with another form of a character; a name without such a character gets a blank.
pub fn confused(name: &str) -> String {
    let other = |found: char| CONFUSED.iter().find(|(right, _)| *right == found).map(|(_, wrong)| *wrong);
    // The last such character: given names are misheard more often than surnames.
    let place = name.char_indices().rev().find_map(|(index, found)| other(found).map(|wrong| (index, found, wrong)));
    if let Some((index, found, wrong)) = place {
        format!("{}{wrong}{}", &name[..index], &name[index + found.len_utf8()..])
    } else {
        let first = name.chars().next().map_or(0, char::len_utf8);
        format!("{} {}", &name[..first], &name[first..])
    }
}

fn slot(draw: &mut Draw) -> usize {
    usize::try_from(draw.below(SLOTS as u64)).expect("below the number of slots")
}

fn zipf(pool: &'static str) -> Vec<(char, f64)> {
    let mut seen = std::collections::BTreeSet::new();
    let once = pool.chars().filter(|found| seen.insert(*found));
    once.zip(1_u32..).map(|(found, rank)| (found, 1.0 / (f64::from(rank) + 4.0).powf(0.85))).collect()
}

/// Spreads weighted values over [`SLOTS`] equal slots.
#[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "shares of 4,096 slots")]
fn slots<T: Copy>(weighted: Vec<(T, f64)>) -> Vec<T> {
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut filled = Vec::with_capacity(SLOTS);
    let mut sum = 0.0;
    for (value, weight) in weighted {
        sum += weight;
        let until = ((sum / total * SLOTS as f64).round() as usize).min(SLOTS);
        filled.resize(until.max(filled.len()), value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn the_tables_are_full_and_long_enough() {
        let names = Names::new();
        assert!(SURNAMES.len() >= 120, "{}", SURNAMES.len());
        assert_eq!(names.surnames.len(), SLOTS);
        let mut characters = 0;
        for pool in &names.given {
            assert_eq!(pool.len(), SLOTS);
            characters += pool.iter().collect::<std::collections::BTreeSet<_>>().len();
        }
        assert!(characters >= 300, "{characters}");
    }

    #[test]
    fn surnames_are_met_as_often_as_in_life() {
        let names = Names::new();
        let stream = Stream::new(7, "names");
        let mut wang = 0;
        for index in 0..100_000 {
            let mut name = String::new();
            names.surname(&mut stream.at(index), &mut name);
            wang += u32::from(name == "王");
        }
        assert!((6_000..10_500).contains(&wang), "{wang}");
    }

    #[test]
    fn a_confused_name_differs_and_keeps_its_length_or_gains_a_blank() {
        assert_eq!(confused("王建国"), "王建囯");
        assert_eq!(confused("萧乾"), "肖乾");
        assert_eq!(confused("孙乾"), "孙 乾");
    }
}
