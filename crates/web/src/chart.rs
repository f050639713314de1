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

/// Most points of a line; the last ones are drawn.
const POINTS_MAX: usize = 366;

/// One point of a line.
struct Point {
    value: f64,
    /// The value as the table says it.
    shown: String,
    /// When, as the picture's foot says it.
    when: String,
    /// When, as the table says it.
    row: Markup,
}

/// A line with its area between two values, and the same values as a table.
struct Line<'a> {
    title: &'a str,
    unit: &'a str,
    heading: &'a str,
    /// The value at the picture's foot and at its top.
    foot: f64,
    top: f64,
    /// Whether foot and top are written beside the picture.
    has_scale: bool,
    points: Vec<Point>,
}

/// One value per day as a line with its area, and the same values as a table.
///
/// Returns a sentence instead of a picture when there are fewer than two days. At most 366 days are drawn, the last ones.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a height in a picture of 120 units")]
pub fn by_day(words: Words, title: &str, unit: &str, days: &[(Date, u64)]) -> Markup {
    let days = &days[days.len().saturating_sub(POINTS_MAX)..];
    let peak = days.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let point = |(day, value): &(Date, u64)| Point {
        value: *value as f64,
        shown: words.count(*value),
        when: words.day(*day),
        row: html! { (words.day(*day)) },
    };
    let line = Line {
        title,
        unit,
        heading: words.of("日期", "Day"),
        foot: 0.0,
        top: peak as f64,
        has_scale: false,
        points: days.iter().map(point).collect(),
    };
    line.draw(words, words.of("还没有足够的日子可画。", "Not enough days to draw yet."))
}

/// A value out of 100 at each of several instants as a line, and the same values as a table. The picture's foot is
/// the lowest value, rounded down to a multiple of five, so that small changes are seen; the foot is written beside it.
///
/// Returns a sentence instead of a picture when there are fewer than two points. At most 366 are drawn, the last ones.
#[must_use]
pub fn trend(words: Words, title: &str, unit: &str, points: &[(Timestamp, f64)]) -> Markup {
    let points = &points[points.len().saturating_sub(POINTS_MAX)..];
    let lowest = points.iter().map(|(_, value)| *value).fold(100.0_f64, f64::min).clamp(0.0, 100.0);
    let point = |(at, value): &(Timestamp, f64)| Point {
        value: *value,
        shown: format!("{:.2}", (value * 100.0).floor() / 100.0),
        when: words.instant_text(*at),
        row: words.instant(*at),
    };
    let line = Line {
        title,
        unit,
        heading: words.of("时间", "When"),
        foot: ((lowest / 5.0).floor() * 5.0).min(95.0),
        top: 100.0,
        has_scale: true,
        points: points.iter().map(point).collect(),
    };
    let nothing =
        words.of("检查两次以后，这里画出得分的变化。", "After two checks the change of the score is drawn here.");
    line.draw(words, nothing)
}

impl Line<'_> {
    fn draw(&self, words: Words, nothing: &str) -> Markup {
        const WIDTH: usize = 600;
        const HEIGHT: f64 = 120.0;
        let (Some(first), Some(last), true) = (self.points.first(), self.points.last(), self.points.len() > 1) else {
            return html! { p.note { (nothing) } };
        };
        let across = self.points.len() - 1;
        let height = |value: f64| (value.clamp(self.foot, self.top) - self.foot) / (self.top - self.foot) * HEIGHT;
        let corner = |(index, point): (usize, &Point)| {
            format!("{},{:.1}", index * WIDTH / across, 14.0 + HEIGHT - height(point.value))
        };
        let line = self.points.iter().enumerate().map(corner).collect::<Vec<_>>().join(" ");
        let label = format!("{} {} → {}", self.title, first.shown, last.shown);
        html! {
            figure {
                svg.chart viewBox="0 0 600 160" role="img" aria-label=(label) {
                    polygon.spark-area points=(format!("0,134 {line} {WIDTH},134")) {}
                    polyline.spark-line points=(line) {}
                    line.axis x1="0" x2="600" y1="134" y2="134" {}
                    @if self.has_scale {
                        text x="0" y="11" { (format!("{:.0}", self.top)) }
                        text x="0" y="128" { (format!("{:.0}", self.foot)) }
                    }
                    text x="0" y="154" { (first.when) }
                    text x="600" y="154" text-anchor="end" { (last.when) }
                }
                details {
                    summary { (words.of("看表格", "Show as a table")) }
                    div.scroll {
                        table {
                            caption { (self.title) }
                            thead { tr { th scope="col" { (self.heading) } th.num scope="col" { (self.unit) } } }
                            tbody { @for point in &self.points { tr { th scope="row" { (point.row) } td.num { (point.shown) } } } }
                        }
                    }
                }
            }
        }
    }
}

/// A bar of a waterfall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fall {
    /// From nothing to this much.
    Total(f64),
    /// This much more or less than the bar before came to.
    Step(f64),
}

impl Fall {
    /// See [`Fall::Total`].
    #[must_use]
    pub const fn total(value: f64) -> Self {
        Self::Total(value)
    }

    /// See [`Fall::Step`].
    #[must_use]
    pub const fn step(change: f64) -> Self {
        Self::Step(change)
    }
}

/// One picture for each bar, all on one scale, to stand in the rows of a table whose cells say the numbers.
/// Readers aloud skip them.
#[must_use]
pub fn waterfall(falls: &[Fall]) -> Vec<Markup> {
    let mut spans = Vec::with_capacity(falls.len());
    let mut reached = 0.0_f64;
    for fall in falls {
        let (from, to) = match *fall {
            Fall::Total(value) => (0.0, value),
            Fall::Step(change) => (reached, reached + change),
        };
        reached = to;
        spans.push((from, to));
    }
    let least = spans.iter().map(|(from, to)| from.min(*to)).fold(0.0_f64, f64::min);
    let most = spans.iter().map(|(from, to)| from.max(*to)).fold(0.0_f64, f64::max);
    let scale = 200.0 / (most - least).max(f64::MIN_POSITIVE);
    let place = |value: f64| (value - least) * scale;
    let picture = |(fall, (from, to)): (&Fall, &(f64, f64))| {
        let class = match fall {
            Fall::Total(_) => "fall-total",
            Fall::Step(change) if *change < 0.0 => "fall-against",
            Fall::Step(_) => "fall-for",
        };
        let (left, right) = (place(from.min(*to)), place(from.max(*to)));
        html! {
            svg.waterfall viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                line.axis x1=(format!("{:.1}", place(0.0))) x2=(format!("{:.1}", place(0.0))) y1="0" y2="16" {}
                rect class=(class) x=(format!("{left:.1}")) y="3" width=(format!("{:.1}", (right - left).max(1.0))) height="10" {}
            }
        }
    };
    falls.iter().zip(&spans).map(picture).collect()
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
    fn a_waterfall_begins_each_step_where_the_last_one_ended() {
        let drawn = waterfall(&[Fall::total(-10.0), Fall::step(15.0), Fall::step(-5.0), Fall::total(0.0)]);
        let texts: Vec<String> = drawn.into_iter().map(maud::PreEscaped::into_string).collect();
        // The scale goes from -10 to 5: 200 units.
        assert!(texts[0].contains(r#"class="fall-total" x="0.0" y="3" width="133.3""#), "{}", texts[0]);
        assert!(texts[1].contains(r#"class="fall-for" x="0.0" y="3" width="200.0""#), "{}", texts[1]);
        assert!(texts[2].contains(r#"class="fall-against" x="133.3" y="3" width="66.7""#), "{}", texts[2]);
        assert!(texts[3].contains(r#"x="133.3" y="3" width="1.0""#), "nothing is still seen: {}", texts[3]);
    }

    #[test]
    fn a_bar_is_never_longer_than_its_ground() {
        assert_eq!(permille(3, 4), "75.0");
        assert_eq!(permille(9, 4), "100.0");
        assert_eq!(permille(0, 0), "0");
        assert_eq!(permille(u64::MAX, u64::MAX), "100.0");
    }
}
