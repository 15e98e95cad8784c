//! Writing a batch: one transaction, with one statement for all messages in it.

use sqlx::{Connection, SqliteConnection};

use super::draft::Draft;
use super::message::Row;
use super::open::error_code;
use super::plan::Plan;
use super::{contact, group, mark, message, session, user};
use crate::domain::MessageId;

/// What an error says of the batch and of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// A row broke a rule of the schema. The transaction is undone, the connection good.
    Constraint,
    /// Nothing was stored, and trying again later may work. The connection may be in no transaction without knowing it.
    Refused,
    /// What is stored is unknown.
    Fatal,
}

/// Classifies an error by `SQLite`'s result code.
///
/// Source: sqlite.org/rescode.html. A full disk makes `SQLite` roll back by itself; after a failed read, write or fsync
/// only a restart tells what is stored.
pub(super) fn classify(err: &sqlx::Error) -> Failure {
    use libsqlite3_sys::{
        SQLITE_BUSY, SQLITE_CONSTRAINT, SQLITE_FULL, SQLITE_LOCKED, SQLITE_MISMATCH, SQLITE_NOMEM, SQLITE_TOOBIG,
    };
    match error_code(err) {
        Some(SQLITE_CONSTRAINT | SQLITE_MISMATCH | SQLITE_TOOBIG) => Failure::Constraint,
        Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_FULL | SQLITE_NOMEM) => Failure::Refused,
        _ => Failure::Fatal,
    }
}

/// Commits all of `plans`, or nothing. `head` is the log's before them.
pub(super) async fn commit(
    conn: &mut SqliteConnection,
    planned: &[(Draft, Plan)],
    head: MessageId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let rows: Vec<Row<'_>> = planned.iter().filter_map(|(draft, plan)| plan.row(draft)).collect();
    if planned.iter().any(|(_, plan)| plan.needs_statement()) {
        let mut tx = conn.begin_with("begin immediate").await?;
        for (draft, plan) in planned {
            write(&mut tx, draft, plan, now_ms).await?;
        }
        if !rows.is_empty() {
            message::insert(&mut tx, head.next(), &rows, now_ms).await?;
        }
        return tx.commit().await;
    }
    if rows.is_empty() {
        return Ok(());
    }
    // One statement is a transaction by itself, at a third of the trips to SQLite's thread.
    message::insert(conn, head.next(), &rows, now_ms).await
}

/// Runs the statements of one plan; messages have theirs in common.
async fn write(conn: &mut SqliteConnection, draft: &Draft, plan: &Plan, now_ms: i64) -> Result<(), sqlx::Error> {
    match (plan, draft) {
        (&Plan::InsertUser { user_id, mark }, Draft::Register { username, password_hash }) => {
            user::insert(conn, user_id, username, password_hash, now_ms).await?;
            mark::insert(conn, user_id, mark).await
        }
        (&Plan::InsertSession { session_id }, Draft::LogIn { user_id, token_hash, new_password_hash }) => {
            if let Some(password_hash) = new_password_hash {
                user::update_password_hash(conn, *user_id, password_hash).await?;
            }
            session::insert(conn, session_id, *user_id, token_hash, now_ms).await
        }
        (&Plan::DeleteSession { session_id }, _) => session::delete(conn, session_id).await,
        (&Plan::InsertContact { user_id, contact_id }, _) => contact::insert(conn, user_id, contact_id, now_ms).await,
        (&Plan::InsertGroup { group_id, owner_id, joined_id }, Draft::CreateGroup { group_name, .. }) => {
            group::insert(conn, group_id, group_name, owner_id, now_ms).await?;
            group::insert_member(conn, group_id, owner_id, joined_id, now_ms).await
        }
        (&Plan::InsertMember { group_id, user_id, joined_id }, _) => {
            group::insert_member(conn, group_id, user_id, joined_id, now_ms).await
        }
        (Plan::UpdateMarks { marks }, _) => mark::update(conn, marks).await,
        (Plan::UpdateUse { used, ended }, _) => {
            session::update_use(conn, used).await?;
            session::delete_all(conn, ended).await
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_are_not_sqlites_leave_the_outcome_unknown() {
        assert_eq!(classify(&sqlx::Error::WorkerCrashed), Failure::Fatal);
        assert_eq!(classify(&sqlx::Error::Io(std::io::Error::other("gone"))), Failure::Fatal);
    }
}
