//! A doubtful pair: a record, or an entity, beside an entity, field by field, with the weights that speak for and against, and the
//! answer of a person. Works as a form; a script adds single keys.

use maud::{Markup, html};
pub use yihe_registries::review::Verdict;

use super::clear_form;
use crate::{
    assets,
    chart::{self, Fall},
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the page shows. Values are as they may be seen.
#[derive(Debug, Clone)]
pub struct PairView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// Name of the pair in addresses.
    pub pair: String,
    /// Department of the record.
    pub department: Text,
    /// Its dataset.
    pub dataset: Text,
    /// The record's key.
    pub record_key: String,
    /// Of two entities, the identifier of the one that would be merged away.
    pub other: Option<String>,
    /// The entity's identifier; its page is named by it.
    pub entity: String,
    /// The entity's key.
    pub entity_key: String,
    /// Odds before anything is compared, bits.
    pub prior: f64,
    /// One step for each comparison.
    pub steps: Vec<Step>,
    /// Given back because what changes together may have changed, bits: somebody moved.
    pub moved: f64,
    /// Taken off because they may be relatives, bits, negative or zero.
    pub kin: f64,
    /// Probability that they are the same, `0.0..=1.0`.
    pub probability: f64,
    /// Whether values are in clear now, and why.
    pub cleared_for: Option<String>,
    /// Whether the entity is protected.
    pub is_protected: bool,
    /// Whether this visitor may answer and see in clear.
    pub is_keeper: bool,
    /// What this visitor answered before.
    pub answered: Option<Verdict>,
    /// Said at the top: what became of the pair before.
    pub said: Option<Text>,
    /// The decision that stands.
    pub decided: Option<Text>,
    /// The pairs beside it in the work list.
    pub previous: Option<String>,
    /// See `previous`.
    pub next: Option<String>,
    /// When the page was made, in microseconds: how long it is looked at is counted from here.
    pub shown_at: i64,
    /// Reviewers that must agree.
    pub reviewers: u64,
}

/// A verdict in words.
#[must_use]
pub fn verdict_title(verdict: Verdict) -> Text {
    match verdict {
        Verdict::Same => Text::new("同一个", "Same"),
        Verdict::Different => Text::new("不是", "Different"),
        Verdict::Unsure => Text::new("拿不准", "Unsure"),
    }
}

/// The key that gives it.
const fn verdict_key(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "s",
        Verdict::Different => "d",
        Verdict::Unsure => "u",
    }
}

/// What one comparison says.
#[derive(Debug, Clone)]
pub struct Step {
    /// The field.
    pub field: Text,
    /// The record's value.
    pub record: Option<String>,
    /// The entity's value.
    pub entity: Option<String>,
    /// How far they agree.
    pub agreement: Agreement,
    /// The level in words.
    pub level: Text,
    /// Bits for (positive) or against.
    pub weight: f64,
    /// The part of it that the value's rarity makes.
    pub rarity: f64,
}

/// How far two values agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The same.
    Same,
    /// In part.
    Near,
    /// Not at all.
    Other,
    /// One of them is missing.
    Missing,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &PairView) -> Markup {
    let words = frame.words;
    let title = format!("{}{}", view.title.get(words.0), words.of("：疑似同一", ": a doubtful pair"));
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap data-review {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (words.of("疑似同一", "Doubtful pair")) }))
                    h1 { (words.of("是不是同一个？", "Are they the same?")) }
                    p { (words.text(&view.department)) " · " (words.text(&view.dataset)) " " span.code { (view.record_key) } " ↔ " span.code { (view.entity_key) } }
                    ul.tags {
                        li { span class=(if view.probability >= 0.5 { "tag good" } else { "tag warn" }) { (words.of("同一的概率 ", "probability ")) (words.percent(view.probability)) } }
                        @if view.is_protected { li { span.tag.bad { (words.of("受保护人员", "protected")) } } }
                        @if let Some(other) = &view.other { li { a.tag.code href={ "/registries/" (view.registry) "/records/" (other) } { (other) } } }
                        li { a.tag.code href={ "/registries/" (view.registry) "/records/" (view.entity) } { (view.entity) } }
                    }
                }
                @if let Some(said) = &view.said { div.notice role="status" { p { (words.text(said)) } } }
                @if let Some(decided) = &view.decided { div.notice.warn role="status" { p { (words.of("已有决定：", "Decided: ")) (words.text(decided)) } } }
                @if let Some(reason) = &view.cleared_for {
                    div.notice.bad role="status" { h2 { (words.of("正在明文显示", "Shown in clear")) } p { (words.of("已记入账本。理由：", "This is on the ledger. Reason: ")) span lang="zh-Hans" { (reason) } } }
                }
                div.split {
                    div.stack {
                        section aria-labelledby="weights" {
                            h2 #weights { (words.of("逐项比对与权重", "Side by side, with the weights")) }
                            p.note { (words.of("权重以比特计：每多 1 比特，同一的可能性加倍。从“比较之前”起逐项累加，落在最后一行。", "Weights are bits: one more doubles the odds. They add up from “before comparing” to the last row.")) }
                            (weights(words, view))
                        }
                    }
                    aside.stack aria-label=(words.of("核对", "Judging")) {
                        @if view.is_keeper { (answer(frame, view)) }
                        @if view.is_keeper && !view.is_protected && view.cleared_for.is_none() {
                            section.card aria-labelledby="clear" {
                                h2 #clear { (words.of("脱敏", "Masking")) }
                                (clear_form(frame, &format!("/registries/{}/pairs/{}/clear", view.registry, view.pair),
                                    words.of("脱敏后看不出差别时，写明理由后查看明文；作答后下一对沿用同一理由，每对各入账一次。", "Where masks hide the difference, say why you need to see it. The next pair keeps the reason; each pair is an entry of the ledger.")))
                            }
                        }
                    }
                }
                script src=(assets::review()) defer {}
            }
        },
    )
}

fn answer(frame: &Frame, view: &PairView) -> Markup {
    let words = frame.words;
    let pair = |pair: &str| format!("/registries/{}/pairs/{pair}", view.registry);
    html! {
        section.card aria-labelledby="answer" {
            h2 #answer { (words.of("您的判断", "Your answer")) }
            @if let Some(answered) = view.answered { p { (words.of("您先前答过：", "You answered before: ")) strong { (words.text(&verdict_title(answered))) } } }
            form.act method="post" action={ (pair(&view.pair)) "/answer" } {
                @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
                input type="hidden" name="shown_at" value=(view.shown_at);
                @if let Some(reason) = &view.cleared_for { input type="hidden" name="reason" value=(reason); }
                p.actions {
                    @for verdict in Verdict::ALL {
                        button class=(if verdict == Verdict::Same { "button" } else { "button quiet" }) type="submit" name="answer" value=(verdict.as_str()) data-key=(verdict_key(verdict)) aria-keyshortcuts=(verdict_key(verdict)) {
                            (words.text(&verdict_title(verdict))) " " kbd { (verdict_key(verdict)) }
                        }
                    }
                }
            }
            @if view.other.is_some() { p.note { (words.of("“同一个”即合并：前一个并入后一个，其号码从下次建库起指向后者，可撤销。“不是”即不再提示。", "“Same” merges: the first goes into the second, and its number leads there from the next build on; this can be revoked. “Different” is not asked again.")) } }
            @if view.reviewers > 1 { p.note { (words.of("需 ", "")) (view.reviewers) (words.of(" 人意见一致才生效。", " reviewers must agree.")) } }
            nav.pager aria-label=(words.of("上一对、下一对", "Pairs")) {
                @if let Some(previous) = &view.previous { a href=(pair(previous)) rel="prev" data-key="k" { (words.of("上一对", "Previous")) " " kbd { "k" } } }
                @if let Some(next) = &view.next { a href=(pair(next)) rel="next" data-key="j" { (words.of("下一对", "Next")) " " kbd { "j" } } }
                a href={ "/registries/" (view.registry) "/review" } { (words.of("回到清单", "Back to the list")) }
            }
            div.check hidden data-keys { label { input type="checkbox" data-keys-switch checked; (words.of("单键操作：s 同一、d 不是、u 拿不准、j 下一对、k 上一对", "Single keys: s same, d different, u unsure, j next, k previous")) } }
            p.visually-hidden role="status" data-announce data-sending=(words.of("正在记录", "Recording")) {}
        }
    }
}

fn weights(words: Words, view: &PairView) -> Markup {
    let mut falls = vec![Fall::total(view.prior)];
    falls.extend(view.steps.iter().map(|step| Fall::step(step.weight)));
    // What is said of the pair as a whole, beside its fields.
    let whole = [
        (words.of("可能搬过家", "May have moved"), view.moved),
        (words.of("可能是亲属", "May be relatives"), view.kin),
    ];
    let whole: Vec<(&str, f64)> = whole.into_iter().filter(|(_, weight)| *weight != 0.0).collect();
    falls.extend(whole.iter().map(|(_, weight)| Fall::step(*weight)));
    let end = view.prior + view.steps.iter().map(|step| step.weight).sum::<f64>() + view.moved + view.kin;
    falls.push(Fall::total(end));
    let bars = chart::waterfall(&falls);
    let heads = [
        Head::Text(words.of("字段", "Field")),
        Head::Text(if view.other.is_some() {
            words.of("将并入的实体", "Would be merged")
        } else {
            words.of("这条记录", "This record")
        }),
        Head::Text(if view.other.is_some() {
            words.of("保留的实体", "Stays")
        } else {
            words.of("库中实体", "The entity")
        }),
        Head::Text(words.of("一致程度", "Agreement")),
        Head::Number(words.of("权重", "Weight")),
        Head::Text(words.of("累加", "Adding up")),
    ];
    html! {
        (table("weights", &heads, &html! {
            tr { th scope="row" { (words.of("比较之前", "Before comparing")) } td { "–" } td { "–" } td { "–" } td.num { (bits(view.prior)) } td.fall { (bars[0]) } }
            @for (step, bar) in view.steps.iter().zip(&bars[1..]) {
                tr {
                    th scope="row" { (words.text(&step.field)) }
                    (value(words, step.record.as_deref(), step.agreement))
                    (value(words, step.entity.as_deref(), step.agreement))
                    td { (agreement(words, step)) }
                    td.num { (bits(step.weight)) @if step.rarity.abs() >= 0.05 { span.under { (words.of("其中稀有度 ", "of it rarity ")) (bits(step.rarity)) } } }
                    td.fall { (bar) }
                }
            }
            @for ((title, weight), bar) in whole.iter().zip(&bars[view.steps.len() + 1..]) {
                tr { th scope="row" { (title) } td { "–" } td { "–" } td { "–" } td.num { (bits(*weight)) } td.fall { (bar) } }
            }
            tr.sum { th scope="row" { (words.of("合计", "In all")) } td { "–" } td { "–" } td { (words.percent(view.probability)) } td.num { (bits(end)) } td.fall { (bars[bars.len() - 1]) } }
        }))
    }
}

fn value(words: Words, value: Option<&str>, agreement: Agreement) -> Markup {
    let class = match agreement {
        Agreement::Other => Some("differs"),
        Agreement::Near => Some("near"),
        Agreement::Same | Agreement::Missing => None,
    };
    html! { td class=[class] { @match value { Some(value) => span lang="zh-Hans" { (value) }, None => span.under { (words.of("（空）", "(empty)")) } } } }
}

fn agreement(words: Words, step: &Step) -> Markup {
    let class = match step.agreement {
        Agreement::Same => "tag good",
        Agreement::Near => "tag warn",
        Agreement::Other => "tag bad",
        Agreement::Missing => "tag",
    };
    html! { span class=(class) { (words.text(&step.level)) } }
}

/// Bits with their sign and one decimal.
#[must_use]
pub fn bits(weight: f64) -> String {
    if weight.abs() < 0.05 { "0.0".to_owned() } else { format!("{weight:+.1}").replace('-', "−") }
}

/// A level of the model in words. Bounds stand as they are: they are the model's.
#[must_use]
pub fn level_title(name: &str) -> (Agreement, Text) {
    let (test, bound) = name.split_once(' ').map_or((name, String::new()), |(test, bound)| {
        (test, format!(" {}", bound.replace(">=", "≥").replace("<=", "≤")))
    });
    let (agreement, zh, en) = match test {
        "missing" => (Agreement::Missing, "缺值", "missing"),
        "exact" => (Agreement::Same, "完全一致", "the same"),
        "variant" => (Agreement::Same, "繁体或异体字", "variant characters"),
        "swapped" => (Agreement::Near, "两栏互换", "swapped with another field"),
        "pinyin" => (Agreement::Near, "同音", "same sound"),
        "near_pinyin" => (Agreement::Near, "近音", "near sound"),
        "glyph" => (Agreement::Near, "形近字", "look-alike character"),
        "surname" => (Agreement::Near, "只是同姓", "surname only"),
        "jaro_winkler" => (Agreement::Near, "拼写相近", "similar spelling"),
        "edits" => (Agreement::Near, "相差几个字", "a few edits apart"),
        "beginning" => (Agreement::Near, "开头相同", "one begins the other"),
        "cosine" => (Agreement::Near, "用词相近", "similar words"),
        "contained" => (Agreement::Near, "一方包含另一方", "one contains the other"),
        "day_month_swapped" => (Agreement::Near, "日月互换", "day and month swapped"),
        "days" => (Agreement::Near, "相差几天", "days apart"),
        "relative" | "difference" => (Agreement::Near, "数值相近", "numbers close"),
        "kilometres" => (Agreement::Near, "相距不远", "kilometres apart"),
        "other" => (Agreement::Other, "不一致", "different"),
        other => return (Agreement::Near, Text::new(other, other)),
    };
    (agreement, Text::new(format!("{zh}{bound}"), format!("{en}{bound}")))
}

#[cfg(test)]
mod tests {
    use yihe_linkage::model::{Level, Test};

    use super::*;

    #[test]
    fn every_level_of_a_model_is_said_in_words() {
        let tests = [
            Test::Exact,
            Test::Swapped,
            Test::JaroWinkler,
            Test::Edits,
            Test::Beginning,
            Test::Cosine,
            Test::Contained,
            Test::DayMonthSwapped,
            Test::Days,
            Test::Relative,
            Test::Difference,
            Test::Kilometres,
            Test::Variant,
            Test::Pinyin,
            Test::NearPinyin,
            Test::Glyph,
            Test::Surname,
            Test::Other,
        ];
        for test in tests {
            let (_, title) = level_title(&Level::new(test).name());
            assert!(title.zh.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character)), "{test:?}");
        }
        let (agreement, title) = level_title(&Level::at_least(Test::JaroWinkler, 0.92).name());
        assert_eq!((agreement, title.zh.as_str()), (Agreement::Near, "拼写相近 ≥ 0.92"));
    }

    #[test]
    fn bits_carry_their_sign() {
        assert_eq!((bits(3.26), bits(-1.0), bits(-0.01)), ("+3.3".into(), "−1.0".into(), "0.0".into()));
    }
}
