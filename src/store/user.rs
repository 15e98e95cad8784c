//! The table `users`.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use crate::domain::{UserId, Username};

/// What it takes to check a password.
#[derive(Clone)]
pub struct Credentials {
    /// Whose.
    pub user_id: UserId,
    /// As registered.
    pub username: String,
    /// A PHC string.
    pub password_hash: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    user_id: UserId,
    username: &Username,
    password_hash: &str,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let key = username.key();
    let (username, username_key) = (username.as_str(), key.as_str());
    sqlx::query!(
        "insert into users (user_id, username, username_key, password_hash, registered_at_ms) values (?, ?, ?, ?, ?)",
        user_id.0,
        username,
        username_key,
        password_hash,
        now_ms
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn update_password_hash(
    conn: &mut SqliteConnection,
    user_id: UserId,
    password_hash: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update users set password_hash = ? where user_id = ?", password_hash, user_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn find_credentials_by_key(
    conn: &mut SqliteConnection,
    username_key: &str,
) -> Result<Option<Credentials>, sqlx::Error> {
    let row = sqlx::query!(
        "select user_id, username, password_hash from users where username_key = ? and deleted_at_ms is null",
        username_key
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Credentials {
        user_id: UserId(row.user_id),
        username: row.username,
        password_hash: row.password_hash,
    }))
}

/// Ends an account: nobody can log in to it, and its name stays taken.
pub(super) async fn update_deleted(
    conn: &mut SqliteConnection,
    user_id: UserId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    // The constraint wants a hash, and this is none of any password.
    sqlx::query!(
        "update users set deleted_at_ms = ?, password_hash = '$argon2id$' where user_id = ?",
        now_ms,
        user_id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Every user's id and name, and whether the account has ended.
pub(super) fn list_names(conn: &Connection) -> rusqlite::Result<Vec<(UserId, String, bool)>> {
    let mut select = conn.prepare("select user_id, username, deleted_at_ms is not null from users order by user_id")?;
    select.query_map([], |row| Ok((UserId(row.get(0)?), row.get(1)?, row.get(2)?)))?.collect()
}

/// The user who has, or had, a name.
pub(super) async fn find_id_by_key(
    conn: &mut SqliteConnection,
    username_key: &str,
) -> Result<Option<UserId>, sqlx::Error> {
    let user_id = sqlx::query_scalar!("select user_id from users where username_key = ?", username_key)
        .fetch_optional(conn)
        .await?;
    Ok(user_id.map(UserId))
}
