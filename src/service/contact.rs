//! Contacts.

use crate::domain::Username;
use crate::store::{Author, Draft};

/// Adds a user to one's contacts.
pub(super) fn add(author: Author, contact: &str) -> Draft {
    Draft::AddContact { author, contact: Username::parse(contact).ok() }
}

/// Removes a user from one's contacts.
pub(super) fn remove(author: Author, contact: &str) -> Draft {
    Draft::RemoveContact { author, contact: Username::parse(contact).ok() }
}
