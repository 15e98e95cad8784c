//! What holds for any bytes: they do no harm, mean the same in pieces as at once, and what is read can be written again.

use std::collections::VecDeque;

use chinwag::protocol::{
    Action, CodecError, Framing, FromServer, ReplyDecoder, Request, RequestDecoder, RequestLimits, VERSION,
};

const LIMITS: RequestLimits = RequestLimits { max_bytes: 4096, stranger_max_bytes: 256 };

/// # Panics
/// When something does not hold.
pub(crate) fn try_bytes(framing: Framing, bytes: &[u8]) {
    for is_known in [false, true] {
        let at_once = requests(framing, is_known, bytes, bytes.len());
        for length in [1, 7] {
            assert_eq!(requests(framing, is_known, bytes, length), at_once, "in pieces of {length}, known: {is_known}");
        }
        for request in at_once.into_iter().flatten() {
            is_written_and_read(framing, request);
        }
    }
    let at_once = replies(framing, bytes, bytes.len());
    assert_eq!(replies(framing, bytes, 1), at_once);
}

/// In array framing on a connection that speaks version 2, for the request may be of that.
fn is_written_and_read(framing: Framing, request: Request<'_>) {
    let hello = Request::Hello { version: VERSION, client: None };
    let before = (framing == Framing::Array && request.action() != Action::Hello).then_some(hello);
    let asked: Vec<Request<'_>> = before.into_iter().chain([request]).collect();
    let written: Vec<u8> = asked.iter().flat_map(|request| request.encode(framing)).collect();
    let read = requests(framing, true, &written, written.len());
    assert_eq!(read, asked.into_iter().map(Ok).collect::<Vec<_>>());
}

/// What a connection makes of `bytes` that arrive in pieces of `length`, up to the error that ends it.
fn requests(framing: Framing, is_known: bool, bytes: &[u8], length: usize) -> Vec<Result<Request<'_>, CodecError>> {
    let mut decoder = RequestDecoder::new(framing, LIMITS);
    let (mut start, mut decoded) = (0, Vec::new());
    for end in ends(bytes, length) {
        while let Some((request, length)) = decoder.decode(&bytes[start..end], is_known) {
            assert!((1..=end - start).contains(&length), "a request takes some of the bytes that are there");
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

/// What a client makes of `bytes` that arrive in pieces of `length`, up to the first error. It awaits logins and whispers in
/// turn.
fn replies(framing: Framing, bytes: &[u8], length: usize) -> (Vec<FromServer>, Option<CodecError>) {
    let mut decoder = ReplyDecoder::new(framing, LIMITS.max_bytes);
    let mut awaited = VecDeque::from([Action::LogIn, Action::Whisper]);
    let (mut start, mut decoded) = (0, Vec::new());
    for end in ends(bytes, length) {
        loop {
            match decoder.decode(&bytes[start..end], awaited.front().copied()) {
                Ok(Some((reply, length))) => {
                    start += length;
                    if matches!(reply, FromServer::Response(_)) {
                        awaited.rotate_left(1);
                    }
                    decoded.push(reply);
                }
                Ok(None) => break,
                Err(err) => return (decoded, Some(err)),
            }
        }
    }
    (decoded, None)
}

fn ends(bytes: &[u8], length: usize) -> impl Iterator<Item = usize> {
    (0..=bytes.len()).step_by(length.max(1)).skip(1).chain([bytes.len()])
}
