//! Saying something, to one or to many.

use super::error::ServiceError;
use crate::config::Limits;
use crate::domain::{Content, GroupName, Nonce};
use crate::store::{Author, Draft};

/// Says something to one user.
pub(super) fn whisper(
    author: Author,
    recipient: String,
    content: String,
    nonce: Option<&str>,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    let nonce = nonce.map(Nonce::parse).transpose()?;
    Ok(Draft::Whisper { author, recipient, content, nonce })
}

/// Says something to the members of a group.
pub(super) fn message_group(
    author: Author,
    group_name: &str,
    content: String,
    nonce: Option<&str>,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    let nonce = nonce.map(Nonce::parse).transpose()?;
    Ok(Draft::MessageGroup { author, group_name: GroupName::parse(group_name).ok(), content, nonce })
}
