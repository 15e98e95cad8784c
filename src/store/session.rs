//! The table `sessions`.

use rusqlite::{Connection, Row};
use sqlx::SqliteConnection;

use super::draft::Origin;
use crate::domain::{SessionId, TokenHash, UserId};

/// A session, and what use was made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) session_id: SessionId,
    pub(super) user_id: UserId,
    pub(super) last_used_at_ms: i64,
    /// As the table has it.
    pub(super) stored_use_at_ms: i64,
}

impl Session {
    /// Notes that the token was used; a clock that was set back changes nothing.
    pub(super) fn note_use(&mut self, now_ms: i64) {
        self.last_used_at_ms = self.last_used_at_ms.max(now_ms);
    }
}

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    session_id: SessionId,
    user_id: UserId,
    token_hash: &TokenHash,
    origin: &Origin,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let token_hash = token_hash.0.as_slice();
    sqlx::query!(
        "insert into sessions (session_id, user_id, token_hash, created_at_ms, last_used_at_ms, address, client)
        values (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
        session_id.0,
        user_id.0,
        token_hash,
        now_ms,
        origin.address,
        origin.client
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete(conn: &mut SqliteConnection, session_id: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from sessions where session_id = ?", session_id.0).execute(conn).await?;
    Ok(())
}

/// Deletes many at once.
pub(super) async fn delete_all(conn: &mut SqliteConnection, sessions: &[SessionId]) -> Result<(), sqlx::Error> {
    let sessions: Vec<i64> = sessions.iter().map(|session_id| session_id.0).collect();
    let sessions = serde_json::to_string(&sessions).expect("numbers always encode");
    sqlx::query!("delete from sessions where session_id in (select value from json_each(?))", sessions)
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores when each of `used` was last used. Units: milliseconds since 1970.
pub(super) async fn update_use(conn: &mut SqliteConnection, used: &[(SessionId, i64)]) -> Result<(), sqlx::Error> {
    let used: Vec<(i64, i64)> = used.iter().map(|(session_id, used_at_ms)| (session_id.0, *used_at_ms)).collect();
    let used = serde_json::to_string(&used).expect("pairs of numbers always encode");
    sqlx::query!(
        "update sessions set last_used_at_ms = used.value ->> 1 from json_each(?) as used
        where session_id = used.value ->> 0",
        used
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) fn list(conn: &Connection) -> rusqlite::Result<Vec<(TokenHash, Session)>> {
    let mut select = conn.prepare("select token_hash, session_id, user_id, last_used_at_ms from sessions")?;
    let session = |row: &Row<'_>| {
        let (session_id, user_id, last_used_at_ms) = (SessionId(row.get(1)?), UserId(row.get(2)?), row.get(3)?);
        let session = Session { session_id, user_id, last_used_at_ms, stored_use_at_ms: last_used_at_ms };
        Ok((TokenHash(row.get(0)?), session))
    };
    select.query_map([], session)?.collect()
}

/// One of somebody's sessions. Times in milliseconds since 1970.
#[derive(Debug)]
pub struct SessionRow {
    /// Its id.
    pub session_id: i64,
    /// When it began.
    pub created_at_ms: i64,
    /// When it was last used, to the hour.
    pub last_used_at_ms: i64,
    /// Where it began.
    pub address: Option<String>,
    /// The program that began it, as it calls itself.
    pub client: Option<String>,
    /// Whether it is the one that asks.
    pub is_own: bool,
}

/// A user's sessions, the oldest first; `own` is the token of the one that asks.
pub(super) async fn list_of(
    conn: &mut SqliteConnection,
    user_id: UserId,
    own: &TokenHash,
) -> Result<Vec<SessionRow>, sqlx::Error> {
    let own = own.0.as_slice();
    sqlx::query_as!(
        SessionRow,
        r#"select session_id, created_at_ms, last_used_at_ms, address, client, token_hash = ?2 as "is_own!: bool"
        from sessions where user_id = ?1 order by session_id"#,
        user_id.0,
        own
    )
    .fetch_all(conn)
    .await
}
