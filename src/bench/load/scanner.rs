//! Reads the few shapes that a server under load sends most, without copying anything. Whatever else comes is left to the
//! protocol's own decoder.

/// What a server has sent, as far as the load needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned<'a> {
    /// A request was done.
    Done,
    /// A message, by its content.
    Said(&'a [u8]),
}

/// The response or update at the start of `bytes`, in array framing, and its length; `None` where it is not whole or of
/// another shape.
pub(crate) fn scan(bytes: &[u8]) -> Option<(Scanned<'_>, usize)> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut objects = match cursor.byte()? {
        head @ 0x90..=0x9f => head & 0x0f,
        _ => return None,
    };
    let (scanned, used) = match cursor.text()? {
        b"response" if cursor.byte()? == 0xc3 => (Scanned::Done, 2),
        b"update" => match cursor.text()? {
            b"whisper" => {
                cursor.text()?;
                (Scanned::Said(cursor.text()?), 4)
            }
            b"msg_group" => {
                cursor.text()?;
                cursor.text()?;
                (Scanned::Said(cursor.text()?), 5)
            }
            _ => return None,
        },
        _ => return None,
    };
    objects = objects.checked_sub(used)?;
    match objects {
        0 => {}
        1 => cursor.skip_map()?,
        _ => return None,
    }
    Some((scanned, cursor.at))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    fn length(&mut self, width: usize) -> Option<usize> {
        Some(self.take(width)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    }

    /// Shape: a `str` in any of its formats.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            head @ 0xa0..=0xbf => usize::from(head & 0x1f),
            0xd9 => self.length(1)?,
            0xda => self.length(2)?,
            0xdb => self.length(4)?,
            _ => return None,
        };
        self.take(length)
    }

    /// Passes over a small map of strings and numbers.
    fn skip_map(&mut self) -> Option<()> {
        let pairs = match self.byte()? {
            head @ 0x80..=0x8f => head & 0x0f,
            _ => return None,
        };
        for _ in 0..pairs {
            self.text()?;
            self.skip_value()?;
        }
        Some(())
    }

    fn skip_value(&mut self) -> Option<()> {
        let width = match *self.bytes.get(self.at)? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xce | 0xd2 => 5,
            0xcf | 0xd3 => 9,
            _ => return self.text().map(drop),
        };
        self.take(width).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Framing, FromServer, Refused, ReplyDecoder, Response, Stamp, Update};
    use proptest::prelude::*;

    fn stamp() -> impl Strategy<Value = Option<Stamp>> {
        let nonce = proptest::option::of("[a-z]{1,40}");
        let to = proptest::option::of("[a-z]{1,32}");
        proptest::option::of(("[a-z0-9.]{1,20}", any::<i64>(), to, nonce).prop_map(|(id, at_ms, to, nonce)| Stamp {
            id,
            at_ms,
            to,
            nonce,
        }))
    }

    fn sent() -> impl Strategy<Value = FromServer> {
        let content = prop_oneof![".{0,100}", "x{250,300}", "y{65530,65540}"];
        let whisper = ("[a-z]{1,40}", content, stamp())
            .prop_map(|(sender, content, stamp)| FromServer::Update(Update::Whisper { sender, content, stamp }));
        let group = (".{1,64}", "[a-z]{1,32}", ".{0,40}", stamp()).prop_map(|(group_name, sender, content, stamp)| {
            FromServer::Update(Update::GroupMessage { group_name, sender, content, stamp })
        });
        let accepted = ("[a-z0-9]{1,20}", any::<i64>())
            .prop_map(|(id, at_ms)| FromServer::Response(Response::Accepted { id, at_ms }));
        let refused = ".{0,40}".prop_map(|why| FromServer::Response(Response::Refused(Refused::because(why))));
        let other = Just(FromServer::Update(Update::Synced { id: "7".to_owned() }));
        prop_oneof![whisper, group, accepted, refused, other, Just(FromServer::Response(Response::Done))]
    }

    proptest! {
        #[test]
        fn what_is_scanned_is_what_the_decoder_decodes(sent in sent(), cut in any::<prop::sample::Index>()) {
            let bytes = match &sent {
                FromServer::Response(response) => response.encode(Framing::Array),
                FromServer::Update(update) => update.encode(Framing::Array),
            };
            let followed = [&bytes[..], &[0x92]].concat();
            let decoded = ReplyDecoder::new(Framing::Array, 1 << 20).decode(&followed, None);
            prop_assert_eq!(decoded, Ok(Some((sent.clone(), bytes.len()))));

            let expected = match &sent {
                FromServer::Response(Response::Done | Response::Accepted { .. }) => Some(Scanned::Done),
                FromServer::Update(update) => update.content().map(|content| Scanned::Said(content.as_bytes())),
                FromServer::Response(_) => None,
            };
            prop_assert_eq!(scan(&followed), expected.map(|scanned| (scanned, bytes.len())));
            prop_assert_eq!(scan(&bytes[..cut.index(bytes.len())]), None);
        }
    }
}
