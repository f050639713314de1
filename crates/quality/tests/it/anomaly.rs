//! Laws of the anomaly detection.

use jiff::Timestamp;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use yihe_quality::anomaly::{Measure, Options, expected, judge};

fn on(day: i64) -> Timestamp {
    Timestamp::from_second(1_767_571_200 + day * 86_400).unwrap()
}

/// Nearly normal, mean 0, standard deviation 1.
fn noise(random: &mut Pcg64) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

fn series(random: &mut Pcg64, days: i64, level: f64, spread: f64) -> Vec<(Timestamp, f64)> {
    (0..days).map(|day| (on(day), level + spread * noise(random))).collect()
}

#[test]
fn noise_alone_seldom_alarms_and_a_fall_by_ten_widths_always_does() {
    let mut random = Pcg64::seed_from_u64(20_261_122);
    let options = Options::new(Measure::Number);
    for days in [8, 14, 30, 100] {
        let mut alarms = 0;
        for _ in 0..1_000 {
            let history = series(&mut random, days, 1_000.0, 30.0);
            alarms += u32::from(judge(&history, (on(days), 1_000.0 + 30.0 * noise(&mut random)), &options).is_some());
            if days >= 30 {
                assert!(judge(&history, (on(days), 700.0), &options).is_some(), "{days} days");
            }
        }
        assert!(alarms <= 10, "{alarms} false alarms of 1,000 after {days} days");
    }
}

#[test]
fn weekdays_are_not_seen_where_there_are_none() {
    let mut random = Pcg64::seed_from_u64(7);
    let options = Options::new(Measure::Count);
    let seen = (0..300).filter(|_| {
        let history = series(&mut random, 60, 5_000.0, 400.0);
        expected(&history, on(60), &options).unwrap().season.is_some()
    });
    assert_eq!(seen.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The range holds what is usual, lies within what the measure can be, and no history is too odd.
    #[test]
    fn a_range_is_always_a_range(
        values in prop::collection::vec((0_i64..900, prop_oneof![0.0..1.0_f64, Just(0.0), Just(1.0), Just(f64::NAN)]), 0..80),
        new in 0.0..1.0_f64,
        at in 0_i64..1_000,
    ) {
        let history: Vec<_> = values.iter().map(|(day, value)| (on(*day), *value)).collect();
        for measure in [Measure::Count, Measure::Share, Measure::Number] {
            let options = Options::new(measure);
            let Some(expected) = expected(&history, on(at), &options) else { continue };
            prop_assert!(expected.low <= expected.usual && expected.usual <= expected.high, "{expected:?}");
            prop_assert!(expected.low.is_finite() && expected.high.is_finite());
            if measure == Measure::Share {
                prop_assert!(expected.low >= 0.0 && expected.high <= 1.0);
            }
            let anomaly = judge(&history, (on(at), new), &options);
            prop_assert_eq!(anomaly.is_none(), (expected.low..=expected.high).contains(&new));
            prop_assert!(anomaly.is_none_or(|anomaly| anomaly.strength > 1.0 - 1e-9));
        }
    }

    /// The order in which history is told does not matter.
    #[test]
    fn history_has_no_order(mut values in prop::collection::vec(0.0..1e6_f64, 8..40), seed in any::<u64>()) {
        let told: Vec<_> = (0..).zip(values.drain(..)).map(|(day, value)| (on(day), value)).collect();
        let mut shuffled = told.clone();
        let mut random = Pcg64::seed_from_u64(seed);
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, random.random_range(0..=place));
        }
        let options = Options::new(Measure::Count);
        prop_assert_eq!(expected(&told, on(50), &options), expected(&shuffled, on(50), &options));
    }

    /// Judging hundreds in place of tens changes nothing but the scale.
    #[test]
    fn numbers_of_another_unit_are_judged_alike(
        values in prop::collection::vec(1.0..1e3_f64, 8..40), new in 1.0..2e3_f64,
    ) {
        let in_unit = |unit: f64| {
            let history: Vec<_> = (0..).zip(&values).map(|(day, value)| (on(day), value * unit)).collect();
            judge(&history, (on(60), new * unit), &Options::new(Measure::Number)).map(|anomaly| anomaly.kind)
        };
        prop_assert_eq!(in_unit(1.0), in_unit(1024.0));
    }
}
