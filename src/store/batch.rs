//! Writing a batch: one transaction, with one statement for all messages in it.

use sqlx::{Connection, SqliteConnection};

use super::appender::Appender;
use super::connect::Writing;
use super::draft::Draft;
use super::index::Removed;
use super::message::Row;
use super::plan::{Leaving, Plan};
use super::{
    OpenError, SqliteError, StoreError, contact, group, mark, message, pair, pruned, read_mark, session, user,
};
use crate::domain::{MessageId, SessionId, TokenHash};

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A row broke a rule of the schema. The transaction is undone, the connection good.
    Constraint(SqliteError),
    /// Nothing was stored, and trying again later may work. The connection may be in no transaction without knowing it.
    Refused(SqliteError),
    /// Going on is not safe.
    Fatal(StoreError),
}

/// Tells what a failed statement or commit means by `SQLite`'s result code.
///
/// Source: sqlite.org/rescode.html. A full disk makes `SQLite` roll back by itself; after a failed read, write or fsync
/// only a restart tells what is stored.
impl From<SqliteError> for Failure {
    fn from(err: SqliteError) -> Self {
        use libsqlite3_sys::{
            SQLITE_BUSY, SQLITE_CONSTRAINT, SQLITE_FULL, SQLITE_LOCKED, SQLITE_MISMATCH, SQLITE_TOOBIG,
        };
        match err.code() {
            Some(SQLITE_CONSTRAINT | SQLITE_MISMATCH | SQLITE_TOOBIG) => Self::Constraint(err),
            Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_FULL) => Self::Refused(err),
            _ => Self::Fatal(StoreError::OutcomeUnknown(err)),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(err: sqlx::Error) -> Self {
        SqliteError::from(err).into()
    }
}

/// Tells what it means that the connection could not be opened again: nothing was tried on it, so only a damaged file or
/// lost durability is a reason to give up.
impl From<OpenError> for Failure {
    fn from(err: OpenError) -> Self {
        use libsqlite3_sys::{SQLITE_CORRUPT, SQLITE_NOTADB};
        match err {
            OpenError::Sqlite(err) if !matches!(err.code(), Some(SQLITE_CORRUPT | SQLITE_NOTADB)) => Self::Refused(err),
            err => Self::Fatal(StoreError::Reopen(err)),
        }
    }
}

/// Commits all of `plans`, one for each draft, or nothing, and says what the index in memory has to forget. `head` is the log's before them.
pub(super) async fn commit(
    Writing { conn, incoming }: &mut Writing,
    appender: &mut Appender,
    drafts: &[Draft],
    plans: &[Plan],
    head: MessageId,
    now_ms: i64,
) -> Result<Vec<Removed>, SqliteError> {
    let mut removed = Vec::new();
    let rows: Vec<Row<'_>> = plans.iter().zip(drafts).filter_map(|(plan, draft)| plan.row(draft)).collect();
    if plans.iter().any(Plan::needs_statement) {
        let mut tx = conn.begin_with("begin immediate").await?;
        for (plan, draft) in plans.iter().zip(drafts) {
            match (plan, draft) {
                (Plan::DeleteMessages, Draft::Prune { messages }) => {
                    removed.push(pruned::delete(&mut tx, incoming, messages).await?);
                }
                _ => write(&mut tx, draft, plan, now_ms).await?,
            }
        }
        if !rows.is_empty() {
            message::insert(&mut tx, incoming, message::rows(head.next(), &rows, now_ms)).await?;
        }
        tx.commit().await?;
    } else if !rows.is_empty() {
        // One statement is a transaction by itself.
        appender.append(head.next(), &rows, now_ms)?;
    }
    Ok(removed)
}

/// Runs the statements of one plan; messages have theirs in common.
async fn write(conn: &mut SqliteConnection, draft: &Draft, plan: &Plan, now_ms: i64) -> Result<(), sqlx::Error> {
    match (plan, draft) {
        (&Plan::InsertUser { user_id, mark }, Draft::Register { username, password_hash }) => {
            user::insert(conn, user_id, username, password_hash, now_ms).await?;
            mark::insert(conn, user_id, mark).await
        }
        (&Plan::InsertSession { session_id, .. }, Draft::LogIn { user_id, token_hash, new_password_hash, origin }) => {
            if let Some(password_hash) = new_password_hash {
                user::update_password_hash(conn, *user_id, password_hash).await?;
            }
            session::insert(conn, session_id, *user_id, token_hash, origin, now_ms).await
        }
        (&Plan::DeleteSession { session_id, .. }, _) => session::delete(conn, session_id).await,
        (Plan::DeleteSessions { user_id, ended }, draft) => {
            if let Draft::ChangePassword { password_hash, .. } = draft {
                user::update_password_hash(conn, *user_id, password_hash).await?;
            }
            delete_sessions(conn, ended).await
        }
        (Plan::DeleteUser { user_id, ended, left }, _) => {
            for leaving in left {
                leave(conn, *leaving).await?;
            }
            delete_sessions(conn, ended).await?;
            contact::delete_all(conn, *user_id).await?;
            read_mark::delete_all(conn, *user_id).await?;
            user::update_deleted(conn, *user_id, now_ms).await
        }
        (&Plan::DeleteContact { user_id, contact_id }, _) => contact::delete(conn, user_id, contact_id).await,
        (&Plan::EndMember(leaving), _) => leave(conn, leaving).await,
        (&Plan::UpdateReadMark { user_id, target, message_id }, _) => {
            read_mark::update(conn, user_id, target.conversation_with(user_id), message_id).await
        }
        (&Plan::InsertContact { user_id, contact_id }, _) => contact::insert(conn, user_id, contact_id, now_ms).await,
        (&Plan::InsertGroup { group_id, owner_id, joined_id }, Draft::CreateGroup { group_name, .. }) => {
            group::insert(conn, group_id, group_name, owner_id, now_ms).await?;
            group::insert_member(conn, group_id, owner_id, joined_id, now_ms).await
        }
        (&Plan::InsertMember { group_id, user_id, joined_id, takes_over }, _) => {
            if takes_over {
                group::update_owner(conn, group_id, user_id).await?;
            }
            group::insert_member(conn, group_id, user_id, joined_id, now_ms).await
        }
        (&Plan::InsertMessage { new_pair: Some((low_id, high_id)), .. }, _) => {
            pair::insert(conn, low_id, high_id).await
        }
        (Plan::UpdateMarks { marks }, _) => mark::update(conn, marks).await,
        (Plan::UpdateUse { used, ended }, _) => {
            session::update_use(conn, used).await?;
            session::delete_all(conn, ended).await
        }
        _ => Ok(()),
    }
}

async fn delete_sessions(conn: &mut SqliteConnection, ended: &[(TokenHash, SessionId)]) -> Result<(), sqlx::Error> {
    let sessions: Vec<SessionId> = ended.iter().map(|(_, session_id)| *session_id).collect();
    session::delete_all(conn, &sessions).await
}

async fn leave(conn: &mut SqliteConnection, leaving: Leaving) -> Result<(), sqlx::Error> {
    let Leaving { group_id, user_id, left_id, new_owner } = leaving;
    if let Some(new_owner) = new_owner {
        group::update_owner(conn, group_id, new_owner).await?;
    }
    group::update_left(conn, group_id, user_id, left_id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_are_not_sqlites_leave_the_outcome_unknown() {
        for err in [sqlx::Error::WorkerCrashed, sqlx::Error::Io(std::io::Error::other("gone"))] {
            assert!(matches!(Failure::from(err), Failure::Fatal(StoreError::OutcomeUnknown(_))));
        }
    }

    #[test]
    fn a_connection_that_cannot_be_opened_now_may_be_opened_later() {
        let no_descriptor = OpenError::from(sqlx::Error::Io(std::io::Error::other("too many open files")));
        assert!(matches!(Failure::from(no_descriptor), Failure::Refused(_)));
        let not_durable = OpenError::Setting { setting: "synchronous = full" };
        assert!(matches!(Failure::from(not_durable), Failure::Fatal(StoreError::Reopen(_))));
    }
}
