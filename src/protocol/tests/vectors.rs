//! docs/vectors/: messages as JSON and as bytes, for whoever writes a codec of their own.
//!
//! The examples of docs/PROTOCOL.md are the source of `version_1.json`, which has the same in a form for programs. Version 2 has
//! its bytes in `version_2.json` alone.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::document::{Block, DOCUMENT, blocks};
use super::*;

const VERSION_1: &str = include_str!("../../../docs/vectors/version_1.json");
const VERSION_2: &str = include_str!("../../../docs/vectors/version_2.json");

/// The vectors of a kind: `requests`, `responses`, `updates`, and of version 1 `accepted` and `refused`.
fn vectors(file: &str, kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    file[kind].as_array().unwrap().clone()
}

fn bytes(vector: &Value) -> Vec<u8> {
    let digits = vector["hex"].as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn framing(vector: &Value) -> Framing {
    match vector["framing"].as_str() {
        Some("bare") => Framing::Bare,
        Some("array") => Framing::Array,
        other => panic!("there is no such framing: {other:?}"),
    }
}

fn action(name: &Value) -> Option<Action> {
    Action::VERSION_1.into_iter().chain(Action::VERSION_2).find(|action| name == action.name())
}

/// The objects of a message, read by no code of this project.
fn objects(vector: &Value) -> Value {
    let bytes = bytes(vector);
    match framing(vector) {
        Framing::Array => rmp_serde::from_slice(&bytes).unwrap(),
        Framing::Bare => {
            let count = vector["message"].as_array().unwrap().len();
            rmp_serde::from_slice(&[&[0x90 | u8::try_from(count).unwrap()], &bytes[..]].concat()).unwrap()
        }
    }
}

/// What the document has of a kind, in the form of the vectors but without a name.
fn of_document(kind: &str) -> Vec<Value> {
    let (info, head) = match kind {
        "requests" => ("example", "request"),
        "responses" => ("example", "response"),
        "updates" => ("example", "update"),
        other => (other, ""),
    };
    blocks(info).iter().filter(|block| block.head.starts_with(head)).map(vector).collect()
}

fn vector(block: &Block) -> Value {
    let framing = if block.framing == Framing::Bare { "bare" } else { "array" };
    let mut vector = json!({ "framing": framing, "hex": hex(&block.bytes) });
    if let Some(to) = block.head.strip_prefix("response to ") {
        vector["to"] = json!(to);
    }
    match block.fate {
        Some(fate) => (vector["why"], vector["connection"]) = (block.json.clone(), json!(fate)),
        None => vector["message"] = block.json.clone(),
    }
    vector
}

#[test]
fn the_vectors_of_version_1_are_the_examples_of_the_document() {
    for kind in ["requests", "responses", "updates", "accepted", "refused"] {
        let mut vectors = vectors(VERSION_1, kind);
        for vector in &mut vectors {
            let name = vector.as_object_mut().unwrap().remove("name").unwrap();
            assert!(name.as_str().is_some_and(|name| !name.is_empty()), "{vector}");
        }

        assert_eq!(vectors, of_document(kind), "docs/vectors/version_1.json, {kind}: not those of docs/PROTOCOL.md");
    }
}

#[test]
fn requests_of_version_2_are_what_the_codec_reads_and_writes() {
    let hello = Request::Hello { version: 2, client: None }.encode(Framing::Array);
    let mut shown = HashSet::new();

    for vector in vectors(VERSION_2, "requests") {
        let (bytes, name) = (bytes(&vector), &vector["message"][0]);
        assert_eq!(objects(&vector), vector["message"], "{vector}");
        let before = if name == "hello" { &[][..] } else { &hello };
        let decoded = decode_requests(Framing::Array, [before, &bytes]).pop();

        let Some(Ok(request)) = decoded else { panic!("{decoded:?}: {vector}") };
        assert_eq!(Some(request.action()), action(name), "{vector}");
        assert_eq!(vector["hex"], hex(&request.encode(Framing::Array)), "{vector}");
        shown.insert(request.action());
    }

    let all = Action::VERSION_1.into_iter().chain(Action::VERSION_2);
    let missing: Vec<Action> = all.filter(|action| !shown.contains(action)).collect();
    assert_eq!(missing, [], "docs/vectors/version_2.json has no request of these");
}

#[test]
fn replies_of_version_2_are_what_the_codec_reads_and_writes() {
    let responses = vectors(VERSION_2, "responses");
    for vector in responses.iter().chain(&vectors(VERSION_2, "updates")) {
        let bytes = bytes(vector);
        assert_eq!(objects(vector), vector["message"], "{vector}");

        let decoded = decode_replies(Framing::Array, action(&vector["to"]), [&*bytes]);

        let Ok([reply]) = decoded.as_deref() else { panic!("{decoded:?}: {vector}") };
        assert_eq!(vector["hex"], hex(&encode_reply(reply, Framing::Array)), "{reply:?}: {vector}");
    }
}

/// The shapes in the second cells of the document's tables of messages: names without quotes stand for any value.
fn shapes(document: &str) -> Vec<Value> {
    let rows = document.lines().filter(|line| line.starts_with("| response") || line.starts_with("| update"));
    let shapes = rows.filter_map(|row| row.split('|').nth(2)?.split('`').nth(1)).filter(|shape| shape.starts_with('['));
    shapes.map(|shape| serde_json::from_str(&quoted(shape)).unwrap_or_else(|err| panic!("{err}: {shape}"))).collect()
}

/// The same as JSON: `name` becomes `"?name"`, and `...` becomes `"..."`.
fn quoted(shape: &str) -> String {
    let parts = shape.split('"').enumerate().map(|(place, part)| {
        let is_within_quotes = place % 2 == 1;
        if is_within_quotes { format!("\"{part}\"") } else { quoted_names(part).replace("...", "\"...\"") }
    });
    parts.collect()
}

fn quoted_names(part: &str) -> String {
    let words = part.split_inclusive(|character: char| !character.is_ascii_lowercase() && character != '_');
    let quote = |word: &str| {
        let name = word.trim_end_matches(|character: char| !character.is_ascii_lowercase() && character != '_');
        let rest = &word[name.len()..];
        if matches!(name, "" | "true" | "false") { word.to_owned() } else { format!("\"?{name}\"{rest}") }
    };
    words.map(quote).collect()
}

fn fits(shape: &Value, value: &Value) -> bool {
    match (shape, value) {
        (Value::String(name), _) if name.starts_with('?') => true,
        (Value::Array(shapes), Value::Array(_)) if shapes.last().is_some_and(|last| last == "...") => true,
        (Value::Array(shapes), Value::Array(values)) => {
            shapes.len() == values.len() && shapes.iter().zip(values).all(|(shape, value)| fits(shape, value))
        }
        (Value::Object(shapes), Value::Object(values)) => {
            shapes.iter().all(|(key, shape)| values.get(key).is_some_and(|value| fits(shape, value)))
        }
        _ => shape == value,
    }
}

#[test]
fn every_shape_of_the_document_has_a_vector() {
    let (version_1, version_2) = DOCUMENT.split_once("\n# The wire, version 2").unwrap();
    for (file, document, least) in [(VERSION_1, version_1, 5), (VERSION_2, version_2, 9)] {
        let messages = ["responses", "updates"].into_iter().flat_map(|kind| vectors(file, kind));
        let messages: Vec<Value> = messages.map(|vector| vector["message"].clone()).collect();
        let shapes = shapes(document);

        assert!(shapes.len() >= least, "{shapes:?}");
        for shape in shapes {
            assert!(messages.iter().any(|message| fits(&shape, message)), "no vector has the shape {shape}");
        }
    }
}
