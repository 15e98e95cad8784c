//! What people ask for without changing anything: conversations and lists, read through the readers' pool.

use std::sync::Arc;

use rusqlite::Connection;

use super::contact::{self, ContactRow};
use super::group::{self, FoundGroupRow, MemberRow};
use super::history::{self, Amount, History, Stretch};
use super::message::Target;
use super::session::{self, SessionRow};
use super::unread::{self, OwnGroup};
use super::{Of, Store, StoreError, user};
use crate::domain::{GroupName, TokenHash, UserId};

/// A part of a list that is ordered by folded names.
#[derive(Debug, Clone)]
pub struct Part {
    /// Behind this name.
    pub after_key: String,
    /// At most so many.
    pub limit: i64,
}

impl<T: Send + 'static> Store<T> {
    /// A part of a conversation of `user_id`; `None` when they have none such: nobody has the name, or they never were a member.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_history(
        &self,
        user_id: UserId,
        of: &Of,
        stretch: Stretch,
        amount: Amount,
    ) -> Result<Option<History>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let target = match of {
            Of::User(Some(name)) => user::find_id_by_key(&mut conn, name.key().as_str()).await?.map(Target::User),
            Of::User(None) | Of::Group(None) => None,
            Of::Group(Some(name)) => group::find_own(&mut conn, user_id, name.key()).await?.map(Target::Group),
        };
        let Some(target) = target else { return Ok(None) };
        drop(conn);
        let index = Arc::clone(&self.index);
        let read = move |conn: &Connection| history::list(conn, &index, user_id, target, stretch, amount);
        Ok(Some(self.log_readers.read(read).await?))
    }

    /// Contacts of `user_id`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_contacts(&self, user_id: UserId, part: &Part) -> Result<Vec<ContactRow>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        Ok(contact::list(&mut conn, user_id, &part.after_key, part.limit).await?)
    }

    /// Groups of which `user_id` is a member. What is unread is counted up to `max_unread`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_groups(
        &self,
        user_id: UserId,
        part: &Part,
        max_unread: i64,
    ) -> Result<Vec<OwnGroup>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let groups = group::list_own(&mut conn, user_id, &part.after_key, part.limit).await?;
        drop(conn);
        let index = Arc::clone(&self.index);
        let unread = move |group, conn: &Connection| unread::find(conn, &index, user_id, group, max_unread);
        self.log_readers.read(move |conn| groups.into_iter().map(|group| unread(group, conn)).collect()).await
    }

    /// Members of a group; `None` when `asker_id` is none.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_members(
        &self,
        asker_id: UserId,
        group_name: &GroupName,
        part: &Part,
    ) -> Result<Option<Vec<MemberRow>>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let members = group::list_members(&mut conn, asker_id, group_name.key(), &part.after_key, part.limit).await?;
        if members.is_empty() && !group::is_member(&mut conn, asker_id, group_name.key()).await? {
            return Ok(None);
        }
        Ok(Some(members))
    }

    /// Groups whose folded name begins with `prefix`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn find_groups(&self, prefix: &str, part: &Part) -> Result<Vec<FoundGroupRow>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        Ok(group::list_by_prefix(&mut conn, prefix, &part.after_key, part.limit).await?)
    }

    /// Sessions of `user_id`, who asks with the token `own`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_sessions(&self, user_id: UserId, own: &TokenHash) -> Result<Vec<SessionRow>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        Ok(session::list_of(&mut conn, user_id, own).await?)
    }
}
