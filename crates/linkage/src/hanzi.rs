//! What is alike about Chinese characters: one canonical form, sound, near sound, shape.
//!
//! # Source
//! Unicode Han database (variants, four-corner, Cangjie, phonetic classes) by `tools/hanzi`; readings from the
//! crate `pinyin`.

use std::{collections::HashMap, sync::LazyLock};

use pinyin::{ToPinyin, ToPinyinMulti};

const TABLE: &str = include_str!("../data/hanzi.tsv");

/// Shapes of a character.
#[derive(Debug, Clone, Copy)]
struct Shape {
    canonical: char,
    four_corner: &'static str,
    cangjie: &'static str,
    phonetic: &'static str,
}

static SHAPES: LazyLock<HashMap<char, Shape>> = LazyLock::new(|| {
    let mut shapes = HashMap::with_capacity(22_000);
    for line in TABLE.lines() {
        let mut cells = line.split('\t');
        let character = cells.next().and_then(|cell| cell.chars().next());
        let (Some(character), Some(canonical), Some(four_corner), Some(cangjie), Some(phonetic)) =
            (character, cells.next(), cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let canonical = canonical.chars().next().filter(|&own| own != '-').unwrap_or(character);
        shapes.insert(character, Shape { canonical, four_corner, cangjie, phonetic });
    }
    shapes
});

/// Surnames of two characters that are common enough to be taken for one.
const COMPOUND_SURNAMES: [&str; 24] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "司徒", "长孙", "夏侯", "轩辕",
    "宇文", "端木", "独孤", "南宫", "西门", "东郭", "百里", "呼延", "闻人", "澹台",
];

/// The surnames that nine of ten people have: what tells a column of names from a column of words.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施牛樊葛邢安齐庄文庞颜柴殷翟申詹焦耿左关祝尚季鲁舒辛包单滕解管";

/// Whether this is a Chinese character.
#[must_use]
pub fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '〇')
}

/// Whether a text begins as most Chinese names do.
#[must_use]
pub fn begins_with_surname(text: &str) -> bool {
    text.chars().next().is_some_and(|first| SURNAMES.contains(canonical(first)))
        || COMPOUND_SURNAMES.iter().any(|surname| text.starts_with(surname))
}

/// Characters of the surname at the start of a name in canonical form.
#[must_use]
pub fn surname_length(name: &[char]) -> usize {
    let compound =
        name.len() > 2 && COMPOUND_SURNAMES.iter().any(|surname| surname.chars().zip(name).all(|(a, &b)| a == b));
    if compound { 2 } else { 1 }
}

/// The simplified or common form of a character.
#[must_use]
pub fn canonical(character: char) -> char {
    SHAPES.get(&character).map_or(character, |shape| shape.canonical)
}

/// A character's readings without tone, the usual one first; at most four.
#[must_use]
pub fn readings(character: char) -> Vec<&'static str> {
    let mut readings = Vec::with_capacity(2);
    if let Some(usual) = character.to_pinyin() {
        readings.push(usual.plain());
    }
    if let Some(all) = character.to_pinyin_multi() {
        for reading in all {
            if !readings.contains(&reading.plain()) && readings.len() < 4 {
                readings.push(reading.plain());
            }
        }
    }
    readings
}

/// A reading as many people of the south, and many input methods, tell it: zh = z, ch = c, sh = s, n = l,
/// r = l, f = h, -ng = -n.
#[must_use]
pub fn near_reading(reading: &str) -> String {
    let mut near = reading.to_owned();
    for (from, to) in [("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"), ("r", "l"), ("f", "h")] {
        if let Some(rest) = near.strip_prefix(from) {
            near = format!("{to}{rest}");
            break;
        }
    }
    match near.strip_suffix("ng") {
        Some(rest) => format!("{rest}n"),
        None => near,
    }
}

/// Whether two characters look alike: the same four corners, the same phonetic part, or one Cangjie stroke apart.
#[must_use]
pub fn look_alike(left: char, right: char) -> bool {
    if left == right {
        return true;
    }
    let (Some(left), Some(right)) = (SHAPES.get(&left), SHAPES.get(&right)) else { return false };
    let same = |a: &str, b: &str| a != "-" && a == b;
    if same(left.four_corner, right.four_corner) || same(left.phonetic, right.phonetic) {
        return true;
    }
    let (a, b) = (left.cangjie.as_bytes(), right.cangjie.as_bytes());
    // One key of three or more; shorter codes differ by one as soon as they share anything.
    if a.len().max(b.len()) < 3 || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    a.len().max(b.len()) - start - end <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_and_variant_forms_become_the_common_one() {
        for (written, common) in [('張', '张'), ('劉', '刘'), ('國', '国'), ('鋒', '锋'), ('张', '张')] {
            assert_eq!(canonical(written), common);
        }
    }

    #[test]
    fn many_readings_are_known_and_the_usual_one_comes_first() {
        assert_eq!(readings('单')[0], "dan");
        assert!(readings('单').contains(&"shan"));
        assert!(readings('仇').contains(&"qiu"));
    }

    #[test]
    fn southern_sounds_fall_together() {
        assert_eq!(near_reading("zhang"), near_reading("zan"));
        assert_eq!(near_reading("ning"), near_reading("lin"));
        assert_ne!(near_reading("wang"), near_reading("huang"));
    }

    #[test]
    fn characters_that_clerks_confuse_look_alike() {
        for (left, right) in [('未', '末'), ('己', '已'), ('峰', '锋'), ('芳', '方')] {
            assert!(look_alike(left, right), "{left} {right}");
        }
        for (left, right) in [('王', '李'), ('经', '国'), ('伟', '芳')] {
            assert!(!look_alike(left, right), "{left} {right}");
        }
    }
}
