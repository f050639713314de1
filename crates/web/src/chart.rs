//! Small pictures of numbers, drawn on the server.
//!
//! A picture never stands alone: bars sit in a table whose cells say the same, a line has its table below it.
//! Only attributes are used, no `style`, so the content security policy can forbid inline styles.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use crate::language::Words;

/// A horizontal bar of `part` in `whole`. The cell beside it must say the numbers; readers aloud skip the bar.
#[must_use]
pub fn bar(part: u64, whole: u64, tone: Tone) -> Markup {
    let class = match tone {
        Tone::Plain => "bar-fill",
        Tone::Warn => "bar-warn",
    };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.bar-ground width="100" height="10" {}
            rect class=(class) width=(permille(part, whole)) height="10" {}
        }
    }
}

/// How a bar reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Plain,
    /// Something is missing or running out.
    Warn,
}

/// One value per day as a line with its area, and the same values as a table.
///
/// Returns a sentence instead of a picture when there are fewer than two days. At most 366 days are drawn, the last ones.
#[must_use]
pub fn by_day(words: Words, title: &str, unit: &str, days: &[(Date, u64)]) -> Markup {
    const WIDTH: u64 = 600;
    const HEIGHT: u64 = 120;
    let days = &days[days.len().saturating_sub(366)..];
    let (Some(first), Some(last), true) = (days.first(), days.last(), days.len() > 1) else {
        return html! { p.note { (words.of("还没有足够的日子可画。", "Not enough days to draw yet.")) } };
    };
    let peak = days.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let across = days.len() as u64 - 1;
    let points: Vec<String> = days
        .iter()
        .zip(0_u64..)
        .map(|((_, value), index)| format!("{},{}", index * WIDTH / across, 10 + HEIGHT - value * HEIGHT / peak))
        .collect();
    let line = points.join(" ");
    html! {
        figure {
            svg.chart viewBox="0 0 600 156" role="img" aria-label=(title) {
                polygon.spark-area points=(format!("0,{0} {line} {WIDTH},{0}", HEIGHT + 10)) {}
                polyline.spark-line points=(line) {}
                line.axis x1="0" x2="600" y1="130" y2="130" {}
                text x="0" y="150" { (words.day(first.0)) }
                text x="600" y="150" text-anchor="end" { (words.day(last.0)) }
            }
            details {
                summary { (words.of("看表格", "Show as a table")) }
                div.scroll {
                    table {
                        caption { (title) }
                        thead { tr { th scope="col" { (words.of("日期", "Day")) } th.num scope="col" { (unit) } } }
                        tbody { @for (day, value) in days { tr { th scope="row" { (words.day(*day)) } td.num { (words.count(*value)) } } } }
                    }
                }
            }
        }
    }
}

/// A value out of 100 at each of several instants as a line, and the same values as a table. The picture's foot is
/// the lowest value, rounded down to a multiple of five, so that small changes are seen; the foot is written beside it.
///
/// Returns a sentence instead of a picture when there are fewer than two points. At most 366 are drawn, the last ones.
#[must_use]
pub fn trend(words: Words, title: &str, unit: &str, points: &[(Timestamp, f64)]) -> Markup {
    const WIDTH: usize = 600;
    const HEIGHT: f64 = 120.0;
    let points = &points[points.len().saturating_sub(366)..];
    let (Some(first), Some(last), true) = (points.first(), points.last(), points.len() > 1) else {
        return html! { p.note { (words.of("检查两次以后，这里画出得分的变化。", "After two checks the change of the score is drawn here.")) } };
    };
    let lowest = points.iter().map(|(_, value)| *value).fold(100.0_f64, f64::min).clamp(0.0, 100.0);
    let foot = ((lowest / 5.0).floor() * 5.0).min(95.0);
    let across = points.len() - 1;
    let line: Vec<String> = points
        .iter()
        .enumerate()
        .map(|(index, (_, value))| {
            let height = (value.clamp(foot, 100.0) - foot) / (100.0 - foot) * HEIGHT;
            format!("{},{:.1}", index * WIDTH / across, 14.0 + HEIGHT - height)
        })
        .collect();
    let line = line.join(" ");
    let shown = |value: f64| format!("{:.2}", (value * 100.0).floor() / 100.0);
    html! {
        figure {
            svg.chart viewBox="0 0 600 160" role="img" aria-label=(format!("{title} {} → {}", shown(first.1), shown(last.1))) {
                polygon.spark-area points=(format!("0,134 {line} {WIDTH},134")) {}
                polyline.spark-line points=(line) {}
                line.axis x1="0" x2="600" y1="134" y2="134" {}
                text x="0" y="11" { "100" }
                text x="0" y="128" { (format!("{foot:.0}")) }
                text x="0" y="154" { (words.instant_text(first.0)) }
                text x="600" y="154" text-anchor="end" { (words.instant_text(last.0)) }
            }
            details {
                summary { (words.of("看表格", "Show as a table")) }
                div.scroll {
                    table {
                        caption { (title) }
                        thead { tr { th scope="col" { (words.of("时间", "When")) } th.num scope="col" { (unit) } } }
                        tbody { @for (at, value) in points { tr { th scope="row" { (words.instant(*at)) } td.num { (shown(*value)) } } } }
                    }
                }
            }
        }
    }
}

/// `part` of `whole` in hundredths, with one decimal; 0 of 0 is 0.
fn permille(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0".to_owned();
    }
    let tenths = u128::from(part.min(whole)) * 1000 / u128::from(whole);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_never_longer_than_its_ground() {
        assert_eq!(permille(3, 4), "75.0");
        assert_eq!(permille(9, 4), "100.0");
        assert_eq!(permille(0, 0), "0");
        assert_eq!(permille(u64::MAX, u64::MAX), "100.0");
    }
}
