//! Texts ready to be compared: what tells a text apart from most others stands in one place, a cache line each.

/// Longest text that is compared character by character; the rest of a longer one is not looked at.
pub const CHARACTERS_MAX: usize = 64;
/// Characters of a beginning.
const BEGINNING: usize = 4;
/// Classes that characters are counted in.
const CLASSES: usize = 32;

/// Texts by number.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    outlines: Vec<Outline>,
    characters: Vec<char>,
}

#[derive(Debug, Clone, Copy)]
struct Outline {
    /// How often the characters of each class occur: what two texts can have in common at most.
    tally: [u8; CLASSES],
    beginning: [char; BEGINNING],
    from: u32,
    length: u32,
}

/// One of the texts.
#[derive(Debug, Clone, Copy)]
pub struct Text<'t> {
    outline: &'t Outline,
    all: &'t [char],
}

impl Texts {
    /// Adds a text; no more than [`CHARACTERS_MAX`] of its characters are kept.
    pub fn push(&mut self, text: &str) {
        let from = self.characters.len();
        self.characters.extend(text.chars().take(CHARACTERS_MAX));
        let mut tally = [0_u8; CLASSES];
        let mut beginning = ['\0'; BEGINNING];
        for (at, &character) in self.characters[from..].iter().enumerate() {
            tally[class(character)] += 1;
            if let Some(place) = beginning.get_mut(at) {
                *place = character;
            }
        }
        let length = (self.characters.len() - from) as u32;
        self.outlines.push(Outline { tally, beginning, from: from as u32, length });
    }

    /// The text of a number.
    #[must_use]
    pub fn get(&self, number: u32) -> Text<'_> {
        Text { outline: &self.outlines[number as usize], all: &self.characters }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outlines.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outlines.is_empty()
    }

    /// Takes away those from this number up.
    pub fn truncate(&mut self, texts: usize) {
        if let Some(first) = self.outlines.get(texts) {
            self.characters.truncate(first.from as usize);
            self.outlines.truncate(texts);
        }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, texts: usize) {
        self.outlines.reserve(texts);
    }
}

impl<'t> Text<'t> {
    /// Its characters.
    #[must_use]
    pub fn characters(&self) -> &'t [char] {
        &self.all[self.outline.from as usize..][..self.len()]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outline.length as usize
    }

    /// Whether it is this text, as far as texts are kept.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.characters().iter().copied().eq(text.chars().take(CHARACTERS_MAX))
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outline.length == 0
    }

    /// Characters that it can have in common with another at most.
    #[must_use]
    pub fn in_common(&self, other: &Self) -> usize {
        // Three instructions for sixteen classes, as long as it is one plain loop.
        let (left, right) = (&self.outline.tally, &other.outline.tally);
        let mut sum = 0;
        for class in 0..CLASSES {
            sum += u32::from(left[class].min(right[class]));
        }
        sum as usize
    }

    /// Characters that both begin with, four at most.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> usize {
        let both = self.outline.beginning.iter().zip(&other.outline.beginning);
        both.take_while(|(a, b)| a == b).count().min(self.len()).min(other.len())
    }

    /// A bit for each class of characters that it has.
    #[must_use]
    pub fn classes(&self) -> u32 {
        let counts = self.outline.tally.iter().enumerate();
        counts.fold(0, |classes, (class, &count)| classes | u32::from(count > 0) << class)
    }
}

/// The class of a character, below 32.
pub(crate) fn class(character: char) -> usize {
    let class = match character {
        'a'..='z' => character as u32 - 'a' as u32,
        '0'..='9' => 26 + character as u32 - '0' as u32,
        // Fibonacci hashing spreads neighbouring characters over the remaining classes.
        _ => 36 + ((character as u32).wrapping_mul(0x9E37_79B1) >> 16) % 28,
    };
    class as usize % CLASSES
}
