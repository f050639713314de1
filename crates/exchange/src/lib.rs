//! 共享交换: a department asks for another's data, is answered on the legal clock, and is supplied under
//! a grant that follows every call (政务数据共享条例, art. 20 to 29).
//!
//! A request is drafted, signed by the head of the requester's sharing body, checked by the competent
//! authority (one notice that lists everything missing), answered by the provider and signed by its head.
//! Consent becomes a [`Grant`]: columns, rows, masks, purpose, term, quota. A call presents a token; the
//! grant's filter and masks are part of the plan that answers it, and the answer leaves only after its
//! use record is committed, which the ledger takes with the others of its interface and minute.
//!
//! Deliberately absent: HTTP (a call comes as plain values), the caller's SQL, and any way around the
//! grant: there is no method that reads a table for a requester without one.
//!
//! Reading order: [`application`] → [`request`] → [`procedure`] → [`steps`] → [`release`] → [`grant`] → [`oversight`]
//! → [`supply`] → [`protected`].
//!
//! # Recipe: a new step of the procedure
//! 1. Name it in [`RequestStep`] with its clause: seat, states from which it may be taken, title, act.
//! 2. Give it its data in [`Action`], its effect in `steps.rs`, its clock in `put_on_docket`.
//! 3. `tests/it/refusals.rs` walks every step with every role from every state; it needs no change
//!    beyond a sample of the new [`Action`].

pub mod application;
pub mod grant;
pub mod oversight;
pub mod procedure;
pub mod protected;
pub mod release;
pub mod request;
pub mod steps;
pub mod supply;

mod error;

pub use application::{Application, ApplicationFault, Condition, Unmasking};
pub use error::ExchangeError;
pub use grant::{Grant, GrantColumn, GrantState, MaskKind};
pub use oversight::{ExchangeSweep, GrantStep};
pub use procedure::{
    ANSWER_CONDITIONAL, ANSWER_UNCONDITIONAL, CHECK, Exchange, PROCEDURE, RequestStep, SUPPLY, Seat, TERMS,
};
pub use release::{Cited, Gate, Released};
pub use request::{Answer, Consent, Extension, Notice, Refusal, Request, RequestState};
pub use steps::Action;
pub use supply::{Call, Door, Refused, Supplied};
