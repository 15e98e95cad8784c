//! Where a MessagePack object ends, found without decoding it.
//!
//! A stream of objects has no lengths of its own, and what is not there yet must be told from what is wrong.

use super::CodecError;

/// Arrays and maps that may be open at once. A request needs one; the rest is room for what may be skipped.
const MAX_DEPTH: usize = 8;

/// Whether so many bytes may be claimed by a header behind these bytes.
pub(super) trait Fits: Fn(u64, &[u8]) -> Result<(), CodecError> {}

impl<F: Fn(u64, &[u8]) -> Result<(), CodecError>> Fits for F {}

/// Whether `claimed` is within a limit.
pub(super) fn at_most(max_bytes: usize, claimed: u64) -> Result<(), CodecError> {
    if claimed > max_bytes as u64 { Err(CodecError::TooLarge { max_bytes }) } else { Ok(()) }
}

/// Finds the end of one object in bytes that arrive piece by piece. Each header is read once, so the work is linear.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Where the next header is, or, when all are read, where the object ends. May lie beyond what has arrived.
    position: usize,
    /// How many objects each open container still lacks.
    lacking: [u32; MAX_DEPTH],
    depth: usize,
    complete: bool,
}

/// What a header says of its object.
struct Header {
    /// Of the header and, for a scalar, its payload. Units: bytes.
    length: usize,
    /// Objects inside; 0 for a scalar and for an empty container.
    children: u64,
    is_container: bool,
}

impl Scanner {
    /// A scanner for the object that begins at `start`.
    pub(super) fn at(start: usize) -> Self {
        Self { position: start, ..Self::default() }
    }

    /// The end of the object, or `None` when more bytes are needed. `bytes` is what was passed before, with more behind it.
    /// `fits` tells of each header whether the bytes that it claims up to its end may be that many, from the bytes before it
    /// alone: what a header is refused for may not depend on how much has arrived behind it.
    ///
    /// # Errors
    /// What `fits` says; [`CodecError::TooDeep`]; [`CodecError::NotMessagePack`].
    pub(super) fn scan(&mut self, bytes: &[u8], fits: impl Fits) -> Result<Option<usize>, CodecError> {
        while !self.complete {
            let Some(header) = bytes.get(self.position..).map_or(Ok(None), read_header)? else {
                return Ok(None);
            };
            let before = &bytes[..self.position];
            self.position = self.position.saturating_add(header.length);
            // Every object has a byte at least, so a count is a claim of bytes too.
            fits((self.position as u64).saturating_add(header.children), before)?;
            self.enter(&header)?;
        }
        Ok((self.position <= bytes.len()).then_some(self.position))
    }

    fn enter(&mut self, header: &Header) -> Result<(), CodecError> {
        if header.is_container && self.depth == MAX_DEPTH {
            return Err(CodecError::TooDeep);
        }
        if header.children > 0 {
            self.lacking[self.depth] = header.children.try_into().map_err(|_| CodecError::TooDeep)?;
            self.depth += 1;
            return Ok(());
        }
        while self.depth > 0 {
            self.lacking[self.depth - 1] -= 1;
            if self.lacking[self.depth - 1] > 0 {
                return Ok(());
            }
            self.depth -= 1;
        }
        self.complete = true;
        Ok(())
    }
}

/// The end of the object at the start of `bytes`; `None` where it is not there whole.
pub(super) fn end_of(bytes: &[u8]) -> Option<usize> {
    let (mut position, mut lacking) = (0_usize, 1_u64);
    while lacking > 0 {
        let header = read_header(bytes.get(position..)?).ok()??;
        position = position.saturating_add(header.length);
        lacking = (lacking - 1).saturating_add(header.children);
    }
    (position <= bytes.len()).then_some(position)
}

/// Reads the header at the start of `bytes`; `None` when it is not there whole.
///
/// Source: the MessagePack specification, section "Formats".
fn read_header(bytes: &[u8]) -> Result<Option<Header>, CodecError> {
    let Some(&marker) = bytes.first() else {
        return Ok(None);
    };
    let header = match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => scalar(1),
        0x80..=0x8f => container(1, 2 * u64::from(marker & 0x0f)),
        0x90..=0x9f => container(1, u64::from(marker & 0x0f)),
        0xa0..=0xbf => scalar(1 + usize::from(marker & 0x1f)),
        0xc1 => return Err(CodecError::NotMessagePack),
        0xcc | 0xd0 => scalar(2),
        0xcd | 0xd1 => scalar(3),
        0xca | 0xce | 0xd2 => scalar(5),
        0xcb | 0xcf | 0xd3 => scalar(9),
        0xd4..=0xd8 => scalar(2 + (1 << (marker - 0xd4))),
        0xc4 | 0xd9 => return Ok(big_endian(bytes, 1).map(|n| sized(2, n))),
        0xc5 | 0xda => return Ok(big_endian(bytes, 2).map(|n| sized(3, n))),
        0xc6 | 0xdb => return Ok(big_endian(bytes, 4).map(|n| sized(5, n))),
        0xc7 => return Ok(big_endian(bytes, 1).map(|n| sized(3, n))),
        0xc8 => return Ok(big_endian(bytes, 2).map(|n| sized(4, n))),
        0xc9 => return Ok(big_endian(bytes, 4).map(|n| sized(6, n))),
        0xdc => return Ok(big_endian(bytes, 2).map(|n| container(3, n))),
        0xdd => return Ok(big_endian(bytes, 4).map(|n| container(5, n))),
        0xde => return Ok(big_endian(bytes, 2).map(|n| container(3, 2 * n))),
        0xdf => return Ok(big_endian(bytes, 4).map(|n| container(5, 2 * n))),
    };
    Ok(Some(header))
}

fn scalar(length: usize) -> Header {
    Header { length, children: 0, is_container: false }
}

fn sized(header_length: usize, payload_length: u64) -> Header {
    scalar(header_length.saturating_add(usize::try_from(payload_length).unwrap_or(usize::MAX)))
}

fn container(length: usize, children: u64) -> Header {
    Header { length, children, is_container: true }
}

/// The unsigned number of `width` bytes behind the marker.
pub(super) fn big_endian(bytes: &[u8], width: usize) -> Option<u64> {
    let digits = bytes.get(1..=width)?;
    Some(digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 65_536;

    fn scan(bytes: &[u8]) -> Result<Option<usize>, CodecError> {
        Scanner::at(0).scan(bytes, |claimed, _: &[u8]| at_most(LIMIT, claimed))
    }

    #[test]
    fn every_format_ends_where_the_specification_says() {
        let whole: &[&[u8]] = &[
            &[0x00],
            &[0x7f],
            &[0xff],
            &[0xc0],
            &[0xc2],
            &[0xc3],
            &[0xcc, 1],
            &[0xcd, 1, 2],
            &[0xce, 1, 2, 3, 4],
            &[0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0xd0, 1],
            &[0xd1, 1, 2],
            &[0xd2, 1, 2, 3, 4],
            &[0xd3, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0xca, 1, 2, 3, 4],
            &[0xcb, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0xa2, b'h', b'i'],
            &[0xd9, 2, b'h', b'i'],
            &[0xda, 0, 1, b'h'],
            &[0xdb, 0, 0, 0, 1, b'h'],
            &[0xc4, 1, 9],
            &[0xc5, 0, 1, 9],
            &[0xc6, 0, 0, 0, 1, 9],
            &[0xd4, 1, 9],
            &[0xd5, 1, 9, 9],
            &[0xd6, 1, 9, 9, 9, 9],
            &[0xd7, 1, 9, 9, 9, 9, 9, 9, 9, 9],
            &[0xd8, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            &[0xc7, 1, 5, 9],
            &[0xc8, 0, 1, 5, 9],
            &[0xc9, 0, 0, 0, 1, 5, 9],
            &[0x90],
            &[0x92, 1, 0x91, 2],
            &[0xdc, 0, 2, 1, 2],
            &[0xdd, 0, 0, 0, 2, 1, 2],
            &[0x80],
            &[0x81, 0xa1, b'k', 0x90],
            &[0xde, 0, 1, 1, 2],
            &[0xdf, 0, 0, 0, 1, 1, 2],
        ];
        for bytes in whole {
            assert_eq!(scan(bytes), Ok(Some(bytes.len())), "{bytes:02x?}");
            for cut in 0..bytes.len() {
                assert_eq!(scan(&bytes[..cut]), Ok(None), "{:02x?}", &bytes[..cut]);
            }
            let followed = [bytes, &[0xc1][..]].concat();
            assert_eq!(scan(&followed), Ok(Some(bytes.len())), "{followed:02x?}");
        }
    }

    #[test]
    fn a_claim_over_the_limit_is_refused_by_its_header_alone() {
        let too_large = Err(CodecError::TooLarge { max_bytes: LIMIT });
        for head in [0xdb, 0xc6, 0xc9, 0xdd, 0xdf] {
            assert_eq!(scan(&[head, 0xff, 0xff, 0xff, 0xff]), too_large, "{head:02x}");
        }
        assert_eq!(scan(&[0xdb, 0, 0, 0xff, 0xfb]), Ok(None));
        assert_eq!(scan(&[0xdb, 0, 0, 0xff, 0xfc]), too_large);
        assert_eq!(scan(&[0x92, 0xdb, 0, 0, 0xff, 0xfb]), too_large);
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        assert_eq!(scan(&[&[0x91; 8][..], &[1]].concat()), Ok(Some(9)));
        assert_eq!(scan(&[0x91; 9]), Err(CodecError::TooDeep));
        assert_eq!(scan(&[&[0x91; 8][..], &[0x80]].concat()), Err(CodecError::TooDeep));
        assert_eq!(scan(&vec![0x91; LIMIT]), Err(CodecError::TooDeep));
    }

    #[test]
    fn the_undefined_marker_is_refused_at_any_depth() {
        assert_eq!(scan(&[0xc1]), Err(CodecError::NotMessagePack));
        assert_eq!(scan(&[0x92, 1, 0xc1]), Err(CodecError::NotMessagePack));
    }

    proptest! {
        #[test]
        fn bytes_piece_by_piece_and_at_once_scan_alike(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut scanner = Scanner::at(0);
            let mut by_piece = Ok(None);
            for end in 0..=bytes.len() {
                by_piece = scanner.scan(&bytes[..end], |claimed, _: &[u8]| at_most(LIMIT, claimed));
                if by_piece != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(by_piece, scan(&bytes));
        }
    }
}
