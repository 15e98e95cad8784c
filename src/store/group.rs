//! The tables `groups` and `group_members`.

use sqlx::SqliteConnection;

use crate::domain::{GroupId, GroupName, MessageId, UserId};

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    group_id: GroupId,
    group_name: &GroupName,
    owner_id: UserId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let (name, key) = (group_name.as_str(), group_name.key());
    sqlx::query!(
        "insert into groups (group_id, group_name, group_key, owner_id, created_at_ms) values (?, ?, ?, ?, ?)",
        group_id.0,
        name,
        key,
        owner_id.0,
        now_ms
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Begins a membership: the member is owed the ids above `joined_id`.
pub(super) async fn insert_member(
    conn: &mut SqliteConnection,
    group_id: GroupId,
    user_id: UserId,
    joined_id: MessageId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into group_members (group_id, user_id, joined_id, joined_at_ms) values (?, ?, ?, ?)",
        group_id.0,
        user_id.0,
        joined_id.0,
        now_ms
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Every group's id, name and key.
pub(super) async fn list_names(conn: &mut SqliteConnection) -> Result<Vec<(GroupId, String, String)>, sqlx::Error> {
    let rows =
        sqlx::query!("select group_id, group_name, group_key from groups order by group_id").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (GroupId(row.group_id), row.group_name, row.group_key)).collect())
}

/// Every current membership, in ascending order for each user.
pub(super) async fn list_memberships(conn: &mut SqliteConnection) -> Result<Vec<(UserId, GroupId)>, sqlx::Error> {
    let rows =
        sqlx::query!("select user_id, group_id from group_members where left_id is null order by user_id, group_id")
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.user_id), GroupId(row.group_id))).collect())
}
