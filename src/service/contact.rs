//! Contacts.

use crate::store::{Author, Draft};

/// Adds a user to one's contacts.
pub(super) fn add(author: Author, contact: String) -> Draft {
    Draft::AddContact { author, contact }
}

/// Removes a user from one's contacts.
pub(super) fn remove(author: Author, contact: String) -> Draft {
    Draft::RemoveContact { author, contact }
}
