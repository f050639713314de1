//! A legal clock as people read it: working days left, of how many, until when, and why it stood still.

use jiff::civil::Date;
use maud::{Markup, html};

use crate::{
    chart::{Tone, bar},
    language::{Text, Words},
};

/// A clock at the moment of the answer. Days are working days.
#[derive(Debug, Clone)]
pub struct ClockView {
    /// What must be done in time, e.g. 答复.
    pub purpose: Text,
    /// Last day on which it is in time; `None` while the clock stands still.
    pub due_on: Option<Date>,
    /// Working days left; negative when late.
    pub days_left: i64,
    /// Working days the law or the city gives.
    pub term_days: u64,
    /// The rule that sets the term, e.g. 政务数据共享条例 第二十一条.
    pub source: Option<Text>,
    /// Times the clock stood still, in order.
    pub stops: Vec<Stop>,
}

/// One time a clock stood still.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Day on which it stopped.
    pub from_on: Date,
    /// Day on which it went on; `None`: still stands.
    pub until_on: Option<Date>,
    /// Why.
    pub reason: Text,
}

impl ClockView {
    /// Whether the clock stands still now.
    #[must_use]
    pub fn stands_still(&self) -> bool {
        self.stops.last().is_some_and(|stop| stop.until_on.is_none())
    }

    /// How urgent it is, as the class of the style sheet: late `bad`, a day or less `warn`.
    fn class(&self) -> &'static str {
        if self.stands_still() {
            ""
        } else if self.days_left < 0 {
            "bad"
        } else if self.days_left <= 1 {
            "warn"
        } else {
            ""
        }
    }

    fn sentence(&self, words: Words) -> String {
        let days = |number: i64| words.many(number.unsigned_abs(), "个工作日", "working day", "working days");
        if self.stands_still() {
            return words.of("暂停计时", "Clock stopped").to_owned();
        }
        match (self.days_left, words) {
            (late, _) if late < 0 => format!("{} {}", words.of("超期", "Late by"), days(late)),
            (0, _) => words.of("今天到期", "Due today").to_owned(),
            (left, Words(yihe_definitions::Language::Zh)) => format!("剩 {}", days(left)),
            (left, Words(yihe_definitions::Language::En)) => format!("{} left", days(left)),
        }
    }

    /// One line for tables.
    #[must_use]
    pub fn short(&self, words: Words) -> Markup {
        let class = match self.class() {
            "" => "tag",
            "warn" => "tag warn",
            _ => "tag bad",
        };
        html! {
            span class=(class) { (self.sentence(words)) }
            @if let Some(due_on) = self.due_on { span.under { (words.of("截止 ", "due ")) time datetime=(due_on.to_string()) { (words.day(due_on)) } } }
        }
    }

    /// The whole clock for a card.
    #[must_use]
    pub fn card(&self, words: Words) -> Markup {
        let used = self.term_days.saturating_sub(self.days_left.max(0).unsigned_abs());
        let tone = if self.class().is_empty() { Tone::Plain } else { Tone::Warn };
        html! {
            div class={ "clock " (self.class()) } {
                span.under { (words.text(&self.purpose)) }
                span.left { (self.sentence(words)) }
                (bar(used, self.term_days, tone))
                span.under {
                    (words.of("法定期限 ", "Term: ")) (words.many(self.term_days, "个工作日", "working day", "working days"))
                    @if let Some(due_on) = self.due_on { (words.of("，截止 ", ", due ")) time datetime=(due_on.to_string()) { (words.day(due_on)) } }
                }
                @if let Some(source) = &self.source { span.under { (words.text(source)) } }
            }
            @if !self.stops.is_empty() {
                ul.under.stops {
                    @for stop in &self.stops {
                        li {
                            (words.day(stop.from_on)) " – "
                            @match stop.until_on { Some(until) => (words.day(until)), None => (words.of("至今", "now")) }
                            (words.of("：", ": ")) (words.text(&stop.reason))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn clock(days_left: i64) -> ClockView {
        ClockView {
            purpose: Text::new("答复", "Answer"),
            due_on: Some("2026-12-04".parse().expect("a day")),
            days_left,
            term_days: 10,
            source: None,
            stops: Vec::new(),
        }
    }

    #[test]
    fn a_clock_says_how_much_is_left_in_words() {
        assert_eq!(clock(3).sentence(Words(Language::Zh)), "剩 3 个工作日");
        assert_eq!(clock(1).sentence(Words(Language::En)), "1 working day left");
        assert_eq!(clock(0).sentence(Words(Language::Zh)), "今天到期");
        assert_eq!(clock(-2).sentence(Words(Language::En)), "Late by 2 working days");
    }

    #[test]
    fn a_stopped_clock_is_never_urgent() {
        let mut stopped = clock(-2);
        stopped.stops.push(Stop {
            from_on: "2026-11-19".parse().expect("a day"),
            until_on: None,
            reason: Text::new("补正", "Completion"),
        });
        assert_eq!(stopped.class(), "");
        assert_eq!(stopped.sentence(Words(Language::Zh)), "暂停计时");
    }
}
