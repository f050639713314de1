//! The sentences that providers read, in Chinese and English.
//!
//! A rule may bring its own sentence (`message`); otherwise its kind has one. What was expected is told apart from
//! what was found, so that a page can set them in columns.

use yihe_definitions::{Rule, RuleKind, Text, rule::Identifier};

/// What a rule expects of a value, e.g. 11 位手机号码 / an 11-digit mobile number.
#[must_use]
pub fn expected(rule: &Rule) -> Text {
    match &rule.kind {
        RuleKind::NotNull { .. } => Text::new("必须填写", "a value"),
        RuleKind::Unique { columns } if columns.len() == 1 => {
            Text::new("不与其他行重复", "a value that no other row has")
        }
        RuleKind::Unique { columns } => {
            let columns = columns.join("、");
            Text::new(format!("{columns} 的组合不重复"), format!("a combination of {columns} that no other row has"))
        }
        RuleKind::Pattern { pattern, .. } => {
            Text::new(format!("符合格式 {pattern}"), format!("text of the form {pattern}"))
        }
        RuleKind::Length { min, max, .. } => match (min, max) {
            (Some(min), Some(max)) if min == max => Text::new(format!("{min} 个字符"), format!("{min} characters")),
            (Some(min), Some(max)) => Text::new(format!("{min} 至 {max} 个字符"), format!("{min} to {max} characters")),
            (Some(min), None) => Text::new(format!("至少 {min} 个字符"), format!("at least {min} characters")),
            (None, max) => {
                let max = max.unwrap_or(u32::MAX);
                Text::new(format!("至多 {max} 个字符"), format!("at most {max} characters"))
            }
        },
        RuleKind::CodeList { table, codes, valid_at, characters, .. } => {
            let code = code_list(table.as_deref(), codes, valid_at.as_deref());
            match characters {
                None => code,
                Some((first, last)) => Text::new(
                    format!("第 {first} 至 {last} 位为{}", code.zh),
                    format!("characters {first} to {last} being {}", code.en.unwrap_or_default()),
                ),
            }
        }
        RuleKind::Range { min, max, .. } => match (min, max) {
            (Some(min), Some(max)) => Text::new(format!("在 {min} 至 {max} 之间"), format!("from {min} to {max}")),
            (Some(min), None) => Text::new(format!("不小于 {min}"), format!("at least {min}")),
            (None, max) => {
                let max = max.as_deref().unwrap_or_default();
                Text::new(format!("不大于 {max}"), format!("at most {max}"))
            }
        },
        RuleKind::CheckDigit { identifier, .. } => identifier_name(*identifier),
        RuleKind::CitizenAgrees { .. } => Text::new(
            "出生日期、性别与公民身份号码一致（GB 11643）",
            "birth date and sex as in the citizen's number (GB 11643)",
        ),
        RuleKind::Order { earlier, later } => {
            Text::new(format!("{later} 不早于 {earlier}"), format!("{later} not before {earlier}"))
        }
        RuleKind::Reference { table, .. } => Text::new(format!("在 {table} 中存在"), format!("a key that {table} has")),
        RuleKind::Reconcile { table, compare, .. } => {
            let columns = compare.join("、");
            Text::new(format!("{columns} 与 {table} 一致"), format!("the same {columns} as in {table}"))
        }
        RuleKind::Freshness { within_days, .. } => {
            Text::new(format!("{within_days} 天以内的数据"), format!("a value of the last {within_days} days"))
        }
        RuleKind::Volume { min, max, change_percent } => volume(*min, *max, *change_percent),
        RuleKind::Drift { distance, .. } => Text::new(
            format!("与上一版本的分布差异不超过 {distance}"),
            format!("a distribution within {distance} of the version before"),
        ),
        RuleKind::Predicate { sql } => Text::new(format!("满足条件 {sql}"), format!("a row for which {sql} holds")),
    }
}

/// The sentence for one fault: the rule's own, or its kind's, with what was found. `None` is a missing value.
#[must_use]
pub fn sentence(rule: &Rule, found: Option<&str>) -> Text {
    let columns = rule.kind.columns().join("、");
    let expected = expected(rule);
    let english = expected.en.unwrap_or_default();
    let subject = |all: &'static str| if columns.is_empty() { all.to_owned() } else { columns.clone() };
    let zh = match (&rule.message, found) {
        (Some(message), Some(found)) => format!("{}（实际为“{found}”）", message.zh),
        (Some(message), None) => message.zh.clone(),
        (None, Some(found)) => format!("{}：实际为“{found}”，应为：{}", subject("本表"), expected.zh),
        (None, None) => format!("{}：未填写，应为：{}", subject("本表"), expected.zh),
    };
    let en = match (rule.message.as_ref().map(|message| message.en.as_ref().unwrap_or(&message.zh)), found) {
        (Some(message), Some(found)) => format!("{message} (found `{found}`)"),
        (Some(message), None) => message.clone(),
        (None, Some(found)) => format!("{}: found `{found}`, expected {english}", subject("the table")),
        (None, None) => format!("{}: found nothing, expected {english}", subject("the table")),
    };
    Text::new(zh, en)
}

fn code_list(table: Option<&str>, codes: &[String], valid_at: Option<&str>) -> Text {
    const LISTED_MAX: usize = 12;
    let listed = |more: &str| {
        let mut listed = codes.iter().take(LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join("、");
        if codes.len() > LISTED_MAX {
            listed.push_str(more);
        }
        listed
    };
    match (table, valid_at) {
        (Some(table), Some(day)) => Text::new(
            format!("代码表 {table} 中在 {day} 当日有效的代码"),
            format!("a code of {table} that was valid on {day}"),
        ),
        (Some(table), None) => Text::new(format!("代码表 {table} 中的代码"), format!("a code of {table}")),
        (None, _) => Text::new(format!("以下之一：{}", listed(" 等")), format!("one of {}", listed(" …"))),
    }
}

fn volume(min: Option<u64>, max: Option<u64>, change_percent: Option<f64>) -> Text {
    let mut zh = Vec::new();
    let mut en = Vec::new();
    if let Some(min) = min {
        zh.push(format!("不少于 {min} 行"));
        en.push(format!("at least {min} rows"));
    }
    if let Some(max) = max {
        zh.push(format!("不多于 {max} 行"));
        en.push(format!("at most {max} rows"));
    }
    if let Some(percent) = change_percent {
        zh.push(format!("较上一版本变化不超过 {percent}%"));
        en.push(format!("at most {percent} % more or fewer rows than the version before"));
    }
    Text::new(zh.join("，"), en.join(", "))
}

fn identifier_name(identifier: Identifier) -> Text {
    match identifier {
        Identifier::CitizenId => Text::new(
            "校验正确的 18 位公民身份号码（GB 11643）",
            "an 18-character citizen's number that adds up (GB 11643)",
        ),
        Identifier::CitizenIdLegacy => Text::new(
            "校验正确的公民身份号码，15 位或 18 位（GB 11643）",
            "a citizen's number of 15 or 18 characters that adds up (GB 11643)",
        ),
        Identifier::CreditCode => {
            Text::new("校验正确的统一社会信用代码（GB 32100）", "a unified social credit code that adds up (GB 32100)")
        }
        Identifier::OrganisationCode => {
            Text::new("校验正确的组织机构代码（GB 11714）", "an organisation code that adds up (GB 11714)")
        }
        Identifier::CertificateId => {
            Text::new("校验正确的电子证照标识（GB/T 36904）", "a certificate identifier that adds up (GB/T 36904)")
        }
        Identifier::ServiceItem => {
            Text::new("31 位政务服务事项实施编码（GB/T 39554.1）", "a 31-character service item code (GB/T 39554.1)")
        }
        Identifier::RealEstateUnit => {
            Text::new("28 位不动产单元代码（GB/T 37346）", "a 28-character real-estate unit (GB/T 37346)")
        }
        Identifier::Mobile => Text::new("11 位手机号码", "an 11-digit mobile number"),
        Identifier::PostalCode => Text::new("6 位邮政编码", "a 6-digit postal code"),
    }
}

/// What a rule demands of which columns, by their titles: `手机号码：符合格式 …`. A rule's own sentence goes first.
#[must_use]
pub fn rule_title(dataset: &yihe_definitions::Dataset, rule: &str) -> Text {
    if rule == crate::walk::KEY_RULE {
        return Text::new("主键不全", "a part of the key is missing");
    }
    if let Some((_, field)) = crate::tickets::conflict_field(rule) {
        let column = dataset.columns.iter().find(|column| column.name == *field);
        let (zh, en) = column.map_or((field, None), |column| (column.title.zh.as_str(), column.title.en.as_deref()));
        return Text::new(
            format!("{zh}：与权威数源不一致"),
            format!("{}: another value than the authority's", en.unwrap_or(field)),
        );
    }
    let Some(rule) = dataset.rules.iter().find(|known| known.id == rule) else {
        return Text::new(rule, rule);
    };
    if let Some(message) = &rule.message {
        return message.clone();
    }
    let demanded = expected(rule);
    let titles = rule.kind.columns().into_iter().map(|name| {
        let column = dataset.columns.iter().find(|column| column.name == *name);
        column.map_or_else(|| Text::new(name, name), |column| column.title.clone())
    });
    let titles: Vec<Text> = titles.collect();
    if titles.is_empty() {
        return demanded;
    }
    let zh: Vec<&str> = titles.iter().map(|title| title.zh.as_str()).collect();
    let en: Option<Vec<&str>> = titles.iter().map(|title| title.en.as_deref()).collect();
    Text {
        zh: format!("{}：{}", zh.join("、"), demanded.zh),
        en: en.zip(demanded.en).map(|(titles, demanded)| format!("{}: {demanded}", titles.join(", "))),
    }
}

/// What people read on the docket about a ticket for the faults of a rule.
#[must_use]
pub fn ticket_title(dataset: &yihe_definitions::Dataset, rule: &str) -> Text {
    let rule = rule_title(dataset, rule);
    Text {
        zh: format!("数据问题：{} · {}", dataset.title.zh, rule.zh),
        en: dataset.title.en.as_ref().zip(rule.en).map(|(title, rule)| format!("faults: {title} · {rule}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_was_found_and_what_was_expected() {
        let rule =
            Rule::new("mobile", RuleKind::CheckDigit { column: "mobile".into(), identifier: Identifier::Mobile });
        let sentence = sentence(&rule, Some("1281"));
        assert_eq!(sentence.zh, "mobile：实际为“1281”，应为：11 位手机号码");
        assert_eq!(sentence.en.unwrap(), "mobile: found `1281`, expected an 11-digit mobile number");
    }

    #[test]
    fn a_sentence_of_the_rules_own_goes_first() {
        let mut rule = Rule::new("name", RuleKind::NotNull { column: "name".into() });
        rule.message = Some(Text::new("姓名必填", "name is required"));
        assert_eq!(sentence(&rule, None).zh, "姓名必填");
        assert_eq!(sentence(&rule, Some(" ")).en.unwrap(), "name is required (found ` `)");
    }
}
