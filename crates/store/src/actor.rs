//! Who does something: an account acting for a department in a role.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

/// What somebody may do for the department (共享工作机构; 政务数据共享条例, art. 11, 13 and 20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// 经办人: compiles entries, drafts requests, answers for the department once the head has signed.
    Officer,
    /// 共享工作机构负责人: signs.
    Head,
    /// 主管部门审核员: reviews for the competent authority.
    Reviewer,
}

impl Role {
    /// Every role, for tests and pages that walk them.
    pub const ALL: [Self; 3] = [Self::Officer, Self::Head, Self::Reviewer];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Head => "head",
            Self::Reviewer => "reviewer",
        }
    }

    /// What people read, Chinese and English.
    #[must_use]
    pub fn titles(self) -> (&'static str, &'static str) {
        match self {
            Self::Officer => ("经办人", "officer"),
            Self::Head => ("共享工作机构负责人", "head of the sharing body"),
            Self::Reviewer => ("主管部门审核员", "reviewer of the competent authority"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("found role `{text}`, expected officer, head or reviewer"))
    }
}

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Account identifier; `system` for what the program does by itself.
    pub account: String,
    /// Department for which the account acts.
    pub department: String,
    /// Roles the account holds there.
    pub roles: Vec<Role>,
}

impl Actor {
    /// The program itself: sweeps, expiries, jobs. Holds no role.
    #[must_use]
    pub fn system() -> Self {
        Self { account: "system".to_owned(), department: "system".to_owned(), roles: Vec::new() }
    }

    /// Whether the actor holds `role` in `department`.
    #[must_use]
    pub fn is(&self, role: Role, department: &str) -> bool {
        self.department == department && self.roles.contains(&role)
    }

    /// The act `kind`, done by this actor at `at`.
    #[must_use]
    pub fn act(&self, kind: &'static str, at: Timestamp) -> Act<'_> {
        Act { kind, actor: &self.account, org: &self.department, at }
    }
}

/// Something that is being done and goes to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// What happened, `noun.past_participle`, e.g. `entry.published`.
    pub kind: &'static str,
    /// Account that did it.
    pub actor: &'a str,
    /// Department for which it was done.
    pub org: &'a str,
    /// When.
    pub at: Timestamp,
}
