//! Taking a step: state, docket, grant and outbox change in one transaction or not at all.

use jiff::Timestamp;
use yihe_catalogue::Entry;
use yihe_definitions::Text;
use yihe_docket::{DocketError, Matter, Opening, Step, Term, WaitsFor};
use yihe_store::{Actor, ObjectKind, RequestFilter, Role, StoreError, Tx};
use yihe_vocabulary::clock::local_day;

use crate::{
    application::{Application, STATEMENT_CHARACTERS_MAX},
    error::ExchangeError,
    grant::Grant,
    procedure::{
        ANSWER_CONDITIONAL, ANSWER_UNCONDITIONAL, CHECK, EXTENSION, Exchange, PROCEDURE, RequestStep, SUPPLY, failed,
    },
    request::{Answer, Consent, Extension, Notice, Refusal, Request, RequestState},
};

/// Most things that one notice may list.
pub const MISSING_MAX: usize = 50;

/// A step with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To the head of the requester's sharing body.
    Submit,
    /// The head signs: to the authority.
    Sign,
    /// The head does not sign.
    DeclineToSign {
        /// Why.
        reason: String,
    },
    /// The one notice of what is missing.
    Notify {
        /// Everything that is missing.
        missing: Vec<String>,
    },
    /// The request is complete: to the provider.
    Forward,
    /// The provider asks for more time.
    AskExtension {
        /// Working days.
        days: u32,
        /// Why.
        reason: String,
    },
    /// The authority gives it.
    ConsentExtension,
    /// The provider's officer proposes an answer.
    Answer(Answer),
    /// The provider's head signs it.
    Countersign,
    /// The provider's head wants another answer.
    SendBack {
        /// Why.
        reason: String,
    },
    /// The provider opens the supply.
    Supply,
    /// The requester no longer wants it.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl Action {
    /// The step it takes.
    #[must_use]
    pub fn step(&self) -> RequestStep {
        match self {
            Self::Submit => RequestStep::Submit,
            Self::Sign => RequestStep::Sign,
            Self::DeclineToSign { .. } => RequestStep::DeclineToSign,
            Self::Notify { .. } => RequestStep::Notify,
            Self::Forward => RequestStep::Forward,
            Self::AskExtension { .. } => RequestStep::AskExtension,
            Self::ConsentExtension => RequestStep::ConsentExtension,
            Self::Answer(_) => RequestStep::Answer,
            Self::Countersign => RequestStep::Countersign,
            Self::SendBack { .. } => RequestStep::SendBack,
            Self::Supply => RequestStep::Supply,
            Self::Withdraw { .. } => RequestStep::Withdraw,
        }
    }
}

/// Reads.
impl Exchange {
    /// A request that `actor` may know of: a party's, or anything for the competent authority.
    ///
    /// # Errors
    /// The store failed or the stored request cannot be read.
    pub async fn find(&self, id: &str, actor: &Actor) -> Result<Option<Request>, ExchangeError> {
        let row = self.store.request_find(id).await.map_err(failed("find a share request"))?;
        let request = row.map(Request::read).transpose()?;
        Ok(request.filter(|request| self.may_know(request, actor)))
    }

    /// The requests that `actor` may know of, last changed first; narrowed to a state when one is given.
    ///
    /// # Errors
    /// The store failed or a stored request cannot be read.
    pub async fn list(
        &self,
        actor: &Actor,
        state: Option<RequestState>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Request>, ExchangeError> {
        let filter = RequestFilter {
            party: (actor.department != self.catalogue.authority()).then(|| actor.department.clone()),
            entry: None,
            state: state.map(|state| state.as_str().to_owned()),
        };
        let rows = self.store.request_list(&filter, offset, limit).await.map_err(failed("list share requests"))?;
        rows.into_iter().map(Request::read).collect()
    }

    fn may_know(&self, request: &Request, actor: &Actor) -> bool {
        [request.requester.as_str(), request.provider.as_str(), self.catalogue.authority()]
            .contains(&actor.department.as_str())
    }
}

/// Writes.
impl Exchange {
    /// Drafts a request for the officer's own department.
    ///
    /// # Errors
    /// The entry is not announced; the actor is no officer; the application has faults (all are
    /// listed); the store failed.
    pub async fn draft(
        &self,
        entry_code: &str,
        application: Application,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        if !actor.roles.contains(&Role::Officer) {
            return Err(ExchangeError::NotAllowed {
                step: Text::new("起草共享申请", "draft a share request"),
                role: Role::Officer,
                department: actor.department.clone(),
            });
        }
        let entry = self.announced(entry_code).await?;
        if entry.department == actor.department {
            return Err(ExchangeError::OwnData { entry: entry_code.to_owned() });
        }
        check_application(&application, &entry, at)?;
        let mut tx = self.store.begin().await.map_err(failed("draft a share request"))?;
        let request = Request {
            id: tx.new_id(at),
            entry: entry_code.to_owned(),
            requester: actor.department.clone(),
            provider: entry.department.clone(),
            state: RequestState::Draft,
            application,
            conditional: matches!(entry.sharing, yihe_definitions::Sharing::Conditional { .. }),
            notice: None,
            extension: None,
            answer: None,
            reason: None,
            release: None,
            created_by: actor.account.clone(),
            created_at: at,
            changed_at: at,
            version: 1,
        };
        tx.request_insert(&request.row(), &actor.act("request.drafted", at))
            .await
            .map_err(failed("draft a share request"))?;
        tx.commit().await.map_err(failed("draft a share request"))?;
        Ok(request)
    }

    /// Rewrites the application while it is a draft or is being completed.
    ///
    /// # Errors
    /// As [`Exchange::draft`], and the request is in another state or was changed meanwhile.
    pub async fn amend(
        &self,
        id: &str,
        application: Application,
        version: i64,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        let mut tx = self.store.begin().await.map_err(failed("amend a share request"))?;
        let mut request = self.load(&mut tx, id, Some(version), actor).await?;
        // Whoever may submit may also rewrite, and from the same states.
        self.check_step(&request, RequestStep::Submit, actor)?;
        let entry = self.announced(&request.entry).await?;
        check_application(&application, &entry, at)?;
        request.application = application;
        tx.request_update(&request.row(), &actor.act("request.amended", at))
            .await
            .map_err(failed("amend a share request"))?;
        tx.commit().await.map_err(failed("amend a share request"))?;
        Ok(changed(request, at))
    }

    /// Takes a step on the request as it stands at `version` (the one the actor saw; `None`: whichever).
    ///
    /// # Errors
    /// The actor may not know of the request, or the step is another's, does not follow, or lacks what
    /// the law demands of it; somebody else was quicker; the calendar lacks a year; the store failed.
    /// Then nothing was changed.
    pub async fn step(
        &self,
        id: &str,
        action: &Action,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        let mut tx = self.store.begin().await.map_err(failed("take a step on a share request"))?;
        let request = self.step_in(&mut tx, id, action, version, actor, at).await?;
        tx.commit().await.map_err(failed("take a step on a share request"))?;
        Ok(request)
    }

    /// As [`Exchange::step`], inside a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Exchange::step`]; the caller must then drop the transaction.
    pub async fn step_in(
        &self,
        tx: &mut Tx,
        id: &str,
        action: &Action,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        let request = self.load(tx, id, version, actor).await?;
        self.check_step(&request, action.step(), actor)?;
        self.take(tx, request, action, actor, at).await
    }

    /// Takes a step that somebody may take.
    pub(crate) async fn take(
        &self,
        tx: &mut Tx,
        mut request: Request,
        action: &Action,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        let step = action.step();
        if step == RequestStep::Supply {
            request = self.release(tx, request, actor, at).await?;
        }
        let before = request.clone();
        self.apply(&mut request, action, at).await?;
        tx.request_update(&request.row(), &actor.act(step.act(), at))
            .await
            .map_err(failed("take a step on a share request"))?;
        match (step, &request.answer) {
            (RequestStep::Countersign, Some(Answer::Consent(consent))) => {
                let entry = self.announced(&request.entry).await?;
                let id = tx.new_id(at);
                let grant = Grant::of_consent(id, &request, consent, &entry, at)?;
                tx.grant_insert(&grant.row(), &actor.act("grant.made", at)).await.map_err(failed("make a grant"))?;
            }
            (RequestStep::Supply, _) => self.open_supply(tx, &request, actor, at).await?,
            (RequestStep::Countersign, Some(Answer::Refusal(_)) | None)
            | (
                RequestStep::Submit
                | RequestStep::Sign
                | RequestStep::DeclineToSign
                | RequestStep::Notify
                | RequestStep::Forward
                | RequestStep::AskExtension
                | RequestStep::ConsentExtension
                | RequestStep::Answer
                | RequestStep::SendBack
                | RequestStep::Withdraw,
                _,
            ) => {}
        }
        self.put_on_docket(tx, &before, &request, step, actor, at)
            .await
            .map_err(|source| ExchangeError::Docket { request: request.id.clone(), source: Box::new(source) })?;
        Ok(changed(request, at))
    }

    async fn load(&self, tx: &mut Tx, id: &str, version: Option<i64>, actor: &Actor) -> Result<Request, ExchangeError> {
        let row = tx.request_find(id).await.map_err(failed("find a share request"))?;
        let request = row.map(Request::read).transpose()?.filter(|request| self.may_know(request, actor));
        let Some(request) = request else { return Err(ExchangeError::NotFound { request: id.to_owned() }) };
        match version {
            Some(expected) if expected != request.version => {
                let source = StoreError::Conflict { object: ObjectKind::Request.name(id), expected };
                Err(ExchangeError::Store { action: "take a step on a share request", source })
            }
            _ => Ok(request),
        }
    }

    pub(crate) async fn announced(&self, code: &str) -> Result<Entry, ExchangeError> {
        let found = self.catalogue.find_published(code).await;
        let entry =
            found.map_err(|source| ExchangeError::Catalogue { entry: code.to_owned(), source: Box::new(source) })?;
        entry.ok_or_else(|| ExchangeError::EntryNotFound { entry: code.to_owned() })
    }

    /// What the step makes of the request.
    async fn apply(&self, request: &mut Request, action: &Action, at: Timestamp) -> Result<(), ExchangeError> {
        let today = local_day(at);
        request.reason = None;
        request.state = match action {
            Action::Submit => {
                let entry = self.announced(&request.entry).await?;
                check_application(&request.application, &entry, at)?;
                RequestState::AwaitingSignature
            }
            Action::Sign => {
                if let Some(notice) = &mut request.notice {
                    notice.answered_on = Some(today);
                }
                RequestState::AwaitingCheck
            }
            Action::DeclineToSign { reason } => {
                request.reason = Some(demand("reason", reason)?);
                if request.notice.is_some() { RequestState::Incomplete } else { RequestState::Draft }
            }
            Action::Notify { missing } => {
                request.notice = Some(notice(request, missing, at)?);
                RequestState::Incomplete
            }
            Action::Forward => RequestState::AwaitingAnswer,
            Action::AskExtension { days, reason } => {
                request.extension = Some(self.extension(request, *days, reason)?);
                request.state
            }
            Action::ConsentExtension => {
                let Some(extension) = request.extension.as_mut().filter(|extension| !extension.consented) else {
                    return Err(ExchangeError::NoExtension { request: request.id.clone() });
                };
                extension.consented = true;
                request.state
            }
            Action::Answer(answer) => {
                let entry = self.announced(&request.entry).await?;
                check_answer(answer, request, &entry, at)?;
                request.answer = Some(answer.clone());
                RequestState::AwaitingCountersignature
            }
            Action::Countersign => match &request.answer {
                Some(Answer::Consent(_)) => RequestState::Consented,
                Some(Answer::Refusal(_)) => RequestState::Refused,
                None => {
                    let object = format!("request {}", request.id);
                    return Err(ExchangeError::Corrupt { object, element: "answer" });
                }
            },
            Action::SendBack { reason } => {
                request.reason = Some(demand("reason", reason)?);
                RequestState::AwaitingAnswer
            }
            Action::Supply => RequestState::Supplied,
            Action::Withdraw { reason } => {
                request.reason = Some(demand("reason", reason)?);
                RequestState::Withdrawn
            }
        };
        Ok(())
    }

    fn extension(&self, request: &Request, days: u32, reason: &str) -> Result<Extension, ExchangeError> {
        let limit = self.terms.days(&EXTENSION);
        if !request.conditional || request.extension.is_some() || days == 0 || days > limit {
            return Err(ExchangeError::Extension { request: request.id.clone(), found: days, limit });
        }
        Ok(Extension { days, reason: demand("reason", reason)?, consented: false })
    }

    async fn put_on_docket(
        &self,
        tx: &mut Tx,
        before: &Request,
        after: &Request,
        step: RequestStep,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), DocketError> {
        let subject = ObjectKind::Request.name(&after.id);
        let matter = Matter { procedure: PROCEDURE, subject: &subject };
        let docket = &self.docket;
        let act = step.act();
        let next = |department: &str, role, term| Step {
            state: after.state.as_str(),
            waits_for: WaitsFor { department: department.to_owned(), role },
            term,
        };
        let days = |limit| Term::WorkingDays(self.terms.days(limit));
        let authority = self.catalogue.authority();
        let (requester, provider) = (after.requester.as_str(), after.provider.as_str());
        // Once a notice was sent, the authority's clock stands still until the head has signed again.
        let completing = before.notice.is_some();
        let next = match step {
            RequestStep::Submit if completing => next(requester, Role::Head, Term::Continued),
            RequestStep::Submit => {
                let step = next(requester, Role::Head, Term::Untimed);
                let opening = Opening { procedure: PROCEDURE, subject: subject.clone(), title: title(after), step };
                return docket.open(tx, &opening, actor, at).await;
            }
            RequestStep::Sign if completing => {
                docket.resume(tx, matter, actor, at).await?;
                next(authority, Role::Reviewer, Term::Continued)
            }
            RequestStep::Sign => next(authority, Role::Reviewer, days(&CHECK)),
            RequestStep::DeclineToSign if completing => next(requester, Role::Officer, Term::Continued),
            RequestStep::Withdraw if before.state == RequestState::Draft => return Ok(()),
            RequestStep::DeclineToSign | RequestStep::Withdraw | RequestStep::Supply => {
                return docket.close(tx, matter, act, actor, at).await;
            }
            RequestStep::Notify => {
                docket.stop(tx, matter, actor, at).await?;
                next(requester, Role::Officer, Term::Continued)
            }
            RequestStep::Forward if after.conditional => next(provider, Role::Officer, days(&ANSWER_CONDITIONAL)),
            RequestStep::Forward => next(provider, Role::Officer, days(&ANSWER_UNCONDITIONAL)),
            RequestStep::AskExtension => return Ok(()),
            RequestStep::ConsentExtension => {
                let days = after.extension.as_ref().map_or(0, |extension| extension.days);
                return docket.extend(tx, matter, days, self.terms.days(&EXTENSION), actor, at).await;
            }
            RequestStep::Answer => next(provider, Role::Head, Term::Continued),
            RequestStep::SendBack => next(provider, Role::Officer, Term::Continued),
            RequestStep::Countersign if after.state == RequestState::Consented => {
                next(provider, Role::Officer, days(&SUPPLY))
            }
            RequestStep::Countersign => return docket.close(tx, matter, act, actor, at).await,
        };
        docket.advance(tx, matter, &next, act, actor, at).await
    }
}

/// What people read on the list. It names departments and an entry, never a person.
fn title(request: &Request) -> Text {
    Text::new(
        format!("共享申请：{} 申请 {} 的 {}", request.requester, request.provider, request.entry),
        format!("share request: {} asks {} for {}", request.requester, request.provider, request.entry),
    )
}

/// The request as it stands after its row was written once.
pub(crate) fn changed(request: Request, at: Timestamp) -> Request {
    Request { version: request.version + 1, changed_at: at, ..request }
}

/// A statement of 1 to [`STATEMENT_CHARACTERS_MAX`] characters, trimmed.
pub(crate) fn demand(what: &'static str, text: &str) -> Result<String, ExchangeError> {
    let text = text.trim();
    let found = text.chars().count();
    if (1..=STATEMENT_CHARACTERS_MAX).contains(&found) {
        return Ok(text.to_owned());
    }
    Err(ExchangeError::Statement { what, found, limit: STATEMENT_CHARACTERS_MAX })
}

fn check_application(application: &Application, entry: &Entry, at: Timestamp) -> Result<(), ExchangeError> {
    let faults = application.faults(entry, local_day(at));
    if faults.is_empty() { Ok(()) } else { Err(ExchangeError::Faults { faults }) }
}

fn notice(request: &Request, missing: &[String], at: Timestamp) -> Result<Notice, ExchangeError> {
    if let Some(sent) = &request.notice {
        return Err(ExchangeError::SecondNotice { request: request.id.clone(), sent_on: sent.sent_on });
    }
    if !(1..=MISSING_MAX).contains(&missing.len()) {
        return Err(ExchangeError::Missing { found: missing.len(), limit: MISSING_MAX });
    }
    let missing = missing.iter().map(|line| demand("missing item", line)).collect::<Result<Vec<_>, _>>()?;
    Ok(Notice { missing, sent_on: local_day(at), answered_on: None })
}

fn check_answer(answer: &Answer, request: &Request, entry: &Entry, at: Timestamp) -> Result<(), ExchangeError> {
    let consent = match answer {
        Answer::Refusal(Refusal { reasons, legal_basis }) => {
            demand("reason", reasons)?;
            demand("legal basis", legal_basis)?;
            return Ok(());
        }
        Answer::Consent(consent) => consent,
    };
    let applied = &request.application;
    let beyond = |what| Err(ExchangeError::BeyondApplication { request: request.id.clone(), what });
    // Narrowing keeps what was applied for; judged as an application it must still be sound.
    let narrowed = narrowed(applied, consent);
    check_application(&narrowed, entry, at)?;
    if consent.columns.iter().any(|column| !applied.columns.contains(column)) {
        return beyond("columns");
    }
    if consent.unmasked.iter().any(|column| !applied.unmasked.iter().any(|asked| asked.column == *column)) {
        return beyond("unmasked columns");
    }
    if consent.until > applied.until {
        return beyond("term");
    }
    if consent.calls_per_day > applied.calls_per_day {
        return beyond("calls per day");
    }
    Ok(())
}

fn narrowed(applied: &Application, consent: &Consent) -> Application {
    Application {
        columns: consent.columns.clone(),
        rows: applied.rows.iter().chain(&consent.rows).cloned().collect(),
        unmasked: applied
            .unmasked
            .iter()
            .filter(|unmasking| consent.unmasked.contains(&unmasking.column))
            .cloned()
            .collect(),
        until: consent.until,
        calls_per_day: consent.calls_per_day,
        ..applied.clone()
    }
}
