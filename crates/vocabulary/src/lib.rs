//! The words every room uses: identifiers with their check digits, divisions, days and working days.
//!
//! Nothing here reads a file, a clock or a network. What a bureau may revise (division lists, holidays)
//! is handed in as plain values; what a standard fixes is a type.
//!
//! Each identifier comes twice: `check(&[u8])`, which allocates nothing and is meant for one call per row
//! over tens of millions of rows, and a newtype with [`FromStr`](std::str::FromStr), which is `check`
//! and then keeps the text. Both name the first defect with its 1-based position and what was expected.
//!
//! Deliberately absent: the lists themselves (they are packs), masking (a grant decides it), and any
//! opinion on whether a defect is an error or a warning (a rule decides it).
//!
//! Reading order: [`clock`] → [`spelling`] → [`citizen_id`] → [`organisation_code`] → [`credit_code`] →
//! [`certificate_id`] → [`item_code`] → [`real_estate_unit`] → [`mobile`] → [`division_code`] →
//! [`resource_code`] → [`period`] → [`composite_key`] → [`dates`] → [`working_days`] → [`divisions`].
//!
//! # Recipe: a new identifier
//! 1. Find the clause; add the term to `docs/glossary.md`.
//! 2. Write `<name>.rs` after [`citizen_id`]: `check(&[u8])`, a `Copy` defect enum, the newtype over it.
//! 3. Test it with the standard's worked example and a law: any one changed character is caught.
//! 4. Re-export it here, and give `quality` a rule kind if departments send it.

pub mod clock;
pub mod spelling;

pub mod certificate_id;
pub mod citizen_id;
pub mod credit_code;
pub mod division_code;
pub mod item_code;
pub mod mobile;
pub mod organisation_code;
pub mod real_estate_unit;
pub mod resource_code;

pub mod composite_key;
pub mod period;

pub mod dates;
pub mod divisions;
pub mod working_days;

mod text_form;

pub use certificate_id::{CertificateId, CertificateIdDefect};
pub use citizen_id::{CitizenId, CitizenIdDefect, Sex};
pub use clock::{Clock, FixedClock, SystemClock};
pub use credit_code::{CreditCode, CreditCodeDefect};
pub use dates::{DayDefect, parse_day};
pub use division_code::{DivisionCode, DivisionCodeDefect, DivisionLevel};
pub use divisions::{Division, DivisionTree, DivisionTreeError, Resolution};
pub use item_code::{BasicItemCode, ItemCode, ItemCodeDefect};
pub use mobile::{Mobile, MobileDefect};
pub use organisation_code::{OrganisationCode, OrganisationCodeDefect};
pub use real_estate_unit::{RealEstateUnit, RealEstateUnitDefect};
pub use resource_code::{Classification, ResourceCode, ResourceCodeDefect};
pub use spelling::normalise_key;
pub use working_days::{CalendarDefect, CalendarError, WorkingCalendar, WorkingYear};
