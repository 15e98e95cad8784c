//! The two framings: objects back to back, or an array around them.

use serde::Serialize;

use super::CodecError;
use super::object::{Object, Objects, Plain};
use super::options::Options;
use super::scanner::{Fits, Scanner};

/// How requests, responses and updates are told apart on a connection. The first byte decides, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Objects stand back to back; the action says how many belong to a request.
    Bare,
    /// Each request, response and update is one MessagePack array.
    Array,
}

impl Framing {
    /// The framing that the first byte of a connection chooses: array for the head of an array, else bare.
    pub fn of(first_byte: u8) -> Self {
        match first_byte {
            0x90..=0x9f | 0xdc | 0xdd => Self::Array,
            _ => Self::Bare,
        }
    }
}

/// Objects of the longest message: an action, four arguments and a map.
pub(super) const MAX_OBJECTS: usize = 6;

/// The objects of one request, response or update.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    objects: [Object<'a>; MAX_OBJECTS],
    /// How many there were, also where that is more than are kept.
    count: usize,
}

impl<'a> Frame<'a> {
    fn of(objects: Objects<'a>) -> Self {
        let mut frame = Self { objects: [Object::Other; MAX_OBJECTS], count: 0 };
        for object in objects {
            if let Some(slot) = frame.objects.get_mut(frame.count) {
                *slot = object;
            }
            frame.count += 1;
        }
        frame
    }

    pub(super) fn objects(&self) -> &[Object<'a>] {
        &self.objects[..self.count.min(MAX_OBJECTS)]
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes the map off the end, if there is one.
    pub(super) fn take_options(&mut self) -> Options<'a> {
        let last = self.count.checked_sub(1).and_then(|last| self.objects.get(last));
        let Some(&Object::Map(map)) = last else { return Options::default() };
        self.count -= 1;
        Options::read(map)
    }
}

/// Cuts a stream of bytes into frames, resuming where it stopped when the bytes ran out.
#[derive(Debug)]
pub(super) struct Splitter {
    framing: Framing,
    scanner: Scanner,
    /// How many objects were found so far; used in bare framing, whose objects have no array to count them.
    found: usize,
    /// How many objects make this frame, as far as those found so far tell.
    needed: usize,
}

impl Splitter {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, scanner: Scanner::default(), found: 0, needed: 1 }
    }

    /// The next frame and its length, or `None` when more bytes are needed. `bytes` begins at the frame; after a frame the
    /// caller drops its length. `needed` tells from a bare frame's first objects how many it has, and `fits` whether the frame
    /// may be that long.
    ///
    /// # Errors
    /// What the scanner finds, [`CodecError::NotAnArray`], and what `needed` and `fits` say.
    pub(super) fn split<'a>(
        &mut self,
        bytes: &'a [u8],
        needed: impl Fn(&Frame<'a>) -> Result<usize, CodecError>,
        fits: impl Fits,
    ) -> Result<Option<(Frame<'a>, usize)>, CodecError> {
        let frame = match self.framing {
            Framing::Bare => self.split_bare(bytes, needed, fits)?,
            Framing::Array => self.split_array(bytes, fits)?,
        };
        if frame.is_some() {
            *self = Self::new(self.framing);
        }
        Ok(frame)
    }

    fn split_bare<'a>(
        &mut self,
        bytes: &'a [u8],
        needed: impl Fn(&Frame<'a>) -> Result<usize, CodecError>,
        fits: impl Fits,
    ) -> Result<Option<(Frame<'a>, usize)>, CodecError> {
        loop {
            let Some(end) = self.scanner.scan(bytes, &fits)? else {
                return Ok(None);
            };
            self.scanner = Scanner::at(end);
            self.found += 1;
            if self.found < self.needed {
                continue;
            }
            let frame = Frame::of(Objects::of(&bytes[..end]));
            self.needed = needed(&frame)?;
            if self.found >= self.needed {
                return Ok(Some((frame, end)));
            }
        }
    }

    fn split_array<'a>(&mut self, bytes: &'a [u8], fits: impl Fits) -> Result<Option<(Frame<'a>, usize)>, CodecError> {
        if bytes.first().is_some_and(|&first| Framing::of(first) != Framing::Array) {
            return Err(CodecError::NotAnArray);
        }
        let Some(end) = self.scanner.scan(bytes, fits)? else {
            return Ok(None);
        };
        Ok(Some((Frame::of(Objects::inside(&bytes[..end])), end)))
    }
}

/// The first object of the frame at the start of `bytes`, where it is there whole.
pub(super) fn first_object(framing: Framing, bytes: &[u8]) -> Option<Object<'_>> {
    let head = match (framing, bytes.first()?) {
        (Framing::Array, 0xdc) => 3,
        (Framing::Array, 0xdd) => 5,
        (Framing::Array, _) => 1,
        (Framing::Bare, _) => 0,
    };
    Objects::of(bytes.get(head..)?).next()
}

/// Units: bytes that most maps stay under.
const MAP_BYTES: usize = 96;

/// Appends one request, response or update to `bytes`.
pub(super) fn write(framing: Framing, objects: &[Plain<'_>], bytes: &mut Vec<u8>) {
    if framing == Framing::Array {
        bytes.push(array_head(objects.len()));
    }
    objects.iter().for_each(|object| object.write(bytes));
}

/// Appends one request, response or update of version 2, which ends in `map`.
pub(super) fn write_with_map(objects: &[Plain<'_>], map: &impl Serialize, bytes: &mut Vec<u8>) {
    bytes.push(array_head(objects.len() + 1));
    objects.iter().for_each(|object| object.write(bytes));
    let written = rmp_serde::encode::write_named(bytes, map);
    written.expect("strings and numbers always encode, and a Vec takes all bytes");
}

/// Encodes one request, response or update.
pub(super) fn encode(framing: Framing, objects: &[Plain<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(max_bytes(objects));
    write(framing, objects, &mut bytes);
    bytes
}

/// Encodes one request, response or update of version 2, which ends in `map`.
pub(super) fn encode_with_map(objects: &[Plain<'_>], map: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(max_bytes(objects) + MAP_BYTES);
    write_with_map(objects, map, &mut bytes);
    bytes
}

fn max_bytes(objects: &[Plain<'_>]) -> usize {
    1 + objects.iter().map(Plain::max_bytes).sum::<usize>()
}

fn array_head(objects: usize) -> u8 {
    debug_assert!(objects <= MAX_OBJECTS);
    0x90 | u8::try_from(objects).expect("a message has few objects")
}
