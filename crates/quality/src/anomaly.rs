//! 异常检测: whether a new measure is what its history let one expect, and a sentence that says why not.
//!
//! Medians throughout, so that an earlier fault, or a week without deliveries, does not spoil what is expected:
//! a level (median), a trend where there is one (Theil–Sen, kept when the seasonal Kendall test is clear), a season
//! where history is long enough to show it (weekday, month of the year), and a width (median absolute deviation of
//! the residuals, each taken without the measure itself). Of the seasons the one is kept that explains clearly more
//! than none. Five measures in a row on one side outside of the expected range are a new level, not five alarms more.
//!
//! Deliberately absent: learning from labels, and any state. The same history gives the same answer.
//!
//! # Source
//! Sen 1968 (slope); Hirsch, Slack and Smith 1982 (seasonal Kendall); Croux and Rousseeuw 1992 (width of few values).

use jiff::Timestamp;
use yihe_definitions::Language;

use crate::value::{DAY_MICROS, civil_from_days};

/// Measures that are looked at, newest first; older ones are left out.
pub const HISTORY_MAX: usize = 400;
/// Measures in a row outside of the range after which the new level is the expected one.
pub const SETTLED: usize = 5;
/// Members a season's group needs before it is believed.
const GROUP_MIN: usize = 3;

/// What is measured; it decides the scale of change and how a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A number of rows, faults or tickets: `0..`, judged by ratio.
    Count,
    /// A share such as a metric of GB/T 36344: `0.0..=1.0`.
    Share,
    /// Any other number, e.g. a mean or a distance.
    Number,
}

/// How sharply is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// What is measured.
    pub measure: Measure,
    /// Measures before anything is said. Default 8; less than 5 is taken as 5.
    pub warm_up: usize,
    /// Widths (robust standard deviations) on each side of what is expected. Default 4.
    pub widths: f64,
    /// A smaller change is never an anomaly. Of a count, as a share of it (default 0.02); of a share, absolute
    /// (default 0.002); of a number, as a share of it (default 0.02).
    pub least: f64,
}

impl Options {
    /// The defaults for a measure.
    #[must_use]
    pub const fn new(measure: Measure) -> Self {
        let least = match measure {
            Measure::Count | Measure::Number => 0.02,
            Measure::Share => 0.002,
        };
        Self { measure, warm_up: 8, widths: 4.0, least }
    }
}

/// A season that history shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// Every weekday has its level; 0 is Monday.
    Weekday(u8),
    /// Every month has its level; 1 is January.
    Month(u8),
}

/// What a history lets one expect at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The least usual value.
    pub low: f64,
    /// What is most likely.
    pub usual: f64,
    /// The greatest usual value.
    pub high: f64,
    /// The season that was taken into account, as it stands at that time.
    pub season: Option<Season>,
    /// Whether a trend was carried on.
    pub trend: bool,
    /// Measures behind it.
    pub measures: usize,
}

/// On which side of the range a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Below.
    Fell,
    /// Above.
    Rose,
}

/// A measure that is not what its history let one expect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// What was expected.
    pub expected: Expected,
    /// What was found.
    pub found: f64,
    /// On which side.
    pub kind: Kind,
    /// Distance from the usual value in half-widths of the range; above 1.
    pub strength: f64,
    measure: Measure,
}

/// Judges a new measure by those before it; `None`: nothing unusual, or too little history to say.
///
/// `history` may be in any order; measures that are not finite or not before `new` are left out. A new measure that
/// is not finite is not judged.
#[must_use]
pub fn judge(history: &[(Timestamp, f64)], new: (Timestamp, f64), options: &Options) -> Option<Anomaly> {
    let (at, found) = new;
    if !found.is_finite() {
        return None;
    }
    let fit = Fit::new(history, at, options)?;
    let expected = fit.expected(options);
    if (expected.low..=expected.high).contains(&found) {
        return None;
    }
    let kind = if found < expected.low { Kind::Fell } else { Kind::Rose };
    let strength = (scaled(options.measure, found) - fit.usual).abs() / fit.half_width;
    Some(Anomaly { expected, found, kind, strength, measure: options.measure })
}

/// The range that a history lets one expect at a time, for the band of a chart; `None` during the warm-up.
#[must_use]
pub fn expected(history: &[(Timestamp, f64)], at: Timestamp, options: &Options) -> Option<Expected> {
    Some(Fit::new(history, at, options)?.expected(options))
}

impl Anomaly {
    /// The sentence people read; what was measured goes in front of it.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        let write = |value: f64| written(self.measure, value);
        let Expected { low, usual, high, season, trend, measures } = self.expected;
        let (found, low, usual, high) = (write(self.found), write(low), write(usual), write(high));
        match language {
            Language::Zh => {
                let side = if self.kind == Kind::Fell { "低于" } else { "高于" };
                let season = match season {
                    None => String::new(),
                    Some(Season::Weekday(day)) => format!("{}的规律", WEEKDAYS[usize::from(day)].0),
                    Some(Season::Month(month)) => format!("{month} 月的规律"),
                };
                let trend = if trend { "趋势" } else { "" };
                let both = if season.is_empty() || trend.is_empty() { "" } else { "和" };
                let basis = if season.is_empty() && trend.is_empty() { "" } else { "的" };
                format!(
                    "实际为 {found}，{side}预期的 {low} 至 {high}；根据之前 {measures} 次检查{basis}{season}{both}{trend}，通常约为 {usual}"
                )
            }
            Language::En => {
                let side = if self.kind == Kind::Fell { "below" } else { "above" };
                let season = match season {
                    None => String::new(),
                    Some(Season::Weekday(day)) => format!(" on a {}", WEEKDAYS[usize::from(day)].1),
                    Some(Season::Month(month)) => format!(" in {}", MONTHS[usize::from(month - 1)]),
                };
                let trend = if trend { " and their trend" } else { "" };
                format!(
                    "found {found}, {side} the expected {low} to {high}; by {measures} earlier checks{trend}, about {usual} is usual{season}"
                )
            }
        }
    }
}

const WEEKDAYS: [(&str, &str); 7] = [
    ("星期一", "Monday"),
    ("星期二", "Tuesday"),
    ("星期三", "Wednesday"),
    ("星期四", "Thursday"),
    ("星期五", "Friday"),
    ("星期六", "Saturday"),
    ("星期日", "Sunday"),
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A measure on the scale on which it is judged.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// Days since 1970 on the Chinese wall clock.
    days: f64,
    weekday: u8,
    month: u8,
    value: f64,
}

/// How history is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    None,
    Weekday,
    Month,
}

/// What is expected, on the scale on which it is judged.
struct Fit {
    usual: f64,
    half_width: f64,
    season: Option<Season>,
    trend: bool,
    measures: usize,
}

impl Fit {
    #[expect(clippy::cast_precision_loss, reason = "a number of measures, at most HISTORY_MAX")]
    fn new(history: &[(Timestamp, f64)], at: Timestamp, options: &Options) -> Option<Self> {
        let mut points: Vec<(Timestamp, f64)> =
            history.iter().copied().filter(|(when, value)| value.is_finite() && *when < at).collect();
        points.sort_by_key(|(when, _)| *when);
        let points = &points[points.len().saturating_sub(HISTORY_MAX)..];
        let points: Vec<Point> =
            points.iter().map(|(when, value)| point(*when, scaled(options.measure, *value))).collect();
        if points.len() < options.warm_up.max(SETTLED) {
            return None;
        }
        let at = point(at, 0.0);
        let plain = Model::new(&points, at, Division::None)?;
        let best = [Division::Weekday, Division::Month]
            .into_iter()
            .filter_map(|division| Model::new(&points, at, division))
            // A season has to earn its place: a third less is unexplained.
            .filter(|model| model.unexplained < plain.unexplained * 2.0 / 3.0)
            .min_by(|first, second| first.unexplained.total_cmp(&second.unexplained))
            .unwrap_or(plain);

        let count = points.len() as f64;
        let widths = options.widths * (1.0 + 4.0 / count) * (count / (count - 0.8));
        let half_width = |usual: f64| (widths * best.width).max(least(options, usual));
        let mut usual = best.usual;
        let tail = &best.residuals[best.residuals.len() - SETTLED..];
        let beyond = half_width(usual);
        if tail.iter().all(|residual| *residual > beyond) || tail.iter().all(|residual| *residual < -beyond) {
            usual += median(&mut tail.to_vec());
        }
        let season = match best.division {
            Division::None => None,
            Division::Weekday => Some(Season::Weekday(at.weekday)),
            Division::Month => Some(Season::Month(at.month)),
        };
        Some(Self { usual, half_width: half_width(usual), season, trend: best.slope != 0.0, measures: points.len() })
    }

    fn expected(&self, options: &Options) -> Expected {
        let value = |scaled: f64| unscaled(options.measure, scaled);
        Expected {
            low: value(self.usual - self.half_width),
            usual: value(self.usual),
            high: value(self.usual + self.half_width),
            season: self.season,
            trend: self.trend,
            measures: self.measures,
        }
    }
}

/// Level, trend and season, and what they leave unexplained.
struct Model {
    division: Division,
    slope: f64,
    usual: f64,
    /// By measure, oldest first, against what the others say.
    residuals: Vec<f64>,
    /// Robust standard deviation of the residuals.
    width: f64,
    /// Sum of the residuals' sizes. Not a median: one month of twelve that differs is a season, and a single odd
    /// measure is explained by none, because it is judged by the others of its group.
    unexplained: f64,
}

impl Model {
    /// `None` when history is too short for this division.
    fn new(points: &[Point], at: Point, division: Division) -> Option<Self> {
        let group = |point: &Point| match division {
            Division::None => 0,
            Division::Weekday => usize::from(point.weekday),
            Division::Month => usize::from(point.month),
        };
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); 13];
        for (index, point) in points.iter().enumerate() {
            groups[group(point)].push(index);
        }
        groups.iter_mut().filter(|members| members.len() < GROUP_MIN).for_each(Vec::clear);
        let own = &groups[group(&at)];
        let several = groups.iter().filter(|members| !members.is_empty()).count() > 1;
        if own.is_empty() || (division != Division::None && !several) {
            return None;
        }
        let slope = slope(points, &groups);
        let (first, last) = (points[0].days, points[points.len() - 1].days);
        // A trend is carried on for at most half as long as it was seen.
        let reach = at.days.min(last + (last - first) / 2.0);
        let level = |members: &[usize], without: Option<usize>| {
            let mut values: Vec<f64> = members
                .iter()
                .filter(|index| Some(**index) != without)
                .map(|index| points[*index].value - slope * points[*index].days)
                .collect();
            median(&mut values)
        };
        let everything: Vec<usize> = (0..points.len()).collect();
        let residuals: Vec<f64> = points
            .iter()
            .enumerate()
            .map(|(index, point)| {
                let members = &groups[group(point)];
                let members = if members.is_empty() { &everything } else { members };
                point.value - slope * point.days - level(members, Some(index))
            })
            .collect();
        let mut distances: Vec<f64> = residuals.iter().map(|residual| residual.abs()).collect();
        let unexplained = distances.iter().sum();
        let width = 1.4826 * median(&mut distances);
        Some(Self { division, slope, usual: level(own, None) + slope * reach, residuals, width, unexplained })
    }
}

/// Change per day: the median slope of all pairs of a group, or 0 where the trend may be chance.
#[expect(clippy::cast_precision_loss, reason = "a number of measures, at most HISTORY_MAX")]
fn slope(points: &[Point], groups: &[Vec<usize>]) -> f64 {
    let (mut rising, mut variance) = (0.0, 0.0);
    let mut slopes = Vec::new();
    for members in groups {
        let count = members.len() as f64;
        variance += count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
        for (place, index) in members.iter().enumerate() {
            for earlier in &members[..place] {
                let (then, now) = (points[*earlier], points[*index]);
                if now.days > then.days {
                    let slope = (now.value - then.value) / (now.days - then.days);
                    rising += if slope == 0.0 { 0.0 } else { slope.signum() };
                    slopes.push(slope);
                }
            }
        }
    }
    if slopes.is_empty() || rising * rising < 9.0 * variance { 0.0 } else { median(&mut slopes) }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of today are far below 2^53")]
fn point(at: Timestamp, value: f64) -> Point {
    let micros = crate::outcome::wall_clock(at);
    let day = micros.div_euclid(DAY_MICROS);
    // Timestamps end in the year 9999, far within 32 bits of days.
    let (_, month, _) = civil_from_days(i32::try_from(day).unwrap_or(i32::MAX));
    // 1970-01-01 was a Thursday.
    let weekday = u8::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
    Point { days: micros as f64 / DAY_MICROS as f64, weekday, month: u8::try_from(month).unwrap_or(1), value }
}

/// Counts are judged by ratio: half and double are equally far.
fn scaled(measure: Measure, value: f64) -> f64 {
    match measure {
        Measure::Count => value.max(0.0).ln_1p(),
        Measure::Share | Measure::Number => value,
    }
}

fn unscaled(measure: Measure, value: f64) -> f64 {
    match measure {
        Measure::Count => value.exp_m1().max(0.0),
        Measure::Share => value.clamp(0.0, 1.0),
        Measure::Number => value,
    }
}

/// The half-width below which no change matters, on the scale on which it is judged.
fn least(options: &Options, usual: f64) -> f64 {
    let smallest = match options.measure {
        // One row more or less never is a finding.
        Measure::Count => options.least.max(1.5 / (1.0 + usual.exp_m1().max(0.0))).ln_1p(),
        Measure::Share => options.least,
        Measure::Number => options.least * usual.abs(),
    };
    smallest.max(f64::MIN_POSITIVE)
}

/// The middle value, or the mean of the two; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    let (below, at, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let at = *at;
    if below.len() < middle || values.len() % 2 == 1 {
        return at;
    }
    let below = values[..middle].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(below, at)
}

fn written(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Count => {
            let digits = format!("{value:.0}");
            let mut shown = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    shown.push(',');
                }
                shown.push(digit);
            }
            shown
        }
        Measure::Share => format!("{:.2}%", value * 100.0),
        Measure::Number if value == 0.0 || (0.001..1e6).contains(&value.abs()) => {
            let shown = format!("{value:.4}");
            shown.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Measure::Number => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    /// Monday 2026-01-05, 08:00 in China, and `day` days later.
    fn on(day: i64) -> Timestamp {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        Timestamp::from_second(start.as_second() + day * 24 * HOUR).unwrap()
    }

    fn series(values: impl IntoIterator<Item = f64>) -> Vec<(Timestamp, f64)> {
        (0..).zip(values).map(|(day, value)| (on(day), value)).collect()
    }

    #[test]
    fn a_half_delivered_table_is_found_and_said() {
        let history = series([1000.0, 1010.0, 995.0, 1003.0, 990.0, 1008.0, 1001.0, 999.0, 1004.0]);
        let anomaly = judge(&history, (on(9), 480.0), &Options::new(Measure::Count)).unwrap();
        assert_eq!(anomaly.kind, Kind::Fell);
        assert!(anomaly.strength > 3.0);
        assert_eq!(
            anomaly.sentence(Language::Zh),
            "实际为 480，低于预期的 969 至 1,034；根据之前 9 次检查，通常约为 1,001"
        );
        assert_eq!(
            anomaly.sentence(Language::En),
            "found 480, below the expected 969 to 1,034; by 9 earlier checks, about 1,001 is usual"
        );
        assert_eq!(judge(&history, (on(9), 1012.0), &Options::new(Measure::Count)), None);
    }

    #[test]
    fn nothing_is_said_before_there_is_a_history() {
        let history = series([100.0; 7]);
        assert_eq!(judge(&history, (on(7), 0.0), &Options::new(Measure::Count)), None);
        let history = series([100.0; 8]);
        assert!(judge(&history, (on(8), 0.0), &Options::new(Measure::Count)).is_some());
    }

    #[test]
    fn an_empty_monday_is_found_and_an_empty_sunday_is_not() {
        let week = [5000.0, 5100.0, 4950.0, 5050.0, 4900.0, 300.0, 0.0];
        let history = series((0..70).map(|day| week[day % 7]));
        let options = Options::new(Measure::Count);
        let monday = judge(&history, (on(70), 0.0), &options).unwrap();
        assert_eq!(monday.expected.season, Some(Season::Weekday(0)));
        assert!(monday.sentence(Language::Zh).contains("星期一的规律"), "{}", monday.sentence(Language::Zh));
        assert!(monday.sentence(Language::En).ends_with("about 5,000 is usual on a Monday"));
        assert_eq!(judge(&history, (on(76), 0.0), &options), None);
    }

    #[test]
    fn a_month_has_its_own_level_after_some_years() {
        // Monthly, four years: a peak each December.
        let history: Vec<_> = (0..48)
            .map(|month| {
                (
                    on(month * 365 / 12 + 10),
                    if month % 12 == 11 { 9000.0 } else { 1000.0 + if month % 2 == 0 { 3.0 } else { 0.0 } },
                )
            })
            .collect();
        let options = Options::new(Measure::Count);
        let december = on(59 * 365 / 12 + 10);
        assert_eq!(expected(&history, december, &options).unwrap().season, Some(Season::Month(12)));
        assert_eq!(judge(&history, (december, 9000.0), &options), None);
        let june = on(53 * 365 / 12 + 10);
        assert!(judge(&history, (june, 9000.0), &options).unwrap().sentence(Language::En).ends_with("in June"));
    }

    #[test]
    fn a_trend_is_carried_on() {
        let history = series((0..40).map(|day| 10_000.0 + 200.0 * f64::from(day)));
        let options = Options::new(Measure::Number);
        assert_eq!(judge(&history, (on(40), 18_000.0), &options), None);
        let stopped = judge(&history, (on(40), 14_000.0), &options).unwrap();
        assert!(stopped.expected.trend);
        assert!(stopped.sentence(Language::Zh).contains("趋势"));
    }

    #[test]
    fn one_old_fault_does_not_hide_the_next() {
        let mut values = vec![0.998, 0.997, 0.999, 0.998, 0.998, 0.997, 0.998, 0.999, 0.998, 0.998];
        values[3] = 0.2;
        values[7] = 0.1;
        let anomaly = judge(&series(values), (on(10), 0.9), &Options::new(Measure::Share)).unwrap();
        assert!(anomaly.sentence(Language::Zh).starts_with("实际为 90.00%，低于预期的 99."));
    }

    #[test]
    fn a_new_level_is_accepted_after_five_in_a_row() {
        let level = |after: usize| series(std::iter::repeat_n(1000.0, 30).chain(std::iter::repeat_n(2000.0, after)));
        let options = Options::new(Measure::Count);
        assert!(judge(&level(4), (on(34), 2000.0), &options).is_some());
        assert_eq!(judge(&level(5), (on(35), 2000.0), &options), None);
        assert_eq!(judge(&level(5), (on(35), 1000.0), &options).map(|anomaly| anomaly.kind), Some(Kind::Fell));
    }

    #[test]
    fn a_change_that_does_not_matter_is_none() {
        let options = Options::new(Measure::Share);
        assert_eq!(judge(&series([1.0; 20]), (on(20), 0.9985), &options), None);
        assert!(judge(&series([1.0; 20]), (on(20), 0.9975), &options).is_some());
        let options = Options::new(Measure::Count);
        assert_eq!(judge(&series([3.0; 20]), (on(20), 4.0), &options), None);
        assert_eq!(judge(&series([0.0; 20]), (on(20), 1.0), &options), None);
    }

    #[test]
    fn what_is_no_number_is_not_judged() {
        let history = series([1.0, f64::NAN, 1.0, f64::INFINITY, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let options = Options::new(Measure::Number);
        assert_eq!(judge(&history, (on(10), f64::NAN), &options), None);
        assert!(judge(&history, (on(10), 5.0), &options).is_some());
        // A measure of the future, or the same run measured again, is no history.
        assert_eq!(expected(&history, on(5), &options), None);
    }
}
