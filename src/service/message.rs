//! Saying something, to one or to many.

use super::error::ServiceError;
use crate::config::Limits;
use crate::domain::{Content, GroupName};
use crate::store::{Author, Draft};

/// Says something to one user.
pub(super) fn whisper(
    author: Author,
    recipient: String,
    content: String,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    Ok(Draft::Whisper { author, recipient, content })
}

/// Says something to the members of a group.
pub(super) fn message_group(
    author: Author,
    group_name: &str,
    content: String,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    Ok(Draft::MessageGroup { author, group_name: GroupName::parse(group_name).ok(), content })
}
