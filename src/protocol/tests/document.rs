//! docs/PROTOCOL.md, taken at its word.

use serde_json::Value;

use super::*;
use crate::config::{DEFAULT_PORT, Limits};
use crate::domain::{InvalidContent, InvalidGroupName, InvalidPassword, InvalidUsername, Secret};
use crate::protocol::Update;

pub(super) const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");

/// Three responses and two updates.
const REPLY_SHAPES: usize = 5;

/// A block of the document: `head`, then `json`, then bytes.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) head: &'static str,
    pub(super) framing: Framing,
    /// What the first line says behind the framing.
    pub(super) fate: Option<&'static str>,
    pub(super) json: Value,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
enum Message<'a> {
    Request(Request<'a>),
    Reply { awaited: Option<Action>, reply: FromServer },
}

/// The blocks between a line of ```` ``` ```` with `info` and the next.
pub(super) fn blocks(info: &str) -> Vec<Block> {
    let mut lines = DOCUMENT.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(info) {
            blocks.push(read_block(&lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>()));
        }
    }
    blocks
}

fn read_block(lines: &[&'static str]) -> Block {
    let [head, json, bytes @ ..] = lines else { panic!("a block has two lines and its bytes: {lines:?}") };
    let (head, framing, fate) = match head.split(", ").collect::<Vec<_>>()[..] {
        [framing @ ("bare" | "array"), fate] => ("", framing, Some(fate)),
        [head, framing] => (head, framing, None),
        _ => panic!("this is no first line of a block: {head}"),
    };
    let framing = match framing {
        "bare" => Framing::Bare,
        "array" => Framing::Array,
        other => panic!("there is no such framing: {other}"),
    };
    let bytes = bytes.iter().flat_map(|line| line.split_whitespace()).map(|byte| u8::from_str_radix(byte, 16).unwrap());
    Block { head, framing, fate, json: serde_json::from_str(json).unwrap(), bytes: bytes.collect() }
}

fn action(name: &str) -> Action {
    Action::VERSION_1.into_iter().find(|action| action.name() == name).unwrap()
}

impl Block {
    fn message(&self) -> Message<'_> {
        let objects = self.json.as_array().unwrap();
        match self.head.split_once(" to ") {
            None if self.head == "request" => Message::Request(read_request(objects)),
            None if self.head == "update" => Message::Reply { awaited: None, reply: read_reply(objects) },
            Some(("response", name)) => Message::Reply { awaited: Some(action(name)), reply: read_reply(objects) },
            _ => panic!("there is no such message: {}", self.head),
        }
    }

    fn decodes(&self) {
        match self.message() {
            Message::Request(request) => {
                assert_eq!(decode_requests(self.framing, [&*self.bytes]), [Ok(request)], "{self:?}");
            }
            Message::Reply { awaited, reply } => {
                assert_eq!(decode_replies(self.framing, awaited, [&*self.bytes]), Ok(vec![reply]), "{self:?}");
            }
        }
    }

    fn encodes(&self) {
        let bytes = match self.message() {
            Message::Request(request) => request.encode(self.framing),
            Message::Reply { reply, .. } => encode_reply(&reply, self.framing),
        };
        assert_eq!(bytes, self.bytes, "{self:?}");
    }

    /// What kind of message this shows: for a request its action, for a reply its shape.
    fn kind(&self) -> String {
        match self.message() {
            Message::Request(request) => format!("request {:?} {:?}", self.framing, request.action()),
            Message::Reply { reply, .. } => {
                let shape = match reply {
                    FromServer::Response(Response::Done) => "done",
                    FromServer::Response(Response::LoggedIn { .. }) => "logged in",
                    FromServer::Response(Response::Refused(_)) => "refused",
                    FromServer::Update(Update::Whisper { .. }) => "whisper",
                    FromServer::Update(Update::GroupMessage { .. }) => "group message",
                    other => panic!("version 1 has no {other:?}"),
                };
                format!("reply {:?} {shape}", self.framing)
            }
        }
    }
}

fn text(object: &Value) -> String {
    object.as_str().unwrap().to_owned()
}

fn read_request(objects: &[Value]) -> Request<'_> {
    let action = action(objects[0].as_str().unwrap());
    assert_eq!(objects.len(), 1 + action.arity(), "{objects:?}");
    request(action, std::array::from_fn(|place| objects.get(1 + place).map(text).unwrap_or_default()))
}

fn read_reply(objects: &[Value]) -> FromServer {
    let tags = (objects[0].as_str().unwrap(), objects[1].as_bool(), objects[1].as_str());
    match (tags, &objects[2..]) {
        (("response", Some(true), _), []) => FromServer::Response(Response::Done),
        (("response", Some(true), _), [username, token]) => FromServer::Response(Response::LoggedIn {
            username: text(username),
            token: Secret::new(text(token)),
            head: None,
        }),
        (("response", Some(false), _), [why]) => FromServer::Response(Response::Refused(Refused::because(text(why)))),
        (("update", _, Some("whisper")), [sender, content]) => {
            FromServer::Update(Update::Whisper { sender: text(sender), content: text(content), stamp: None })
        }
        (("update", _, Some("msg_group")), [group_name, sender, content]) => FromServer::Update(Update::GroupMessage {
            group_name: text(group_name),
            sender: text(sender),
            content: text(content),
            stamp: None,
        }),
        _ => panic!("there is no such reply: {objects:?}"),
    }
}

#[test]
fn every_example_is_what_the_codec_reads_and_writes() {
    let examples = blocks("example");

    for example in &examples {
        example.decodes();
        example.encodes();
    }

    let needed = (Action::VERSION_1.len() + REPLY_SHAPES) * FRAMINGS.len();
    let kinds: std::collections::BTreeSet<String> = examples.iter().map(Block::kind).collect();
    assert_eq!(kinds.len(), needed, "an action or a shape has no example: {kinds:#?}");
}

#[test]
fn other_encodings_of_the_document_are_read_alike() {
    let accepted = blocks("accepted");

    for block in &accepted {
        block.decodes();
    }

    assert!(accepted.len() >= 2 * FRAMINGS.len());
}

#[test]
fn bad_input_of_the_document_is_refused_as_it_says() {
    let refused = blocks("refused");

    for block in &refused {
        let decoded = decode_requests(block.framing, [&*block.bytes]);
        let [Err(err)] = decoded[..] else { panic!("not refused: {block:?}: {decoded:?}") };
        let fate = if err.ends_connection(block.framing) { "closed" } else { "goes on" };
        assert_eq!((err.to_string(), Some(fate)), (text(&block.json), block.fate), "{block:?}");
    }

    for err in told_by_the_server() {
        let is_shown = refused.iter().any(|block| text(&block.json) == err.to_string());
        assert!(is_shown, "no example of: {err}");
    }
}

/// All but [`CodecError::NotAReply`], which a client tells itself.
fn told_by_the_server() -> [CodecError; 9] {
    [
        CodecError::WrongType,
        CodecError::WrongCount,
        CodecError::UnknownAction,
        CodecError::ActionNotString,
        CodecError::NotAnArray,
        CodecError::NotUtf8,
        CodecError::NotMessagePack,
        CodecError::TooLarge { max_bytes: Limits::default().request_bytes },
        CodecError::TooDeep,
    ]
}

#[test]
fn every_sentence_about_bytes_and_values_is_in_the_document() {
    let of_values = [
        InvalidUsername.to_string(),
        InvalidGroupName.to_string(),
        InvalidPassword::TooShort.to_string(),
        InvalidPassword::NotAllowed.to_string(),
        InvalidPassword::IsUsername.to_string(),
        InvalidPassword::TooCommon.to_string(),
        InvalidContent::Empty.to_string(),
        InvalidContent::TooLong { max_bytes: Limits::default().content_bytes }.to_string(),
    ];

    for sentence in told_by_the_server().iter().map(ToString::to_string).chain(of_values) {
        assert!(DOCUMENT.contains(&format!("| `{sentence}` |")), "not in a table of the document: {sentence}");
    }
}

#[test]
fn the_figures_of_the_document_are_the_defaults() {
    let limits = Limits::default();
    let rows = [
        format!("| requests in flight on a connection | {} |", limits.in_flight),
        format!("| time for a request to arrive, once begun | {} s |", limits.request_deadline.as_secs()),
        format!("| time for a request to be taken up, or it is refused as busy | {} s |", limits.busy_after.as_secs()),
        format!("| life of an unused token | {} days |", limits.token_lifetime.as_secs() / (24 * 60 * 60)),
        format!("by default at `127.0.0.1:{DEFAULT_PORT}`"),
    ];

    for row in rows {
        assert!(DOCUMENT.contains(&row), "not in the document: {row}");
    }
}
