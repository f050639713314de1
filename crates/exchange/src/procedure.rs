//! The procedure of art. 20 to 22: which step follows which, whose it is, and its term.

use std::{collections::BTreeMap, fmt, sync::Arc};

use yihe_catalogue::Catalogue;
use yihe_definitions::{Language, Text};
use yihe_docket::{Docket, TermDefect, TermLimit, Terms};
use yihe_lake::Lake;
use yihe_store::{Actor, Role, Store, StoreError};

use crate::{
    error::ExchangeError,
    release::Gate,
    request::{Request, RequestState},
};

/// Name of the procedure on the docket.
pub const PROCEDURE: &str = "share_request";

/// The authority checks whether a request is complete. The decree leaves the term to the city; two
/// working days is what cities set.
pub const CHECK: TermLimit =
    TermLimit { name: "request.check", legal_days: 2, source: "政务数据共享条例第二十一条" };

/// The provider answers for data shared unconditionally (art. 21).
pub const ANSWER_UNCONDITIONAL: TermLimit =
    TermLimit {
        name: "request.answer.unconditional", legal_days: 1, source: "政务数据共享条例第二十一条"
    };

/// The provider answers for data shared on conditions (art. 21).
pub const ANSWER_CONDITIONAL: TermLimit =
    TermLimit { name: "request.answer.conditional", legal_days: 10, source: "政务数据共享条例第二十一条" };

/// By so much the answer's term may be extended with the authority's consent (art. 21).
pub const EXTENSION: TermLimit =
    TermLimit { name: "request.answer.extension", legal_days: 10, source: "政务数据共享条例第二十一条" };

/// The provider supplies after its consent (art. 22).
pub const SUPPLY: TermLimit =
    TermLimit { name: "request.supply", legal_days: 20, source: "政务数据共享条例第二十二条" };

/// Every term of this room.
pub const TERMS: [TermLimit; 5] = [CHECK, ANSWER_UNCONDITIONAL, ANSWER_CONDITIONAL, EXTENSION, SUPPLY];

/// A step of the procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestStep {
    /// 送审签
    Submit,
    /// 申请部门审签
    Sign,
    /// 审签退回
    DeclineToSign,
    /// 一次性告知补正
    Notify,
    /// 审查通过，转提供部门
    Forward,
    /// 申请延期
    AskExtension,
    /// 同意延期
    ConsentExtension,
    /// 拟答复
    Answer,
    /// 提供部门审签
    Countersign,
    /// 答复退回
    SendBack,
    /// 提供
    Supply,
    /// 撤回
    Withdraw,
}

/// Whose desk a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seat {
    /// A role in the requesting department.
    Requester(Role),
    /// A reviewer of the competent authority.
    Authority,
    /// A role in the providing department.
    Provider(Role),
}

impl Seat {
    /// The role and department of this seat for a request.
    #[must_use]
    pub fn of<'a>(self, request: &'a Request, authority: &'a str) -> (Role, &'a str) {
        match self {
            Self::Requester(role) => (role, &request.requester),
            Self::Authority => (Role::Reviewer, authority),
            Self::Provider(role) => (role, &request.provider),
        }
    }
}

impl RequestStep {
    /// Every step.
    pub const ALL: [Self; 12] = [
        Self::Submit,
        Self::Sign,
        Self::DeclineToSign,
        Self::Notify,
        Self::Forward,
        Self::AskExtension,
        Self::ConsentExtension,
        Self::Answer,
        Self::Countersign,
        Self::SendBack,
        Self::Supply,
        Self::Withdraw,
    ];

    /// Who may take it.
    #[must_use]
    pub fn seat(self) -> Seat {
        match self {
            Self::Submit | Self::Withdraw => Seat::Requester(Role::Officer),
            Self::Sign | Self::DeclineToSign => Seat::Requester(Role::Head),
            Self::Notify | Self::Forward | Self::ConsentExtension => Seat::Authority,
            Self::AskExtension | Self::Answer | Self::Supply => Seat::Provider(Role::Officer),
            Self::Countersign | Self::SendBack => Seat::Provider(Role::Head),
        }
    }

    /// The states from which it may be taken.
    #[must_use]
    pub fn from(self) -> &'static [RequestState] {
        match self {
            Self::Submit => &[RequestState::Draft, RequestState::Incomplete],
            Self::Sign | Self::DeclineToSign => &[RequestState::AwaitingSignature],
            Self::Notify | Self::Forward => &[RequestState::AwaitingCheck],
            Self::AskExtension | Self::ConsentExtension => {
                &[RequestState::AwaitingAnswer, RequestState::AwaitingCountersignature]
            }
            Self::Answer => &[RequestState::AwaitingAnswer],
            Self::Countersign | Self::SendBack => &[RequestState::AwaitingCountersignature],
            Self::Supply => &[RequestState::Consented],
            Self::Withdraw => &[
                RequestState::Draft,
                RequestState::AwaitingSignature,
                RequestState::AwaitingCheck,
                RequestState::Incomplete,
                RequestState::AwaitingAnswer,
                RequestState::AwaitingCountersignature,
            ],
        }
    }

    /// What people read on the button.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Submit => Text::new("送审签", "submit for signature"),
            Self::Sign => Text::new("审签", "sign"),
            Self::DeclineToSign => Text::new("审签退回", "decline to sign"),
            Self::Notify => Text::new("一次性告知补正", "send the notice of what is missing"),
            Self::Forward => Text::new("审查通过并转提供部门", "forward to the provider"),
            Self::AskExtension => Text::new("申请延期答复", "ask for an extension"),
            Self::ConsentExtension => Text::new("同意延期答复", "consent to the extension"),
            Self::Answer => Text::new("拟答复", "propose an answer"),
            Self::Countersign => Text::new("审签答复", "sign the answer"),
            Self::SendBack => Text::new("退回答复", "send the answer back"),
            Self::Supply => Text::new("提供数据", "supply"),
            Self::Withdraw => Text::new("撤回申请", "withdraw"),
        }
    }

    pub(crate) fn act(self) -> &'static str {
        match self {
            Self::Submit => "request.submitted",
            Self::Sign => "request.signed",
            Self::DeclineToSign => "request.declined",
            Self::Notify => "request.notified",
            Self::Forward => "request.forwarded",
            Self::AskExtension => "request.extension_asked",
            Self::ConsentExtension => "request.extended",
            Self::Answer => "request.answer_proposed",
            Self::Countersign => "request.answered",
            Self::SendBack => "request.answer_sent_back",
            Self::Supply => "request.supplied",
            Self::Withdraw => "request.withdrawn",
        }
    }
}

impl fmt::Display for RequestStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title().get(Language::En))
    }
}

/// The exchange of one city.
#[derive(Clone)]
pub struct Exchange {
    pub(crate) store: Store,
    pub(crate) docket: Docket,
    pub(crate) catalogue: Catalogue,
    pub(crate) lake: Lake,
    pub(crate) terms: Terms,
    pub(crate) gate: Option<Arc<Gate>>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl Exchange {
    /// The exchange over a catalogue and a lake. `city_terms` may shorten [`TERMS`].
    ///
    /// # Errors
    /// Every unknown term and every term beyond the law.
    pub fn new(
        store: Store,
        docket: Docket,
        catalogue: Catalogue,
        lake: Lake,
        city_terms: &BTreeMap<String, u32>,
    ) -> Result<Self, Vec<TermDefect>> {
        let terms = Terms::new(&TERMS, city_terms)?;
        Ok(Self { store, docket, catalogue, lake, terms, gate: None })
    }

    /// Whether `actor` may take `step` on `request` as it stands.
    ///
    /// # Errors
    /// The step is another's, or does not follow.
    pub fn check_step(&self, request: &Request, step: RequestStep, actor: &Actor) -> Result<(), ExchangeError> {
        let (role, department) = step.seat().of(request, self.catalogue.authority());
        if !actor.is(role, department) {
            return Err(ExchangeError::NotAllowed { step: step.title(), role, department: department.to_owned() });
        }
        if !step.from().contains(&request.state) {
            return Err(ExchangeError::WrongState { request: request.id.clone(), step, state: request.state });
        }
        Ok(())
    }

    /// The steps that `actor` may take on `request` as it stands: the buttons of its page.
    #[must_use]
    pub fn steps_for(&self, request: &Request, actor: &Actor) -> Vec<RequestStep> {
        RequestStep::ALL.into_iter().filter(|step| self.check_step(request, *step, actor).is_ok()).collect()
    }
}

pub(crate) fn failed(action: &'static str) -> impl FnOnce(StoreError) -> ExchangeError {
    move |source| ExchangeError::Store { action, source }
}
