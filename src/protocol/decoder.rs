//! From the bytes of a connection to its requests.

use super::frame::{Frame, Splitter, first_object};
use super::object::Object;
use super::options::Options;
use super::scanner::at_most;
use super::{Action, CodecError, Framing, Request};

/// How many bytes one request may have, headers included.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// On a connection that has shown who it is, or with a token.
    pub max_bytes: usize,
    /// Without either: of what a stranger sends, the server takes in no more than a name and a password need.
    pub stranger_max_bytes: usize,
}

/// Turns the bytes of a connection into requests.
#[derive(Debug)]
pub struct RequestDecoder {
    framing: Framing,
    limits: RequestLimits,
    splitter: Splitter,
    stage: Stage,
}

/// What a connection speaks so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing: the next request is its first.
    First,
    Version1,
    Version2,
}

/// The version that begins with `hello`, and the newest there is.
pub const VERSION: i64 = 2;

impl RequestDecoder {
    /// A decoder for one connection.
    pub fn new(framing: Framing, limits: RequestLimits) -> Self {
        Self { framing, limits, splitter: Splitter::new(framing), stage: Stage::First }
    }

    /// The next request (or why there is none) and how many bytes it took; `None` when more bytes are needed.
    ///
    /// `bytes` begins at a request. The caller drops what was taken once it is done with
    /// the request, which borrows from it; after `None` it passes the same bytes again with more
    /// behind them. After an error that [ends the connection](CodecError::ends_connection) there is no next request.
    /// `is_known` when the connection has shown who it is.
    pub fn decode<'a>(&mut self, bytes: &'a [u8], is_known: bool) -> Option<(Result<Request<'a>, CodecError>, usize)> {
        let (framing, limits) = (self.framing, self.limits);
        let fits = |claimed, before: &[u8]| limits.allow(claimed, || is_known || takes_token(framing, before));
        match self.splitter.split(bytes, objects_of_request, fits) {
            Ok(None) => None,
            Ok(Some((frame, length))) => Some((self.read(frame), length)),
            Err(err) => Some((Err(err), bytes.len())),
        }
    }

    /// Reads a request by the version that is spoken, and turns version 2 on where it asks for that: what follows may be here
    /// already.
    fn read<'a>(&mut self, mut frame: Frame<'a>) -> Result<Request<'a>, CodecError> {
        let stage = self.stage;
        self.stage = stage.max(Stage::Version1);
        let action = Action::of(frame.objects().first().unwrap_or(&Object::Other), self.framing)?;
        let is_later = Action::VERSION_2.contains(&action);
        let options = match stage {
            Stage::First if action == Action::Hello => frame.take_options(),
            _ if action == Action::Hello => return Err(CodecError::LateHello),
            Stage::First | Stage::Version1 if is_later => return Err(CodecError::UnknownAction),
            Stage::First | Stage::Version1 => Options::default(),
            Stage::Version2 => frame.take_options(),
        };
        let request = Request::from_frame(action, &frame, &options)?;
        if matches!(request, Request::Hello { version, .. } if version >= VERSION) {
            self.stage = Stage::Version2;
        }
        Ok(request)
    }
}

impl RequestLimits {
    fn allow(self, claimed: u64, is_more_allowed: impl Fn() -> bool) -> Result<(), CodecError> {
        at_most(self.stranger_max_bytes.min(self.max_bytes), claimed)
            .or_else(|err| if is_more_allowed() { at_most(self.max_bytes, claimed) } else { Err(err) })
    }
}

/// Whether these first bytes of a request hold an action that a token authenticates.
fn takes_token(framing: Framing, bytes: &[u8]) -> bool {
    first_object(framing, bytes).and_then(|object| Action::of(&object, framing).ok()).is_some_and(Action::takes_token)
}

/// How many objects a bare request has, by its action.
fn objects_of_request(frame: &Frame<'_>) -> Result<usize, CodecError> {
    match frame.objects() {
        [action, ..] => Ok(1 + Action::of(action, Framing::Bare)?.arity()),
        [] => Ok(1),
    }
}
