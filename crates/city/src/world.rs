//! The city as it is: who lives there, which bodies are registered, which places there are.
//!
//! Nothing is kept per person or body. Person *i* and body *j* follow from the seed and their number; what is
//! kept is how many people were born on each day, and the list of divisions.

use std::fmt::Write as _;

use jiff::{ToSpan as _, civil::Date};
use yihe_definitions::Pack;
use yihe_vocabulary::{citizen_id, credit_code, organisation_code};

use crate::{
    CityError,
    names::Names,
    random::{Draw, Stream},
    words,
};

/// People of the city at scale 1.
pub const PEOPLE: f64 = 11_000_000.0;
/// Registered bodies at scale 1.
pub const BODIES: f64 = 1_220_000.0;
/// The day the extracts speak of. Fixed, so that a city is the same whenever it is made.
pub const AS_OF: Date = jiff::civil::date(2026, 11, 1);
/// Days of birth: from here to [`AS_OF`].
const FIRST_BIRTH: Date = jiff::civil::date(1927, 1, 1);
/// Days from 1970-01-01 to [`FIRST_BIRTH`].
const FIRST_BIRTH_NUMBER: i32 = -15_706;

/// Most entries of the index over days of birth.
const INDEX_ENTRIES: u64 = 65_536;

/// A day of birth as an identity number spells it.
#[derive(Debug, Clone, Copy)]
struct Birthday {
    /// People born before it.
    before: u64,
    digits: [u8; 8],
    year: i16,
    /// Where the sequence numbers of the day begin.
    shift: u16,
}

/// Which of its values a record shows: today's, or those before the entity last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Current,
    Former,
}

/// A county-level unit, town or village.
#[derive(Debug)]
pub struct Place {
    pub code: String,
    pub name: String,
    pub parent: String,
    pub level: u8,
    pub kind: String,
    /// From the province down, in the words of an address: `山东省临沂市兰山区…`.
    pub address: String,
    /// Six digits of the county, or of the city itself.
    pub county: [u8; 6],
}

#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub people: u64,
    pub bodies: u64,
    pub places: Vec<Place>,
    pub villages: Vec<usize>,
    pub names: Names,
    /// By person over `index_step`: the day of birth of the first such person.
    day_index: Vec<u32>,
    index_step: u64,
    /// Each day from [`FIRST_BIRTH`] to [`AS_OF`], and one more that nobody was born on.
    days: Vec<Birthday>,
    /// Six digits of each village's county, in the order of `villages`.
    counties: Vec<[u8; 6]>,
    streams: Streams,
}

#[derive(Debug)]
struct Streams {
    home: Stream,
    name: Stream,
    number: Stream,
    facts: Stream,
    former: Stream,
    body: Stream,
    body_former: Stream,
}

/// A person: what their number follows from. The rest is asked of the [`World`].
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub index: u64,
    pub id: [u8; 18],
    /// Days since 1970.
    pub birth: i32,
    pub birth_year: i16,
    pub is_woman: bool,
}

/// What kind of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    Enterprise,
    Individual,
    Public,
    Society,
}

#[derive(Debug, Clone, Copy)]
pub struct Body {
    pub index: u64,
    pub code: [u8; 18],
    pub kind: BodyKind,
    pub place: usize,
}

impl Person {
    pub fn id_text(&self) -> &str {
        std::str::from_utf8(&self.id).expect("digits and X")
    }
}

impl Body {
    pub fn code_text(&self) -> &str {
        std::str::from_utf8(&self.code).expect("digits and capitals")
    }
}

impl World {
    /// # Errors
    /// A pack without villages.
    #[expect(clippy::cast_sign_loss, reason = "scale is at most 1")]
    pub fn new(pack: &Pack, scale: f64, seed: u64) -> Result<Self, CityError> {
        let places = places(pack);
        let villages: Vec<usize> = (0..places.len()).filter(|index| places[*index].level == 5).collect();
        if villages.is_empty() {
            return Err(CityError::NoVillages);
        }
        let people = ((PEOPLE * scale).round() as u64).max(1_000);
        let stream = |name| Stream::new(seed, name);
        let born_before = born_before(people);
        let day_stream = stream("person.day");
        let index_step = people / INDEX_ENTRIES + 1;
        Ok(Self {
            day_index: day_index(&born_before, people, index_step),
            index_step,
            days: (0..).zip(&born_before).map(|(day, before)| birthday(day, *before, day_stream)).collect(),
            seed,
            people,
            bodies: ((BODIES * scale).round() as u64).max(1_000),
            counties: villages.iter().map(|village| places[*village].county).collect(),
            places,
            villages,
            names: Names::new(),
            streams: Streams {
                home: stream("person.home"),
                name: stream("person.name"),
                number: stream("person.number"),
                facts: stream("person.facts"),
                former: stream("person.former"),
                body: stream("body"),
                body_former: stream("body.former"),
            },
        })
    }

    /// The first and one past the last person who is `youngest..=eldest` years old.
    pub fn of_age(&self, youngest: i16, eldest: i16) -> (u64, u64) {
        let year = AS_OF.year();
        let at = |year: i16| {
            let day = days_from_civil(year.into(), 1, 1) - FIRST_BIRTH_NUMBER;
            let index = usize::try_from(day.max(0)).expect("not negative").min(self.days.len() - 1);
            self.days[index].before
        };
        let (first, last) = (at(year - eldest), at(year - youngest + 1).min(self.people));
        (first, last.max(first + 1).min(self.people.max(first + 1)))
    }

    pub fn person(&self, index: u64) -> Person {
        // An index and a short walk: this is asked once or more per record.
        let mut day =
            self.day_index[usize::try_from(index / self.index_step).expect("below the number of people")] as usize;
        while self.days[day + 1].before <= index {
            day += 1;
        }
        let birthday = &self.days[day];
        // 387 is coprime to 1,000: the numbers of one day are all different, wherever people were born.
        let sequence = ((index - birthday.before) * 387 + u64::from(birthday.shift)) % 1_000;
        let birth = FIRST_BIRTH_NUMBER + i32::try_from(day).expect("a century of days");
        let mut draw = self.streams.number.at(index);
        let division: [u8; 6] = if draw.chance(80_000) {
            draw.of(words::OTHER_BIRTHPLACES).as_bytes().try_into().expect("six digits")
        } else {
            self.counties[self.village_number(index, Version::Former)]
        };
        let mut id = [b'0'; 18];
        id[..6].copy_from_slice(&division);
        id[6..14].copy_from_slice(&birthday.digits);
        digits(&mut id[14..17], sequence);
        id[17] = citizen_id::check_character(id.first_chunk().expect("18 bytes")).expect("17 digits");
        Person { index, id, birth, birth_year: birthday.year, is_woman: sequence.is_multiple_of(2) }
    }

    /// The village a person is registered in (`Former`) or lives in (`Current`).
    #[inline]
    pub fn village(&self, person: u64, version: Version) -> usize {
        self.villages[self.village_number(person, version)]
    }

    fn village_number(&self, person: u64, version: Version) -> usize {
        let mut draw = self.streams.home.at(person);
        let registered = draw.below(self.villages.len() as u64);
        let moved = draw.chance(180_000);
        let other = draw.below(self.villages.len() as u64);
        let chosen = if moved && version == Version::Current { other } else { registered };
        usize::try_from(chosen).expect("below the number of villages")
    }

    pub fn person_name(&self, person: &Person, into: &mut String) {
        let mut draw = self.streams.name.at(person.index);
        self.names.surname(&mut draw, into);
        self.names.given(person.is_woman, person.birth_year >= 1980, &mut draw, into);
    }

    /// Draws of a person's facts; `salt` sets facts apart.
    #[inline]
    pub fn facts(&self, person: u64, salt: u64, version: Version) -> Draw {
        let stream = if version == Version::Current { self.streams.facts } else { self.streams.former };
        stream.at(person ^ (salt << 48))
    }

    /// A home in a village or community: registered (`household`) or lived in.
    #[inline]
    pub fn home(&self, person: u64, household: bool, version: Version, into: &mut String) {
        let place = self.village(person, if household { Version::Former } else { version });
        let mut draw = if household { self.facts(person, 1, Version::Current) } else { self.facts(person, 2, version) };
        self.house(place, &mut draw, into);
    }

    /// A road and house, or an estate, building and flat.
    #[inline]
    pub fn house(&self, place: usize, draw: &mut Draw, into: &mut String) {
        let place = &self.places[place];
        into.push_str(&place.address);
        if place.kind == "community" {
            let (estate, building, unit) = (draw.of(words::ESTATES), draw.between(1, 40), draw.between(1, 4));
            let flat = draw.between(1, 26) * 100 + draw.between(1, 4);
            write_parts(into, &[estate], &[(building, "号楼"), (unit, "单元"), (flat, "室")]);
        } else {
            write_parts(into, &[], &[(draw.between(1, 699), "号")]);
        }
    }

    #[inline]
    pub fn mobile(&self, person: u64, version: Version, into: &mut String) {
        const FIRST: &[&str] = &[
            "139", "138", "137", "136", "135", "150", "151", "152", "158", "159", "182", "183", "187", "188", "130",
            "131", "156", "186", "133", "153", "180", "189", "199", "178",
        ];
        let mut draw = self.facts(person, 3, version);
        into.push_str(draw.of(FIRST));
        push_digits(into, draw.below(100_000_000), 8);
    }

    /// Shares of the kinds of body, in this order.
    pub fn bodies_of(&self, kind: BodyKind) -> (u64, u64) {
        let cut = |part: u64| self.bodies * part / 1_000;
        match kind {
            BodyKind::Enterprise => (0, cut(340)),
            BodyKind::Individual => (cut(340), cut(983)),
            BodyKind::Public => (cut(983), cut(993)),
            BodyKind::Society => (cut(993), self.bodies),
        }
    }

    pub fn body(&self, index: u64) -> Body {
        let kinds = [BodyKind::Enterprise, BodyKind::Individual, BodyKind::Public, BodyKind::Society];
        let kind = kinds.into_iter().find(|kind| index < self.bodies_of(*kind).1).unwrap_or(BodyKind::Society);
        let mut draw = self.body_facts(index, 0);
        let place = self.villages[usize::try_from(draw.below(self.villages.len() as u64)).expect("below the number")];
        let mut code = [b'0'; 18];
        let (prefix, middle) = match kind {
            BodyKind::Enterprise => (b"91", b"MA"),
            BodyKind::Individual => (b"92", b"MA"),
            BodyKind::Public => (b"12", b"MB"),
            BodyKind::Society => (if index.is_multiple_of(3) { b"51" } else { b"52" }, b"MJ"),
        };
        code[..2].copy_from_slice(prefix);
        code[2..8].copy_from_slice(&self.places[place].county);
        code[8..10].copy_from_slice(middle);
        // Six symbols of 31: the multiplier is no multiple of 31, so no two bodies have the same.
        let mut number = (index * 479_001_599 + self.seed % 887_503_681) % 887_503_681;
        for position in (10..16).rev() {
            code[position] = credit_code::ALPHABET[usize::try_from(number % 31).expect("below 31")];
            number /= 31;
        }
        let first8 = code[8..16].first_chunk().expect("eight bytes");
        code[16] = organisation_code::check_character(first8).expect("digits and capitals");
        code[17] =
            credit_code::check_character(code.first_chunk().expect("17 bytes")).expect("symbols of the alphabet");
        Body { index, code, kind, place }
    }

    #[inline]
    pub fn body_facts(&self, body: u64, salt: u64) -> Draw {
        self.streams.body.at(body ^ (salt << 48))
    }

    #[inline]
    pub fn body_facts_of(&self, body: u64, salt: u64, version: Version) -> Draw {
        let stream = if version == Version::Current { self.streams.body } else { self.streams.body_former };
        stream.at(body ^ (salt << 48))
    }

    /// Trade of a body: industry section, words in its name, business scope.
    pub fn trade(&self, body: &Body) -> (&'static str, &'static str, &'static str) {
        let mut draw = self.body_facts(body.index, 1);
        let list = match body.kind {
            BodyKind::Enterprise => words::TRADES,
            BodyKind::Individual => words::SHOPS,
            BodyKind::Public | BodyKind::Society => return ("S", "", ""),
        };
        list[usize::try_from(draw.below(list.len() as u64)).expect("below the length")]
    }

    pub fn body_name(&self, body: &Body, version: Version, into: &mut String) {
        let county = self.county_name(&body.code[2..8]);
        let mut draw = self.body_facts_of(body.index, 2, version);
        match body.kind {
            BodyKind::Enterprise => {
                into.push_str(if draw.chance(500_000) { "临沂" } else { county });
                into.push_str(draw.of(words::COMPANY_FIRST));
                into.push_str(draw.of(words::COMPANY_SECOND));
                into.push_str(self.trade(body).1);
                into.push_str("有限公司");
            }
            BodyKind::Individual => {
                into.push_str(county);
                self.names.surname(&mut draw, into);
                into.push_str(draw.of(words::COMPANY_SECOND));
                into.push_str(draw.of(words::COMPANY_FIRST));
                into.push_str(self.trade(body).1);
            }
            BodyKind::Public => {
                into.push_str(county);
                into.push_str(&self.places[body.place].name[..self.places[body.place].name.len().min(6)]);
                into.push_str(draw.of(words::PUBLIC_BODIES));
            }
            BodyKind::Society => {
                into.push_str(county);
                into.push_str(draw.of(words::COMPANY_FIRST));
                into.push_str(draw.of(words::SOCIETIES));
            }
        }
    }

    fn county_name(&self, code: &[u8]) -> &str {
        let found = self.places.iter().take_while(|place| place.level <= 3).find(|place| place.code.as_bytes() == code);
        found.map_or("临沂市", |place| place.name.as_str())
    }

    /// The person who represents a body.
    pub fn representative(&self, body: &Body, version: Version) -> Person {
        let (first, last) = self.of_age(24, 66);
        let mut draw = self.body_facts_of(body.index, 3, version);
        self.person(first + draw.below(last - first))
    }
}

/// Writes words, then numbers with their units.
fn write_parts(into: &mut String, words: &[&str], numbers: &[(i64, &str)]) {
    for word in words {
        into.push_str(word);
    }
    for (number, unit) in numbers {
        push_number(into, *number);
        into.push_str(unit);
    }
}

/// Writes a whole number.
#[inline]
pub fn push_number(into: &mut String, number: i64) {
    if (0..10_000).contains(&number) {
        let width = match number {
            0..10 => 1,
            10..100 => 2,
            100..1_000 => 3,
            _ => 4,
        };
        push_digits(into, number.unsigned_abs(), width);
    } else {
        write!(into, "{number}").expect("text grows");
    }
}

/// Writes the last `width` (at most 20) digits of a number.
#[inline]
pub fn push_digits(into: &mut String, number: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    digits(&mut buffer[..width], number);
    into.push_str(std::str::from_utf8(&buffer[..width]).expect("digits"));
}

#[inline]
fn digits(into: &mut [u8], mut number: u64) {
    for place in into.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
    }
}

/// Days since 1970 of a day.
pub fn day_number(day: Date) -> i32 {
    days_from_civil(day.year().into(), day.month().into(), day.day().into())
}

/// The inverse of [`civil`].
pub const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day that is this many days after 1970-01-01, by the civil calendar (Howard Hinnant's algorithm).
#[inline]
pub fn civil(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i32::from(month <= 2), month, day)
}

fn day_of(days: i32) -> Date {
    let (year, month, day) = civil(days);
    let narrow = "a day of this century or the last";
    Date::new(i16::try_from(year).expect(narrow), i8::try_from(month).expect(narrow), i8::try_from(day).expect(narrow))
        .expect(narrow)
}

/// How many were born before each day; the last entry is everybody.
#[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "shares")]
fn born_before(people: u64) -> Vec<u64> {
    let mut weights = Vec::new();
    let mut day = FIRST_BIRTH;
    while day < AS_OF {
        weights.push(births_of(day.year()));
        day = day.saturating_add(1.day());
    }
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let mut before = vec![0];
    for weight in weights {
        sum += weight;
        before.push((sum / total * people as f64).round() as u64);
    }
    before
}

fn day_index(born_before: &[u64], people: u64, step: u64) -> Vec<u32> {
    let mut day = 0;
    let first_of = |entry: u64| {
        while born_before[day + 1] <= entry * step {
            day += 1;
        }
        u32::try_from(day).expect("a century of days")
    };
    (0..people.div_ceil(step)).map(first_of).collect()
}

fn birthday(day: i32, before: u64, stream: Stream) -> Birthday {
    let born = day_of(FIRST_BIRTH_NUMBER + day);
    let mut spelled = [b'0'; 8];
    digits(&mut spelled[..4], born.year().unsigned_abs().into());
    digits(&mut spelled[4..6], born.month().unsigned_abs().into());
    digits(&mut spelled[6..], born.day().unsigned_abs().into());
    let shift = u16::try_from(stream.at(day.unsigned_abs().into()).below(1_000)).expect("below 1,000");
    Birthday { before, digits: spelled, year: born.year(), shift }
}

/// Living people by year of birth, relative: the famine, the wave of the sixties, its echo, and the decline.
const fn births_of(year: i16) -> f64 {
    match year {
        ..1935 => 0.05,
        1935..1945 => 0.25,
        1945..1950 | 2022.. => 0.5,
        1950..1959 => 0.85,
        1959..1962 => 0.55,
        1962..1976 => 1.5,
        1976..1982 => 1.05,
        1982..1992 => 1.35,
        1992..2002 => 1.0,
        2002..2012 => 0.95,
        2012..2018 => 1.1,
        2018..2022 => 0.75,
    }
}

fn places(pack: &Pack) -> Vec<Place> {
    use std::collections::HashMap;
    let by_code: HashMap<&str, &yihe_definitions::Division> =
        pack.divisions.iter().map(|division| (division.code.as_str(), division)).collect();
    let mut places: Vec<Place> = Vec::new();
    for division in &pack.divisions {
        // The province is not the city's to register.
        if division.level < 2 || !yihe_vocabulary::division_code::is_valid(division.code.as_bytes()) {
            continue;
        }
        let mut names = vec![spoken(&division.name, division.level)];
        let mut parent = division.parent.as_str();
        // A division has at most four others above it.
        for _ in 0..4 {
            let Some(above) = by_code.get(parent) else { break };
            names.push(above.name.clone());
            parent = above.parent.as_str();
        }
        names.reverse();
        places.push(Place {
            code: division.code.clone(),
            name: division.name.clone(),
            parent: division.parent.clone(),
            level: division.level,
            kind: division.kind.clone(),
            address: names.concat(),
            county: division.code.as_bytes()[..6].try_into().expect("at least six digits"),
        });
    }
    places.sort_by(|left, right| (left.level, &left.code).cmp(&(right.level, &right.code)));
    places
}

/// A village's name as an address says it: without the committee.
fn spoken(name: &str, level: u8) -> String {
    if level < 5 {
        return name.to_owned();
    }
    for (ending, instead) in [
        ("村村民委员会", "村"),
        ("村民委员会", "村"),
        ("村委会", "村"),
        ("社区居民委员会", "社区"),
        ("居民委员会", "社区"),
        ("社区居委会", "社区"),
        ("居委会", "社区"),
    ] {
        if let Some(stem) = name.strip_suffix(ending) {
            let stem = stem.strip_suffix('村').filter(|_| instead == "村").unwrap_or(stem);
            return format!("{stem}{instead}");
        }
    }
    name.to_owned()
}
