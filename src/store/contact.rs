//! The table `contacts`.

use sqlx::SqliteConnection;

use crate::domain::UserId;

/// Adds a contact; one who is there stays as they are.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    user_id: UserId,
    contact_id: UserId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into contacts (user_id, contact_id, added_at_ms) values (?, ?, ?)
        on conflict (user_id, contact_id) do nothing",
        user_id.0,
        contact_id.0,
        now_ms
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes a contact; one who is not there stays away.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    user_id: UserId,
    contact_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from contacts where user_id = ? and contact_id = ?", user_id.0, contact_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes a user from all lists, their own included.
pub(super) async fn delete_all(conn: &mut SqliteConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from contacts where user_id = ?1 or contact_id = ?1", user_id.0).execute(conn).await?;
    Ok(())
}

/// A user among somebody's contacts.
#[derive(Debug)]
pub struct ContactRow {
    /// Who.
    pub contact_id: UserId,
    /// Their name, as registered.
    pub username: String,
    /// When one of their sessions was last used, if they have any. Units: milliseconds since 1970.
    pub last_used_at_ms: Option<i64>,
}

/// Contacts in the order of their folded names, behind the name `after_key`.
pub(super) async fn list(
    conn: &mut SqliteConnection,
    user_id: UserId,
    after_key: &str,
    limit: i64,
) -> Result<Vec<ContactRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select contact_id, username,
            (select max(last_used_at_ms) from sessions where sessions.user_id = contact_id) as "last_used_at_ms: i64"
        from contacts join users on users.user_id = contact_id
        where contacts.user_id = ? and username_key > ?
        order by username_key limit ?"#,
        user_id.0,
        after_key,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ContactRow {
            contact_id: UserId(row.contact_id),
            username: row.username,
            last_used_at_ms: row.last_used_at_ms,
        })
        .collect())
}
