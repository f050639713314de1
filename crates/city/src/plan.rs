//! How large each dataset is, and whom it is about.

use crate::{
    random::{Sample, Stream},
    world::{BodyKind, World},
};

/// Base records of the whole city at scale 1 (design figures of a prefecture-level city of 11 million).
pub const RECORDS: f64 = 614_000_000.0;

/// Whom the records of a dataset are about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum About {
    /// People of these ages, in years.
    People { youngest: i16, eldest: i16 },
    /// Bodies from the first to the last of these kinds.
    Bodies(BodyKind, BodyKind),
    /// Every division of the city, once.
    Places,
    /// Things that only this dataset knows.
    Things,
    /// A sample of the records of an earlier dataset, as another department keeps them.
    Same(&'static str),
    /// Records of its own, one or more about each record of an earlier dataset in turn.
    Each(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rows {
    /// One per entity.
    Once,
    /// One per entity and period, this many periods.
    Periods(u64),
    /// This share of what the other datasets leave of the city's total, in 1/1,000.
    Remainder(u64),
}

/// `(dataset, about, entities at scale 1, rows)`.
///
/// Entities that a scale would leave below [`ENTITIES_MIN`] are raised to it.
const PLANS: &[(&str, About, f64, Rows)] = {
    use About::{Bodies, Each, People, Places, Same, Things};
    use BodyKind::{Enterprise, Individual, Public, Society};
    use Rows::{Once, Periods, Remainder};
    const fn aged(youngest: i16, eldest: i16) -> About {
        People { youngest, eldest }
    }
    &[
        ("population_household", aged(0, 99), 10_900_000.0, Once),
        ("residence_permits", aged(16, 60), 1_200_000.0, Once),
        ("driving_licences", aged(18, 70), 3_800_000.0, Once),
        ("marriage_registrations", aged(22, 90), 5_200_000.0, Once),
        ("low_income_families", aged(18, 90), 280_000.0, Once),
        ("death_certificates", aged(55, 99), 900_000.0, Once),
        ("birth_certificates", aged(0, 16), 1_250_000.0, Once),
        ("resident_health_records", aged(0, 99), 9_500_000.0, Once),
        ("social_insurance_persons", aged(16, 99), 8_000_000.0, Once),
        ("medical_insurance_persons", aged(0, 99), 10_400_000.0, Once),
        ("fund_accounts", aged(20, 62), 920_000.0, Once),
        ("student_roll", aged(6, 18), 1_150_000.0, Once),
        ("teachers", aged(23, 60), 110_000.0, Once),
        ("disability_certificates", aged(5, 95), 350_000.0, Once),
        ("veterans", aged(22, 85), 300_000.0, Once),
        ("household_cancellations", aged(18, 70), 60_000.0, Once),
        ("legal_aid_cases", aged(18, 80), 60_000.0, Once),
        ("enterprise_registrations", Bodies(Enterprise, Individual), 1_180_000.0, Once),
        ("annual_reports", Bodies(Enterprise, Individual), 320_000.0, Periods(3)),
        ("food_licences", Bodies(Enterprise, Individual), 210_000.0, Once),
        ("public_institutions", Bodies(Public, Public), 12_200.0, Once),
        ("social_organisations", Bodies(Society, Society), 8_500.0, Once),
        ("tax_registrations", Bodies(Enterprise, Individual), 1_050_000.0, Once),
        ("social_insurance_employers", Bodies(Enterprise, Enterprise), 320_000.0, Once),
        ("high_tech_enterprises", Bodies(Enterprise, Enterprise), 3_000.0, Once),
        ("foreign_trade_filings", Bodies(Enterprise, Enterprise), 9_000.0, Once),
        ("industrial_output", Bodies(Enterprise, Enterprise), 5_000.0, Periods(24)),
        ("division_register", Places, 0.0, Once),
        ("statistical_divisions", Places, 0.0, Once),
        ("village_profiles", Places, 0.0, Once),
        ("place_geography", Places, 0.0, Once),
        ("standard_addresses", Things, 4_600_000.0, Once),
        ("land_parcels", Things, 2_200_000.0, Once),
        ("real_estate_units", Things, 5_200_000.0, Once),
        ("housing_units", Same("real_estate_units"), 3_000_000.0, Once),
        ("real_estate_rights", Each("real_estate_units"), 6_000_000.0, Once),
        ("electronic_certificates", Things, 4_700_000.0, Once),
        ("certificate_returns", Same("electronic_certificates"), 1_200_000.0, Once),
        ("administrative_licences", Bodies(Enterprise, Individual), 1_150_000.0, Periods(2)),
        ("administrative_penalties", Bodies(Enterprise, Individual), 900_000.0, Once),
        ("credit_publications", Same("administrative_penalties"), 700_000.0, Once),
        ("credit_lists", Bodies(Enterprise, Individual), 45_000.0, Once),
        ("macro_indicators", Things, 196.0, Periods(12)),
        ("finance_indicators", Same("macro_indicators"), 120.0, Once),
        ("budget_execution", Things, 25_000.0, Periods(12)),
        ("social_insurance_contributions", aged(16, 99), 8_000_000.0, Remainder(344)),
        ("fund_contributions", Things, 920_000.0, Remainder(22)),
        ("medical_settlements", aged(0, 99), 10_400_000.0, Remainder(216)),
        ("electricity_bills", Things, 4_800_000.0, Remainder(206)),
        ("water_gas_bills", Things, 3_600_000.0, Remainder(83)),
        ("construction_projects", Things, 28_000.0, Once),
        ("fire_inspections", Bodies(Enterprise, Individual), 250_000.0, Once),
        ("supervision_records", Bodies(Enterprise, Individual), 1_000_000.0, Periods(4)),
        ("air_quality", Things, 40.0, Periods(8_760)),
        ("pollution_permits", Bodies(Enterprise, Enterprise), 12_000.0, Once),
        ("weather_observations", Things, 40.0, Periods(8_760)),
        ("reservoir_levels", Things, 40.0, Periods(8_760)),
        ("farm_subsidies", aged(18, 85), 1_200_000.0, Periods(5)),
        ("bus_trips", Things, 1_000_000_000.0, Remainder(88)),
        ("road_transport_vehicles", Things, 90_000.0, Once),
        ("tax_declarations", Bodies(Enterprise, Individual), 1_050_000.0, Remainder(41)),
        ("scenic_visits", Things, 50.0, Periods(1_800)),
        ("sports_venues", Things, 9_000.0, Once),
        ("information_systems", Things, 853.0, Once),
    ]
};

/// Fewest entities of a dataset, whatever the scale, as far as there are so many.
pub const ENTITIES_MIN: u64 = 20;
/// Datasets whose entities stay the same at every scale; their periods shrink instead.
const UNSCALED: &[&str] = &[
    "macro_indicators",
    "finance_indicators",
    "air_quality",
    "weather_observations",
    "reservoir_levels",
    "scenic_visits",
    "information_systems",
];

/// The size of one dataset at one scale.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    kind: Kind,
    base: Option<Base>,
    /// Entities it knows.
    pub entities: u64,
    /// Records before any is delivered twice.
    pub rows: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    People(Sample),
    Bodies(Sample),
    Places,
    Things,
}

/// The dataset whose records these are about.
#[derive(Debug, Clone, Copy)]
struct Base {
    dataset: &'static str,
    rows: u64,
    /// Entities of that dataset, for the period of a record.
    entities: u64,
    /// Which of its records; `None`: each in turn.
    sample: Option<Sample>,
}

/// What the n-th record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    Person(u64),
    Body(u64),
    Place(u64),
    Thing,
}

/// A record's place in the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whereabouts {
    /// Number by which its values are drawn: its own, or that of the record it repeats.
    pub serial: u64,
    /// Number of the record of the base that it is about; its own where there is no base.
    pub thing: u64,
    /// Number of the entity in its dataset; the same in every period.
    pub entity: u64,
    /// 0 for the latest period.
    pub period: u64,
    pub about: Entity,
}

impl Size {
    /// Where a record belongs.
    pub fn whereabouts(&self, row: u64) -> Whereabouts {
        let (serial, thing, entities) = match &self.base {
            None => (row, row, self.entities),
            Some(Base { sample: Some(sample), entities, .. }) => {
                let base = sample.nth(row);
                (base, base, *entities)
            }
            Some(Base { sample: None, rows, .. }) => (row, row % rows, self.entities),
        };
        let (entity, period) = (serial % entities, serial / entities);
        let about = match &self.kind {
            Kind::People(sample) => Entity::Person(sample.nth(entity)),
            Kind::Bodies(sample) => Entity::Body(sample.nth(entity)),
            Kind::Places => Entity::Place(entity),
            Kind::Things => Entity::Thing,
        };
        Whereabouts { serial, thing, entity, period, about }
    }

    /// The dataset whose records these repeat, value by value.
    pub fn repeats(&self) -> Option<&'static str> {
        self.base.filter(|base| base.sample.is_some()).map(|base| base.dataset)
    }

    /// The dataset whose records these are about, if it is another one.
    pub fn base(&self) -> Option<&'static str> {
        self.base.map(|base| base.dataset)
    }

    /// The first record of a person, body or place, given by its number in the world; `None` when the dataset
    /// lacks it.
    pub fn row_of(&self, entity: u64) -> Option<u64> {
        match &self.kind {
            Kind::People(sample) | Kind::Bodies(sample) => sample.place(entity),
            Kind::Places => (entity < self.entities).then_some(entity),
            Kind::Things => None,
        }
    }

    /// The records about a record of the base (or of itself, where there is none), the earliest first.
    pub fn rows_about(&self, thing: u64) -> impl Iterator<Item = u64> + use<> {
        let (first, step) = match &self.base {
            None => (Some(thing), None),
            Some(Base { sample: Some(sample), .. }) => (sample.place(thing), None),
            Some(Base { sample: None, rows, .. }) => (Some(thing), Some(*rows)),
        };
        let last = self.rows;
        let mut next = first;
        std::iter::from_fn(move || {
            let row = next.filter(|row| *row < last)?;
            next = step.map(|step| row + step);
            Some(row)
        })
    }
}

/// The sizes of all datasets the generator knows, by name.
pub fn sizes(world: &World, scale: f64) -> std::collections::BTreeMap<&'static str, Size> {
    let mut sizes = std::collections::BTreeMap::new();
    let mut fixed = 0;
    for &(dataset, about, at_scale_1, rows) in PLANS {
        let size = match about {
            About::Same(base) => {
                let base_size = sizes.get(base).copied().expect("a base stands before what is about it");
                same(world, dataset, (base, base_size), at_scale_1, scale)
            }
            About::Each(base) => {
                let base_size: Size = sizes.get(base).copied().expect("a base stands before what is about it");
                let own = size(world, dataset, About::Things, at_scale_1, rows, scale);
                let base = Base { dataset: base, rows: base_size.rows, entities: base_size.entities, sample: None };
                Size { base: Some(base), ..own }
            }
            About::People { .. } | About::Bodies(..) | About::Places | About::Things => {
                size(world, dataset, about, at_scale_1, rows, scale)
            }
        };
        fixed += size.rows;
        sizes.insert(dataset, size);
    }
    let left = whole(RECORDS * scale).saturating_sub(fixed);
    for &(dataset, _, _, rows) in PLANS {
        if let (Rows::Remainder(share), Some(size)) = (rows, sizes.get_mut(dataset)) {
            size.rows = (left * share / 1_000).max(ENTITIES_MIN);
        }
    }
    sizes
}

/// A sample of another dataset's records.
fn same(world: &World, dataset: &str, (base, of): (&'static str, Size), at_scale_1: f64, scale: f64) -> Size {
    let wanted = if UNSCALED.contains(&dataset) { whole(at_scale_1) } else { whole(at_scale_1 * scale) };
    let sample = Sample::new(Stream::new(world.seed, dataset), 0, of.rows, wanted.max(ENTITIES_MIN));
    let base = Base { dataset: base, rows: of.rows, entities: of.entities, sample: Some(sample) };
    Size { kind: of.kind, base: Some(base), entities: sample.count(), rows: sample.count() }
}

fn size(world: &World, dataset: &str, about: About, at_scale_1: f64, rows: Rows, scale: f64) -> Size {
    let is_scaled = !UNSCALED.contains(&dataset);
    let wanted = if is_scaled { whole(at_scale_1 * scale).max(ENTITIES_MIN) } else { whole(at_scale_1) };
    let stream = Stream::new(world.seed, dataset);
    let (kind, entities) = match about {
        About::People { youngest, eldest } => {
            let (first, last) = world.of_age(youngest, eldest);
            let sample = Sample::new(stream, first, last - first, wanted);
            (Kind::People(sample), sample.count())
        }
        About::Bodies(from, to) => {
            let (first, last) = (world.bodies_of(from).0, world.bodies_of(to).1);
            let sample = Sample::new(stream, first, last - first, wanted);
            (Kind::Bodies(sample), sample.count())
        }
        About::Places => (Kind::Places, world.places.len() as u64),
        About::Things | About::Same(_) | About::Each(_) => (Kind::Things, wanted),
    };
    let rows = match rows {
        Rows::Once => entities,
        Rows::Periods(periods) if is_scaled => entities * periods,
        Rows::Periods(periods) => {
            // Stations report for as many hours as the scale leaves, and one at least; so do indicators.
            let wanted =
                if at_scale_1 < 100.0 { whole(at_scale_1 * 40_000.0 * scale) } else { whole(20_000.0 * scale) };
            wanted.clamp(entities, entities * periods)
        }
        Rows::Remainder(_) => 0,
    };
    Size { kind, base: None, entities, rows }
}

#[expect(clippy::cast_sign_loss, reason = "counts up to some hundred million")]
fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}
