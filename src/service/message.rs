//! Saying something, to one or to many.

use super::error::ServiceError;
use crate::config::Limits;
use crate::domain::{Content, GroupName, Nonce, Username};
use crate::store::{Author, Draft};

/// Says something to one user.
pub(super) fn whisper(
    author: Author,
    recipient: &str,
    content: &str,
    nonce: Option<&str>,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    let nonce = nonce.map(Nonce::parse).transpose()?;
    Ok(Draft::Whisper { author, recipient: Username::parse(recipient).ok(), content, nonce })
}

/// Says something to the members of a group.
pub(super) fn message_group(
    author: Author,
    group_name: &str,
    content: &str,
    nonce: Option<&str>,
    limits: &Limits,
) -> Result<Draft, ServiceError> {
    let content = Content::parse(content, limits.content_bytes)?;
    let nonce = nonce.map(Nonce::parse).transpose()?;
    Ok(Draft::MessageGroup { author, group_name: GroupName::parse(group_name).ok(), content, nonce })
}
