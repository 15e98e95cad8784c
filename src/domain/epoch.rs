//! Message ids as clients see them.

use std::fmt::Write;

use super::MessageId;

/// Which database this is: a restored backup gives the same ids to other messages, and is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

/// Bytes of the database's random epoch that ids carry: enough that no two databases of one person share them.
const BYTES: usize = 4;

/// Digits of the largest number that a message can have: every message has its id written, into room that is there.
const DIGITS: usize = 19;

impl Epoch {
    /// The one that begins with these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id of a message as clients are told it. Shape: eight hexadecimal digits, `-`, a number.
    pub fn id(&self, message_id: MessageId) -> String {
        let mut text = String::with_capacity(self.0.len() + "-".len() + DIGITS);
        text.push_str(&self.0);
        text.push('-');
        write!(text, "{}", message_id.0).expect("a String takes all text");
        text
    }

    /// Which message of this database has the id `text`, or would have; `None` for an id that it cannot have given.
    pub fn parse(&self, text: &str) -> Option<MessageId> {
        let number = text.strip_prefix(&self.0)?.strip_prefix('-')?;
        let message_id = MessageId(number.parse().ok().filter(|number| *number >= 0)?);
        (self.id(message_id) == text).then_some(message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_given_and_no_other_text_is_an_id() {
        let (epoch, other) = (Epoch::new(&[0xab, 0, 1, 2, 9, 9]), Epoch::new(&[0xab, 0, 1, 3]));

        assert_eq!(epoch.id(MessageId(0)), "ab000102-0");
        assert_eq!(epoch.id(MessageId(812)), "ab000102-812");
        assert_eq!(epoch.id(MessageId(i64::MAX)), "ab000102-9223372036854775807");
        assert_eq!(epoch.parse("ab000102-812"), Some(MessageId(812)));
        assert_eq!(other.parse("ab000102-812"), None);
        for text in ["", "812", "ab000102", "ab000102-", "ab000102--1", "ab000102-+1", "ab000102-01", "ab000102-1 "] {
            assert_eq!(epoch.parse(text), None, "{text:?}");
        }
        assert_eq!(epoch.parse("ab000102-99999999999999999999"), None);
    }
}
