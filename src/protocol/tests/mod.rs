//! The codec as a whole: what is encoded is decoded, what is documented is true, and no bytes do harm.

mod bad_input;
mod bad_replies;
mod document;
mod properties;
mod vectors;
mod version_2;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::{
    Action, CodecError, Framing, FromServer, Refused, ReplyDecoder, Request, RequestDecoder, RequestLimits, Response,
};
use crate::domain::Secret;

const MAX_BYTES: usize = 65_536;

const LIMITS: RequestLimits = RequestLimits { max_bytes: MAX_BYTES, stranger_max_bytes: 4096 };

const FRAMINGS: [Framing; 2] = [Framing::Bare, Framing::Array];

/// What a connection makes of bytes that arrive in `pieces`, up to the error that ends it.
fn decode_requests<'a>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Request<'static>, CodecError>> {
    decode_requests_within(framing, LIMITS, true, pieces)
}

/// The same within `limits`, of a connection that `is_known` or a stranger's.
fn decode_requests_within<'a>(
    framing: Framing,
    limits: RequestLimits,
    is_known: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Request<'static>, CodecError>> {
    let mut decoder = RequestDecoder::new(framing, limits);
    let (mut input, mut ends) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        ends.push(input.len());
    }
    // For as long as the process runs: what is decoded borrows from it.
    let input: &'static [u8] = input.leak();
    let (mut start, mut decoded) = (0, Vec::new());
    for end in ends {
        while let Some((request, length)) = decoder.decode(&input[start..end], is_known) {
            start += length;
            let is_over = request.as_ref().is_err_and(|err| err.ends_connection(framing));
            decoded.push(request);
            if is_over {
                return decoded;
            }
        }
    }
    decoded
}

/// What a client makes of bytes that arrive in `pieces`, having sent the actions `awaited`; up to the first error.
fn decode_replies<'a>(
    framing: Framing,
    awaited: impl IntoIterator<Item = Action>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<FromServer>, CodecError> {
    let mut decoder = ReplyDecoder::new(framing, MAX_BYTES);
    let mut awaited: VecDeque<Action> = awaited.into_iter().collect();
    let (mut input, mut start, mut decoded) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some((reply, length)) = decoder.decode(&input[start..], awaited.front().copied())? {
            start += length;
            if let FromServer::Response(_) = reply {
                awaited.pop_front();
            }
            decoded.push(reply);
        }
    }
    Ok(decoded)
}

/// `action` with its first arguments from `texts`.
fn request(action: Action, texts: [String; 4]) -> Request<'static> {
    let [username, second, third, fourth] = texts.map(Cow::<str>::Owned);
    let (password, token) = (Secret::new(second.clone()), Secret::new(second));
    match action {
        Action::Register => Request::Register { username, password },
        Action::LogIn => Request::LogIn { username, password },
        Action::LogOut => Request::LogOut { username },
        Action::AddContact => Request::AddContact { username, token, contact: third },
        Action::Whisper => Request::Whisper { username, token, recipient: third, content: fourth, nonce: None },
        Action::CreateGroup => Request::CreateGroup { username, token, group_name: third },
        Action::JoinGroup => Request::JoinGroup { username, token, group_name: third },
        Action::MessageGroup => {
            Request::MessageGroup { username, token, group_name: third, content: fourth, nonce: None }
        }
        _ => panic!("{action:?} is not of version 1"),
    }
}

fn encode_reply(reply: &FromServer, framing: Framing) -> Vec<u8> {
    match reply {
        FromServer::Response(response) => response.encode(framing),
        FromServer::Update(update) => update.encode(framing),
    }
}

/// The action whose response can be `reply`; any will do where that does not matter.
fn asked_for(reply: &FromServer) -> Option<Action> {
    match reply {
        FromServer::Response(Response::LoggedIn { .. }) => Some(Action::LogIn),
        FromServer::Response(_) => Some(Action::Whisper),
        FromServer::Update(_) => None,
    }
}

/// A `str` of up to 31 bytes.
fn short_text(text: &str) -> Vec<u8> {
    [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// Objects as one request.
fn frame(framing: Framing, objects: &[&[u8]]) -> Vec<u8> {
    match framing {
        Framing::Bare => objects.concat(),
        Framing::Array => [&[0x90 | u8::try_from(objects.len()).unwrap()], objects.concat().as_slice()].concat(),
    }
}
