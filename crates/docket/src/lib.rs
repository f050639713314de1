//! What waits for whom, until when.
//!
//! Whatever waits for somebody is an *item*: a review, a share request, later a citizen's case. Every item
//! has the same clock (working days with make-up days), the same list, the same escalation. A room opens,
//! advances and closes its items in the transaction that changes its own state, so 'what waits for me,
//! until when' is one query and never stale.
//!
//! Deliberately absent: which step follows which and who may take it (each room's law), and messages to
//! people (they read the list; the ledger has every escalation).
//!
//! Reading order: [`term`] → [`clock`] → [`item`] → [`worklist`] → [`sweep`].
//!
//! # Recipe: a new kind of waiting
//! 1. In the room, name the procedure and write its [`TermLimit`]s with the clause that sets each.
//! 2. Call [`Docket::open`] in the transaction that creates the thing, [`Docket::advance`] with every
//!    step, [`Docket::close`] with the last.
//! 3. Test the term over a long holiday with a fixed clock.

pub mod clock;
pub mod item;
pub mod sweep;
pub mod term;
pub mod worklist;

mod error;

pub use clock::{Standing, Stop, TermClock};
pub use error::DocketError;
pub use item::{Docket, Item, Matter, Opening, Step, Term, WaitsFor};
pub use sweep::{Escalation, EscalationLevel, EscalationPolicy, SweepReport};
pub use term::{TermDefect, TermLimit, Terms};
pub use worklist::{Worklist, WorklistPage};
