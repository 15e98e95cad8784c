//! Messages as the suite sees them: arrays of JSON, from and to MessagePack.
//!
//! Written without the codec of [`protocol`](crate::protocol): one that serves both ends does not notice its own mistakes.

use std::io::{Cursor, ErrorKind};

use rmp_serde::decode::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::protocol::Framing;

/// The bytes of a message, each object in its shortest format.
pub(super) fn encode(framing: Framing, message: &Value) -> Vec<u8> {
    join(framing, &objects(message).iter().map(to_bytes).collect::<Vec<_>>())
}

/// The same with its strings as `bin`, those of a map included.
pub(super) fn encode_in_bins(framing: Framing, message: &Value) -> Vec<u8> {
    encode_texts(framing, message, |text| [&[0xc6], &length_of(text.len())[..], text.as_bytes()].concat())
}

/// The same with its strings in the longest format that there is for them, those of a map included.
pub(super) fn encode_at_length(framing: Framing, message: &Value) -> Vec<u8> {
    encode_texts(framing, message, |text| [&[0xdb], &length_of(text.len())[..], text.as_bytes()].concat())
}

fn encode_texts(framing: Framing, message: &Value, encode_text: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let encode_value = |value: &Value| value.as_str().map_or_else(|| to_bytes(value), &encode_text);
    let encode_object = |object: &Value| match object {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| [encode_text(key), encode_value(value)].concat());
            [&[0xdf], &length_of(map.len())[..], &entries.collect::<Vec<_>>().concat()].concat()
        }
        object => encode_value(object),
    };
    join(framing, &objects(message).iter().map(encode_object).collect::<Vec<_>>())
}

fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("nothing that is sent has 4 GiB").to_be_bytes()
}

/// A message of these encoded objects, of which there are at most 15.
pub(super) fn join(framing: Framing, objects: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = match framing {
        Framing::Bare => Vec::new(),
        Framing::Array => vec![0x90 | u8::try_from(objects.len()).expect("no message has more than 15 objects")],
    };
    objects.iter().for_each(|object| bytes.extend_from_slice(object.as_ref()));
    bytes
}

fn objects(message: &Value) -> &[Value] {
    message.as_array().expect("a message is an array")
}

/// An object in its shortest format.
pub(super) fn to_bytes(object: &Value) -> Vec<u8> {
    rmp_serde::to_vec(object).expect("MessagePack has all that JSON has")
}

/// The message at the start of `bytes`, as an array in either framing, and its length; `None` while it is not whole.
/// `is_login` where the response that is due is one to a login, whose success says more.
///
/// # Errors
/// Says what it is instead of a message.
pub(super) fn read(framing: Framing, bytes: &[u8], is_login: bool) -> Result<Option<(Value, usize)>, String> {
    let read = match framing {
        Framing::Array => read_object(bytes)?,
        Framing::Bare => read_bare(bytes, is_login)?,
    };
    match &read {
        Some((message, _)) if !matches!(message[0].as_str(), Some("response" | "update")) => {
            Err("neither a response nor an update".to_owned())
        }
        _ => Ok(read),
    }
}

fn read_bare(bytes: &[u8], is_login: bool) -> Result<Option<(Value, usize)>, String> {
    let (mut message, mut length) = (Vec::new(), 0);
    while message.len() < objects_of(&message, is_login) {
        let Some((object, end)) = read_object(&bytes[length..])? else { return Ok(None) };
        message.push(object);
        length += end;
    }
    Ok(Some((message.into(), length)))
}

/// How many objects a bare message has, by its first ones. What is no message ends where that is seen.
fn objects_of(message: &[Value], is_login: bool) -> usize {
    match message {
        [] => 1,
        [tag] => 1 + usize::from(tag == "response" || tag == "update"),
        [_, Value::Bool(true), ..] if is_login => 4,
        [_, Value::Bool(false), ..] => 3,
        [_, kind, ..] if kind == "whisper" => 4,
        [_, kind, ..] if kind == "msg_group" => 5,
        _ => 2,
    }
}

fn read_object(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let mut decoder = rmp_serde::Deserializer::new(Cursor::new(bytes));
    match Value::deserialize(&mut decoder) {
        Ok(object) => {
            let length = usize::try_from(decoder.position()).expect("a place in a slice");
            Ok(Some((object, length)))
        }
        Err(Error::InvalidMarkerRead(err) | Error::InvalidDataRead(err)) if err.kind() == ErrorKind::UnexpectedEof => {
            Ok(None)
        }
        Err(err) => Err(err.to_string()),
    }
}

/// The bytes of a `str` of up to 31 bytes.
pub(super) fn text(text: &str) -> Vec<u8> {
    to_bytes(&text.into())
}

/// Bytes for people: in hexadecimal, of long ones the beginning.
pub(super) fn hex(bytes: &[u8]) -> String {
    /// Units: bytes that are shown.
    const SHOWN: usize = 96;
    let mut shown = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    if bytes.len() > SHOWN {
        shown = format!("{shown} .. ({} bytes)", bytes.len());
    }
    shown
}

/// A message for people: as JSON, of a long one the beginning.
pub(super) fn shown(message: &Value) -> String {
    /// Units: characters that are shown.
    const SHOWN: usize = 200;
    let json = message.to_string();
    match json.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} .. ({} bytes as JSON)", &json[..end], json.len()),
        None => json,
    }
}
