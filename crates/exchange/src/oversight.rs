//! After the grant: suspension, termination, expiry (art. 27), and the tokens that carry it.

use std::fmt;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use yihe_definitions::{Language, Text};
use yihe_store::{Actor, ApiToken, ObjectKind, Role, StoreError};
use yihe_vocabulary::clock::local_day;

use crate::{
    error::ExchangeError,
    grant::{Grant, GrantState},
    procedure::{Exchange, failed},
    steps::demand,
};

/// Pages of [`PAGE`] grants that one sweep ends; the next one goes on.
const PAGES_MAX: usize = 50;

const PAGE: i64 = 200;

/// Something that happens to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantStep {
    /// 暂停
    Suspend,
    /// 恢复
    Resume,
    /// 终止
    Terminate,
}

impl GrantStep {
    /// Every step.
    pub const ALL: [Self; 3] = [Self::Suspend, Self::Resume, Self::Terminate];

    /// The states from which it may be taken.
    #[must_use]
    pub fn from(self) -> &'static [GrantState] {
        match self {
            Self::Suspend => &[GrantState::Active],
            Self::Resume => &[GrantState::Suspended],
            Self::Terminate => &[GrantState::Pending, GrantState::Active, GrantState::Suspended],
        }
    }

    /// The state to which it leads.
    #[must_use]
    pub fn to(self) -> GrantState {
        match self {
            Self::Suspend => GrantState::Suspended,
            Self::Resume => GrantState::Active,
            Self::Terminate => GrantState::Terminated,
        }
    }

    /// What people read on the button.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Suspend => Text::new("暂停共享", "suspend"),
            Self::Resume => Text::new("恢复共享", "resume"),
            Self::Terminate => Text::new("终止共享", "terminate"),
        }
    }

    fn act(self) -> &'static str {
        match self {
            Self::Suspend => "grant.suspended",
            Self::Resume => "grant.resumed",
            Self::Terminate => "grant.terminated",
        }
    }
}

impl fmt::Display for GrantStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title().get(Language::En))
    }
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExchangeSweep {
    /// Grants whose last day has passed.
    pub expired: Vec<String>,
    /// Grants that somebody changed while the sweep looked at them; the next sweep sees them again.
    pub skipped: usize,
}

impl Exchange {
    /// Suspends, resumes or terminates a grant, with a reason. The competent authority and the head of
    /// the provider's sharing body may (art. 27); the grantee may not.
    ///
    /// # Errors
    /// The actor may not know of the grant or may not do this; the step does not follow; the reason is
    /// missing; somebody else was quicker; the store failed.
    pub async fn grant_step(
        &self,
        id: &str,
        step: GrantStep,
        reason: &str,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Grant, ExchangeError> {
        let mut tx = self.store.begin().await.map_err(failed("take a step on a grant"))?;
        let found = tx.grant_find(id).await.map_err(failed("find a grant"))?;
        let grant = found.map(Grant::read).transpose()?.filter(|grant| self.may_know_grant(grant, actor));
        let Some(mut grant) = grant else { return Err(ExchangeError::GrantNotFound { grant: id.to_owned() }) };
        let authority = actor.is(Role::Reviewer, self.catalogue.authority());
        if !authority && !actor.is(Role::Head, &grant.provider) {
            return Err(ExchangeError::NotAllowed { step: step.title(), role: Role::Head, department: grant.provider });
        }
        if !step.from().contains(&grant.state) {
            return Err(ExchangeError::GrantState { grant: grant.id, step, state: grant.state });
        }
        if let Some(expected) = version.filter(|version| *version != grant.version) {
            let source = StoreError::Conflict { object: ObjectKind::Grant.name(id), expected };
            return Err(ExchangeError::Store { action: "take a step on a grant", source });
        }
        grant.reason = Some(demand("reason", reason)?);
        grant.state = step.to();
        tx.grant_update(&grant.row(), &actor.act(step.act(), at)).await.map_err(failed("take a step on a grant"))?;
        tx.commit().await.map_err(failed("take a step on a grant"))?;
        grant.version += 1;
        grant.changed_at = at;
        Ok(grant)
    }

    /// Ends the grants whose last day has passed. A call is refused from the next day on even before
    /// the sweep has run.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sweep(&self, now: Timestamp) -> Result<ExchangeSweep, ExchangeError> {
        let mut sweep = ExchangeSweep::default();
        let actor = Actor::system();
        for _ in 0..PAGES_MAX {
            let mut tx = self.store.begin().await.map_err(failed("expire grants"))?;
            let ended = tx.grant_list_ended(local_day(now), PAGE).await.map_err(failed("expire grants"))?;
            if ended.is_empty() {
                break;
            }
            for mut row in ended {
                GrantState::Expired.as_str().clone_into(&mut row.state);
                tx.grant_update(&row, &actor.act("grant.expired", now)).await.map_err(failed("expire grants"))?;
                sweep.expired.push(row.id);
            }
            tx.commit().await.map_err(failed("expire grants"))?;
        }
        Ok(sweep)
    }

    /// Makes a token for one grant. The token is answered once and kept only as a digest; it ends with
    /// the grant's last day.
    ///
    /// # Errors
    /// The actor is no officer of the grantee; the grant is not active; the name is missing; the store failed.
    pub async fn token_issue(
        &self,
        grant: &str,
        name: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(String, ApiToken), ExchangeError> {
        let Some(grant) = self.grant_find(grant, actor).await? else {
            return Err(ExchangeError::GrantNotFound { grant: grant.to_owned() });
        };
        if !actor.is(Role::Officer, &grant.grantee) {
            return Err(ExchangeError::NotAllowed {
                step: Text::new("签发访问令牌", "issue an access token"),
                role: Role::Officer,
                department: grant.grantee,
            });
        }
        if grant.state != GrantState::Active || local_day(at) > grant.valid_until {
            return Err(ExchangeError::GrantNotActive { grant: grant.id, state: grant.state });
        }
        let secret = hex::encode(self.store.new_secret());
        let token = format!("yihe_{secret}");
        let ends = grant.valid_until.saturating_add(1.day()).to_zoned(TimeZone::fixed(jiff::tz::offset(8)));
        let row = ApiToken {
            id: self.store.new_id(at),
            department: grant.grantee.clone(),
            grant_id: Some(grant.id.clone()),
            name: demand("name", name)?,
            created_by: actor.account.clone(),
            created_at: at,
            expires_at: ends.map_or(at, |ends| ends.timestamp()),
            revoked_at: None,
        };
        let mut tx = self.store.begin().await.map_err(failed("issue an access token"))?;
        tx.token_insert(&token, &row).await.map_err(failed("issue an access token"))?;
        tx.commit().await.map_err(failed("issue an access token"))?;
        Ok((token, row))
    }

    /// Revokes a token of the officer's own department; `false` when it has none such.
    ///
    /// # Errors
    /// The actor is no officer; the store failed.
    pub async fn token_revoke(&self, id: &str, actor: &Actor, at: Timestamp) -> Result<bool, ExchangeError> {
        if !actor.roles.contains(&Role::Officer) {
            return Err(ExchangeError::NotAllowed {
                step: Text::new("撤销访问令牌", "revoke an access token"),
                role: Role::Officer,
                department: actor.department.clone(),
            });
        }
        let mut tx = self.store.begin().await.map_err(failed("revoke an access token"))?;
        let revoked = tx.token_revoke(id, &actor.department, at).await.map_err(failed("revoke an access token"))?;
        tx.commit().await.map_err(failed("revoke an access token"))?;
        Ok(revoked)
    }
}
