//! MessagePack objects: read from bytes that the scanner found whole, and written.
//!
//! By hand, for what the wire has of them is little and read for every request: a handful of scalars, and one map. Maps are
//! written by `rmp-serde`, and the lists of version 2 read by it.

use super::scanner::{big_endian, end_of};

/// An object in the shapes that the wire knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object<'a> {
    Text(&'a str),
    Bool(bool),
    Integer(i64),
    Nil,
    /// With its bytes, for [`Objects::inside`].
    Map(&'a [u8]),
    NotUtf8,
    /// Anything else, skipped.
    Other,
}

impl<'a> Object<'a> {
    /// Reads the one object that `bytes` are.
    ///
    /// Source: the MessagePack specification, section "Formats".
    fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(match *bytes.first()? {
            marker @ (0x00..=0x7f | 0xe0..=0xff) => Self::Integer(i64::from(marker.cast_signed())),
            0xa0..=0xbf => Self::text(&bytes[1..]),
            0xc4 | 0xd9 => Self::text(&bytes[2..]),
            0xc5 | 0xda => Self::text(&bytes[3..]),
            0xc6 | 0xdb => Self::text(&bytes[5..]),
            0xc0 => Self::Nil,
            0xc2 => Self::Bool(false),
            0xc3 => Self::Bool(true),
            0xcc..=0xcf => big_endian(bytes, bytes.len() - 1)?.try_into().map_or(Self::Other, Self::Integer),
            0xd0..=0xd3 => Self::Integer(signed(bytes)?),
            0x80..=0x8f | 0xde | 0xdf => Self::Map(bytes),
            _ => Self::Other,
        })
    }

    /// A `str`, or a `bin`: `MessagePack` clients from before 2013 send all text as raw bytes.
    fn text(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::NotUtf8, Self::Text)
    }
}

/// The number in two's complement behind the marker.
fn signed(bytes: &[u8]) -> Option<i64> {
    let width = bytes.len() - 1;
    let unused_bits = 64 - 8 * u32::try_from(width).ok()?;
    Some((big_endian(bytes, width)? << unused_bits).cast_signed() >> unused_bits)
}

/// Objects that stand back to back, one after the other. Ends where the bytes hold no whole object any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Objects<'a>(&'a [u8]);

impl<'a> Objects<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Those in the array or map that `bytes` are; of a map keys and values in turn.
    pub(super) fn inside(bytes: &'a [u8]) -> Self {
        let head = match bytes.first() {
            Some(0xdc | 0xde) => 3,
            Some(0xdd | 0xdf) => 5,
            _ => 1,
        };
        Self(bytes.get(head..).unwrap_or_default())
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Object<'a>;

    fn next(&mut self) -> Option<Object<'a>> {
        let (object, rest) = self.0.split_at(end_of(self.0)?);
        self.0 = rest;
        Object::read(object)
    }
}

/// An object to send.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plain<'a> {
    Text(&'a str),
    Bool(bool),
}

impl Plain<'_> {
    pub(super) fn max_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 5,
            Self::Bool(_) => 1,
        }
    }

    pub(super) fn write(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                write_text_head(text.len(), bytes);
                bytes.extend_from_slice(text.as_bytes());
            }
            Self::Bool(value) => bytes.push(if value { 0xc3 } else { 0xc2 }),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each arm takes what fits, and no text here has four gigabytes")]
fn write_text_head(length: usize, bytes: &mut Vec<u8>) {
    match length {
        0..32 => bytes.push(0xa0 | length as u8),
        32..0x100 => bytes.extend_from_slice(&[0xd9, length as u8]),
        0x100..0x1_0000 => {
            bytes.push(0xda);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0xdb);
            bytes.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;

    fn read(value: impl Serialize) -> String {
        let bytes = rmp_serde::to_vec(&value).unwrap();
        format!("{:?}", Objects::of(&bytes).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_of_every_width_are_read_and_what_fits_no_integer_is_something_else() {
        for number in [0, 1, -1, -32, -33, 127, 128, 255, 256, -128, -129, 65_535, 65_536, i64::MAX, i64::MIN] {
            assert_eq!(read(number), format!("[Integer({number})]"));
        }
        assert_eq!(read(u64::MAX), "[Other]");
        assert_eq!(read((1.5_f32, 2.5_f64)), "[Other]");
    }

    #[test]
    fn what_is_inside_stays_inside() {
        let bytes = [0x93, 0x92, 1, 0x91, 2, 0x81, 0xa1, b'k', 0x90, 0xc0];

        let objects: Vec<Object<'_>> = Objects::inside(&bytes).collect();

        assert_eq!(objects, [Object::Other, Object::Map(&bytes[5..9]), Object::Nil]);
        let inside: Vec<Object<'_>> = Objects::inside(&bytes[5..9]).collect();
        assert_eq!(inside, [Object::Text("k"), Object::Other]);
    }

    #[test]
    fn of_an_object_that_is_not_whole_nothing_is_read() {
        for bytes in [&[][..], &[0xa2, b'h'], &[0xd9], &[0x92, 1], &[0xc1]] {
            assert_eq!(Objects::of(bytes).next(), None, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn text_of_any_length_is_written_as_others_write_it(length in prop_oneof![0_usize..300, 65_500_usize..65_600]) {
            let text = "x".repeat(length);
            let mut bytes = Vec::new();

            Plain::Text(&text).write(&mut bytes);

            prop_assert_eq!(&bytes, &rmp_serde::to_vec(&text).unwrap());
            prop_assert_eq!(Objects::of(&bytes).next(), Some(Object::Text(&text)));
        }
    }
}
