//! What the messages of the load say: whose they are, which one, and when they were meant to be sent.

/// Units: bytes at the start of a content that say something; the rest is filled up.
pub(crate) const MARK_BYTES: usize = 32;

/// What a content is filled up with.
pub(crate) const FILLER: u8 = b'.';

/// Shape: 8 hexadecimal digits of the lane, 8 of the sequence, 16 of the moment. Text, for contents are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which stream of messages this belongs to.
    pub(crate) lane: u32,
    /// Its number in that stream, from 0.
    pub(crate) sequence: u32,
    /// When it was meant to be sent. Units: nanoseconds since the run began.
    pub(crate) at_ns: u64,
}

impl Mark {
    /// Writes it to the first bytes of a content.
    pub(crate) fn write(self, content: &mut [u8]) {
        write_hex(&mut content[..8], u64::from(self.lane));
        write_hex(&mut content[8..16], u64::from(self.sequence));
        write_hex(&mut content[16..MARK_BYTES], self.at_ns);
    }

    /// Reads it from a content; `None` where this load has not written it, or it has changed on its way.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let (mark, filler) = content.split_at_checked(MARK_BYTES)?;
        if filler.iter().any(|&byte| byte != FILLER) {
            return None;
        }
        Some(Self {
            lane: u32::try_from(read_hex(&mark[..8])?).ok()?,
            sequence: u32::try_from(read_hex(&mark[8..16])?).ok()?,
            at_ns: read_hex(&mark[16..])?,
        })
    }
}

/// Writes a number with as many digits as there is room for.
pub(crate) fn write_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    let mut number = 0;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u64::from(value);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_changed_content_is_not() {
        let mark = Mark { lane: 7, sequence: u32::MAX, at_ns: 0x0123_4567_89ab_cdef };
        let mut content = [FILLER; 40];
        mark.write(&mut content);

        assert_eq!(Mark::read(&content), Some(mark));
        assert_eq!(Mark::read(&content[..31]), None);
        content[39] = b'!';
        assert_eq!(Mark::read(&content), None);
        content[39] = FILLER;
        content[3] = b'G';
        assert_eq!(Mark::read(&content), None);
    }
}
