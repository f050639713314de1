//! Texts in order, looked for among rows: one by one, or among rows in order all at once.

use arrow::array::{Array, StringArray};

/// Whether a text is among `texts`, which are in order. `at` is where the last one was looked for: when they are asked
/// for in order, too, an answer is near the one before.
pub(crate) fn has<T: AsRef<str>>(texts: &[T], at: &mut usize, text: &str) -> bool {
    let is_before = |place: usize| texts[place].as_ref() < text;
    if *at > 0 && !is_before(*at - 1) {
        *at = texts[..*at].partition_point(|next| next.as_ref() < text);
    } else {
        *at = first_after(texts.len(), *at, is_before);
    }
    texts.get(*at).is_some_and(|next| next.as_ref() == text)
}

/// Calls `found` with every row whose text is among `texts`, and the place of that text. Both are in order, so what
/// lies between two that meet is leapt over: of `k` texts among `n` rows, about `k · log(n / k)` are compared.
pub(crate) fn meet_in_order<T: AsRef<str>>(texts: &[T], rows: &StringArray, mut found: impl FnMut(usize, usize)) {
    if rows.is_empty() {
        return;
    }
    let mut at = texts.partition_point(|text| text.as_ref() < rows.value(0));
    let mut row = 0;
    while row < rows.len() {
        let text = rows.value(row);
        at = first_after(texts.len(), at, |place| texts[place].as_ref() < text);
        let Some(next) = texts.get(at).map(AsRef::as_ref) else { return };
        if next == text {
            found(row, at);
            row += 1;
        } else {
            row = first_after(rows.len(), row + 1, |row| rows.value(row) < next);
        }
    }
}

/// The first place from `from` on, of `length`, that is not before what is sought; near places are asked first.
fn first_after(length: usize, from: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (from, 1);
    while low < length && is_before(low) {
        let next = low + step;
        if next >= length || !is_before(next) {
            // It lies after `low` and at `next` at the latest.
            let (mut low, mut high) = (low + 1, next.min(length));
            while low < high {
                let middle = low + (high - low) / 2;
                if is_before(middle) { low = middle + 1 } else { high = middle }
            }
            return low;
        }
        low = next;
        step *= 2;
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_whatever_order_texts_are_asked_for() {
        let texts: Vec<String> = (0..200).map(|number| format!("{:04}", number * 3)).collect();
        let mut at = 0;
        let mut asked: Vec<u32> = (0..620).collect();
        for turn in 0..4_usize {
            for (question, number) in asked.iter().enumerate() {
                let is_there = number.is_multiple_of(3) && *number < 600;
                assert_eq!(
                    has(&texts, &mut at, &format!("{number:04}")),
                    is_there,
                    "turn {turn}, question {question}: {number}"
                );
            }
            asked = (0..620).map(|at| asked[(at * 37 + turn) % 620]).collect();
        }
        assert!(!has(&Vec::<String>::new(), &mut 0, "x"));
    }

    #[test]
    fn texts_and_rows_in_order_meet_as_they_would_one_by_one() {
        let text = |number: usize| format!("{number:04}");
        for (every, offset, repeats) in [(1, 0, 1), (2, 1, 1), (3, 0, 4), (50, 7, 2), (999, 0, 1), (1, 5_000, 1)] {
            let texts: Vec<String> = (0..300).map(|number| text(number * every + offset)).collect();
            let rows: Vec<String> = (0..400).flat_map(|number| vec![text(number * 2); repeats]).collect();
            let mut met = Vec::new();
            meet_in_order(&texts, &StringArray::from(rows.clone()), |row, at| met.push((row, at)));
            let expected: Vec<(usize, usize)> = rows
                .iter()
                .enumerate()
                .filter_map(|(row, text)| Some((row, texts.iter().position(|t| t == text)?)))
                .collect();
            assert_eq!(met, expected, "every {every} from {offset}");
        }
        meet_in_order(&["a"], &StringArray::from(Vec::<&str>::new()), |_, _| panic!("there is no row"));
    }
}
