//! Accounts, their roles, and the three offices.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::{Actor, Role},
    error::{StoreError, failed, insert_failed},
    row::{Cells as _, corrupt, micros},
    store::{Store, page},
    tx::Tx,
};

/// One of the three offices that exclude one another (三员分立; GB/T 22239-2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Office {
    /// 系统管理员
    System,
    /// 安全管理员
    Security,
    /// 审计管理员
    Audit,
}

impl Office {
    /// Every office.
    pub const ALL: [Self; 3] = [Self::System, Self::Security, Self::Audit];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Security => "security",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Office {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Office {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|office| office.as_str() == text)
            .ok_or_else(|| format!("found office `{text}`, expected system, security or audit"))
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Identifier.
    pub id: String,
    /// Name to log in with; unique.
    pub login: String,
    /// Name people read.
    pub name: String,
    /// Department.
    pub department: String,
    /// Argon2id hash in PHC form.
    pub password_hash: String,
    /// Roles in the department.
    pub roles: Vec<Role>,
    /// Office, if it holds one.
    pub office: Option<Office>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
}

impl Account {
    /// The account as somebody who acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { account: self.id.clone(), department: self.department.clone(), roles: self.roles.clone() }
    }
}

/// Without the password hash, so that no log line can hold it.
impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("id", &self.id).field("login", &self.login).finish_non_exhaustive()
    }
}

impl Store {
    /// An account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_find(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(SELECT_BY_ID).bind(id).fetch_optional(&self.readers).await;
        self.account_complete(row.map_err(failed("find an account"))?).await
    }

    /// An account by the name it logs in with.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_find_by_login(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(SELECT_BY_LOGIN).bind(login).fetch_optional(&self.readers).await;
        self.account_complete(row.map_err(failed("find an account by its login"))?).await
    }

    /// Accounts by login; of every department when `department` is `None`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_list(
        &self,
        department: Option<&str>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(
            "SELECT a.*, o.office FROM account a LEFT JOIN account_office o ON o.account = a.id \
             WHERE ($1 = '' OR a.department = $1) ORDER BY a.login LIMIT $2 OFFSET $3",
        )
        .bind(department.unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list accounts"))?;
        let mut accounts = Vec::with_capacity(rows.len());
        for row in rows {
            accounts.extend(self.account_complete(Some(row)).await?);
        }
        Ok(accounts)
    }

    async fn account_complete(&self, row: Option<AnyRow>) -> Result<Option<Account>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let mut account = read(&row)?;
        let roles = sqlx::query("SELECT role FROM account_role WHERE account = $1 ORDER BY role")
            .bind(&account.id)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list an account's roles"))?;
        for role in roles {
            let text = role.text("role")?;
            account.roles.push(text.parse().map_err(|_| corrupt("role", &text, "officer, head or reviewer"))?);
        }
        Ok(Some(account))
    }
}

impl Tx {
    /// Inserts an account with its roles and office.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken; the database failed.
    pub async fn account_insert(&mut self, account: &Account, assigned_by: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO account (id, login, name, department, password_hash, created_at, disabled_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
        )
        .bind(&account.id)
        .bind(&account.login)
        .bind(&account.name)
        .bind(&account.department)
        .bind(&account.password_hash)
        .bind(micros(account.created_at))
        .bind(account.disabled_at.map(micros))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert an account", format!("account/{}", account.login)))?;
        for role in &account.roles {
            self.role_assign(&account.id, *role).await?;
        }
        if let Some(office) = account.office {
            self.office_assign(&account.id, office, assigned_by, account.created_at).await?;
        }
        Ok(())
    }

    /// Gives an account a role; giving it again changes nothing.
    ///
    /// # Errors
    /// The account does not exist; the database failed.
    pub async fn role_assign(&mut self, account: &str, role: Role) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO account_role (account, role) VALUES ($1, $2) ON CONFLICT (account, role) DO NOTHING")
            .bind(account)
            .bind(role.as_str())
            .execute(self.connection())
            .await
            .map_err(failed("give a role"))?;
        Ok(())
    }

    /// Gives an account one of the three offices; giving the same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Offices`] when it holds another; the table's key refuses it too.
    pub async fn office_assign(
        &mut self,
        account: &str,
        office: Office,
        assigned_by: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let held = sqlx::query("SELECT office FROM account_office WHERE account = $1")
            .bind(account)
            .fetch_optional(self.connection())
            .await
            .map_err(failed("find an account's office"))?;
        if let Some(row) = held {
            let held = row.text("office")?;
            if held == office.as_str() {
                return Ok(());
            }
            return Err(StoreError::Offices { account: account.to_owned(), held, wanted: office.to_string() });
        }
        sqlx::query("INSERT INTO account_office (account, office, assigned_at, assigned_by) VALUES ($1, $2, $3, $4)")
            .bind(account)
            .bind(office.as_str())
            .bind(micros(at))
            .bind(assigned_by)
            .execute(self.connection())
            .await
            .map_err(insert_failed("give an office", format!("office of account/{account}")))?;
        Ok(())
    }

    /// Replaces an account's password hash and ends its sessions.
    ///
    /// # Errors
    /// The account does not exist; the database failed.
    pub async fn account_set_password(&mut self, id: &str, password_hash: &str) -> Result<(), StoreError> {
        let result = sqlx::query("UPDATE account SET password_hash = $1, version = version + 1 WHERE id = $2")
            .bind(password_hash)
            .bind(id)
            .execute(self.connection())
            .await
            .map_err(failed("set a password"))?;
        if result.rows_affected() != 1 {
            return Err(StoreError::State { object: format!("account/{id}"), expected: "an existing account" });
        }
        self.session_delete_of(id).await
    }

    /// Disables an account and ends its sessions. Disabling again changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_disable(&mut self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE account SET disabled_at = $1, version = version + 1 WHERE id = $2 AND disabled_at IS NULL")
            .bind(micros(at))
            .bind(id)
            .execute(self.connection())
            .await
            .map_err(failed("disable an account"))?;
        self.session_delete_of(id).await
    }
}

const SELECT_BY_ID: &str =
    "SELECT a.*, o.office FROM account a LEFT JOIN account_office o ON o.account = a.id WHERE a.id = $1";
const SELECT_BY_LOGIN: &str =
    "SELECT a.*, o.office FROM account a LEFT JOIN account_office o ON o.account = a.id WHERE a.login = $1";

fn read(row: &AnyRow) -> Result<Account, StoreError> {
    let office = row
        .text_opt("office")?
        .map(|text| text.parse().map_err(|_| corrupt("office", &text, "system, security or audit")))
        .transpose()?;
    Ok(Account {
        id: row.text("id")?,
        login: row.text("login")?,
        name: row.text("name")?,
        department: row.text("department")?,
        password_hash: row.text("password_hash")?,
        roles: Vec::new(),
        office,
        created_at: row.instant("created_at")?,
        disabled_at: row.instant_opt("disabled_at")?,
    })
}
