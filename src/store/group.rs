//! The tables `groups` and `group_members`.

use rusqlite::{Connection, Row};
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

/// Ends a membership: the member is owed the ids up to `left_id`.
pub(super) async fn update_left(
    conn: &mut SqliteConnection,
    group_id: GroupId,
    user_id: UserId,
    left_id: MessageId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update group_members set left_id = ? where group_id = ? and user_id = ? and left_id is null",
        left_id.0,
        group_id.0,
        user_id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which group has this key.
pub(super) async fn find_id_by_key(conn: &mut SqliteConnection, key: &str) -> Result<Option<GroupId>, sqlx::Error> {
    let group_id =
        sqlx::query_scalar!("select group_id from groups where group_key = ?", key).fetch_optional(conn).await?;
    Ok(group_id.map(GroupId))
}

pub(super) async fn update_owner(
    conn: &mut SqliteConnection,
    group_id: GroupId,
    owner_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update groups set owner_id = ? where group_id = ?", owner_id.0, group_id.0).execute(conn).await?;
    Ok(())
}

/// Every group's id, name, key and owner.
pub(super) fn list_names(conn: &Connection) -> rusqlite::Result<Vec<(GroupId, String, String, UserId)>> {
    let mut select = conn.prepare("select group_id, group_name, group_key, owner_id from groups order by group_id")?;
    let names = |row: &Row<'_>| Ok((GroupId(row.get(0)?), row.get(1)?, row.get(2)?, UserId(row.get(3)?)));
    select.query_map([], names)?.collect()
}

/// Every current membership, the oldest first.
pub(super) fn list_memberships(conn: &Connection) -> rusqlite::Result<Vec<(UserId, GroupId)>> {
    let sql = "select user_id, group_id from group_members where left_id is null order by membership_id";
    let mut select = conn.prepare(sql)?;
    select.query_map([], |row| Ok((UserId(row.get(0)?), GroupId(row.get(1)?))))?.collect()
}

/// A group that somebody is a member of.
#[derive(Debug)]
pub(super) struct OwnGroupRow {
    /// Its name, as created.
    pub(super) group_name: String,
    /// Whether it is theirs.
    pub(super) is_owner: bool,
    /// Which.
    pub(super) group_id: i64,
    /// Messages up to this one are not theirs to read, or they have read them.
    pub(super) read_id: i64,
    /// Messages up to this one are not theirs to read.
    pub(super) joined_id: i64,
}

/// Groups of which `user_id` is a member, in the order of their keys, behind `after_key`.
pub(super) async fn list_own(
    conn: &mut SqliteConnection,
    user_id: UserId,
    after_key: &str,
    limit: i64,
) -> Result<Vec<OwnGroupRow>, sqlx::Error> {
    sqlx::query_as!(
        OwnGroupRow,
        r#"select group_name, owner_id = ?1 as "is_owner!: bool", group_id,
            max(joined_id, coalesce(read_marks.message_id, 0)) as "read_id!: i64", joined_id
        from group_members join groups using (group_id)
        left join read_marks on read_marks.user_id = ?1 and read_marks.conversation = -groups.group_id
        where group_members.user_id = ?1 and left_id is null and group_key > ?2
        order by group_key limit ?3"#,
        user_id.0,
        after_key,
        limit
    )
    .fetch_all(conn)
    .await
}

/// A member of a group.
#[derive(Debug)]
pub struct MemberRow {
    /// Who.
    pub user_id: i64,
    /// Their name, as registered.
    pub username: String,
    /// Whether the group is theirs.
    pub is_owner: bool,
}

/// Members in the order of their folded names, behind `after_key`; none unless `asker_id` is a member.
pub(super) async fn list_members(
    conn: &mut SqliteConnection,
    asker_id: UserId,
    group_key: &str,
    after_key: &str,
    limit: i64,
) -> Result<Vec<MemberRow>, sqlx::Error> {
    sqlx::query_as!(
        MemberRow,
        r#"select users.user_id, username, users.user_id = owner_id as "is_owner!: bool"
        from groups join group_members using (group_id) join users on users.user_id = group_members.user_id
        where group_key = ?2 and left_id is null and username_key > ?3
            and exists (
                select 1 from group_members as own
                where own.group_id = groups.group_id and own.user_id = ?1 and own.left_id is null
            )
        order by username_key limit ?4"#,
        asker_id.0,
        group_key,
        after_key,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The id of a group of which a user is or was a member.
pub(super) async fn find_own(
    conn: &mut SqliteConnection,
    user_id: UserId,
    group_key: &str,
) -> Result<Option<GroupId>, sqlx::Error> {
    let group_id = sqlx::query_scalar!(
        "select group_id from groups join group_members using (group_id) where group_key = ? and user_id = ? limit 1",
        group_key,
        user_id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(group_id.map(GroupId))
}

/// Whether a user is a member of a group now.
pub(super) async fn is_member(
    conn: &mut SqliteConnection,
    user_id: UserId,
    group_key: &str,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"select count(*) as "found!: i64" from groups join group_members using (group_id)
        where group_key = ? and user_id = ? and left_id is null"#,
        group_key,
        user_id.0
    )
    .fetch_one(conn)
    .await?;
    Ok(found > 0)
}

/// A group that there is.
#[derive(Debug)]
pub struct FoundGroupRow {
    /// Its name, as created.
    pub group_name: String,
    /// How many members it has.
    pub members: i64,
}

/// Groups whose key begins with `prefix`, in the order of their keys, behind `after_key`.
pub(super) async fn list_by_prefix(
    conn: &mut SqliteConnection,
    prefix: &str,
    after_key: &str,
    limit: i64,
) -> Result<Vec<FoundGroupRow>, sqlx::Error> {
    sqlx::query_as!(
        FoundGroupRow,
        r#"select group_name, (
                select count(*) from group_members where group_members.group_id = groups.group_id and left_id is null
            ) as "members!: i64"
        from groups where group_key >= ?1 and group_key < ?1 || char(0x10ffff) and group_key > ?2
        order by group_key limit ?3"#,
        prefix,
        after_key,
        limit
    )
    .fetch_all(conn)
    .await
}
