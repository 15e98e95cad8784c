//! The two framings: objects back to back, or an array around them.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::CodecError;
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

/// An object in the shapes that the wire knows. `Other` is anything else, skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object<'a> {
    Text(&'a str),
    Bool(bool),
    Integer(i64),
    Nil,
    /// Of an array's last map the frame has the [`Options`].
    Map,
    NotUtf8,
    Other,
}

/// The objects of one request, response or update.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    objects: [Object<'a>; MAX_OBJECTS],
    /// How many there were, also where that is more than are kept.
    count: usize,
    /// What the last map among them says.
    options: Options<'a>,
}

impl<'a> Frame<'a> {
    fn new() -> Self {
        Self { objects: [Object::Other; MAX_OBJECTS], count: 0, options: Options::default() }
    }

    fn push(&mut self, object: Object<'a>) {
        if let Some(slot) = self.objects.get_mut(self.count) {
            *slot = object;
        }
        self.count += 1;
    }

    pub(super) fn objects(&self) -> &[Object<'a>] {
        &self.objects[..self.count.min(MAX_OBJECTS)]
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes the map off the end, if there is one.
    pub(super) fn take_options(&mut self) -> Options<'a> {
        if self.count == 0 || self.objects.get(self.count - 1) != Some(&Object::Map) {
            return Options::default();
        }
        self.count -= 1;
        self.options
    }
}

/// Cuts a stream of bytes into frames, resuming where it stopped when the bytes ran out.
#[derive(Debug)]
pub(super) struct Splitter {
    framing: Framing,
    scanner: Scanner,
    /// Where the objects found so far end; used in bare framing, whose objects have no array to count them.
    ends: [usize; MAX_OBJECTS],
    found: usize,
    /// How many objects make this frame, as far as those found so far tell.
    needed: usize,
}

impl Splitter {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, scanner: Scanner::default(), ends: [0; MAX_OBJECTS], found: 0, needed: 1 }
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
        while self.found < self.needed {
            let Some(end) = self.scanner.scan(bytes, &fits)? else {
                return Ok(None);
            };
            self.ends[self.found] = end;
            self.found += 1;
            self.scanner = Scanner::at(end);
            if self.found == self.needed {
                self.needed = needed(&self.decode_found(bytes)?)?;
            }
        }
        Ok(Some((self.decode_found(bytes)?, self.ends[self.found - 1])))
    }

    fn decode_found<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, CodecError> {
        let mut frame = Frame::new();
        let mut start = 0;
        for &end in &self.ends[..self.found] {
            frame.push(decode(&bytes[start..end])?);
            start = end;
        }
        Ok(frame)
    }

    fn split_array<'a>(&mut self, bytes: &'a [u8], fits: impl Fits) -> Result<Option<(Frame<'a>, usize)>, CodecError> {
        if bytes.first().is_some_and(|&first| Framing::of(first) != Framing::Array) {
            return Err(CodecError::NotAnArray);
        }
        let Some(end) = self.scanner.scan(bytes, fits)? else {
            return Ok(None);
        };
        Ok(Some((decode(&bytes[..end])?, end)))
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
    let end = Scanner::at(head).scan(bytes, |_, _: &[u8]| Ok(())).ok()??;
    decode(&bytes[head..end]).ok()
}

/// Encodes one request, response or update.
pub(super) fn encode(framing: Framing, objects: &[Plain<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(objects.iter().map(Plain::max_bytes).sum::<usize>() + 1);
    let written = match framing {
        Framing::Array => rmp_serde::encode::write(&mut bytes, &objects),
        Framing::Bare => objects.iter().try_for_each(|object| rmp_serde::encode::write(&mut bytes, object)),
    };
    written.expect("strings and booleans always encode, and a Vec takes all bytes");
    bytes
}

/// Encodes one request, response or update of version 2, which ends in `map`.
pub(super) fn encode_with_map(objects: &[Plain<'_>], map: &impl Serialize) -> Vec<u8> {
    /// Units: bytes that most maps stay under.
    const MAP_BYTES: usize = 96;
    let mut bytes = Vec::with_capacity(objects.iter().map(Plain::max_bytes).sum::<usize>() + MAP_BYTES);
    let written = rmp_serde::encode::write_named(&mut bytes, &Ending { objects, map });
    written.expect("strings and numbers always encode, and a Vec takes all bytes");
    bytes
}

/// Objects in an array, and a map as its last.
struct Ending<'a, M> {
    objects: &'a [Plain<'a>],
    map: &'a M,
}

impl<M: Serialize> Serialize for Ending<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.objects.len() + 1))?;
        for object in self.objects {
            sequence.serialize_element(object)?;
        }
        sequence.serialize_element(self.map)?;
        sequence.end()
    }
}

/// An object to send.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Plain<'a> {
    Text(&'a str),
    Bool(bool),
}

impl Plain<'_> {
    fn max_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 5,
            Self::Bool(_) => 1,
        }
    }
}

/// Decodes one object that the scanner found whole.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    // The scanner has bounded size and depth and refused what is not MessagePack, so nothing else is left to go wrong.
    rmp_serde::from_slice(bytes).map_err(|_| CodecError::NotMessagePack)
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ObjectIn(&mut Options::default()).deserialize(deserializer)
    }
}

/// An object of a frame whose options go here.
struct ObjectIn<'f, 'a>(&'f mut Options<'a>);

impl<'de> DeserializeSeed<'de> for ObjectIn<'_, 'de> {
    type Value = Object<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectIn<'_, 'de> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Object::Text(text))
    }

    /// A `bin`, or a `str` that is not UTF-8. MessagePack clients from before 2013 send all text as raw bytes.
    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(std::str::from_utf8(bytes).map_or(Object::NotUtf8, Object::Text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Object::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.try_into().map_or(Object::Other, Object::Integer))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Object::Integer(value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::Nil)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<Skipped>()?.is_some() {}
        Ok(Object::Other)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        *self.0 = Options::read(map)?;
        Ok(Object::Map)
    }

    /// An extension: its type and its bytes.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Self::Value, D::Error> {
        IgnoredAny::deserialize(extension)?;
        Ok(Object::Other)
    }
}

/// An object inside another: of any kind, text that is not UTF-8 included, for nobody uses it.
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for Frame<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut frame = Frame::new();
        while let Some(object) = sequence.next_element_seed(ObjectIn(&mut frame.options))? {
            frame.push(object);
        }
        Ok(frame)
    }
}
