//! One connection of the load: bytes out as they come, bytes in by large reads.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scanner::{Scanned, scan};
use crate::bench::error::BenchError;
use crate::client::Login;
use crate::protocol::{Action, Framing, FromServer, Refused, ReplyDecoder, Request, Response, Update, VERSION};

/// How long a request outside the measurement may take: hashing passwords for many users takes its time.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Units: bytes of the longest response or update that is taken.
const MAX_BYTES: usize = 1024 * 1024;

/// Units: bytes that are read at once, to begin with.
const READ_BYTES: usize = 4 * 1024;

/// Units: bytes that are read at once where more comes all the time.
const MOST_READ_BYTES: usize = 128 * 1024;

/// What has come.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    /// The oldest request was done.
    Done {
        /// Units: bytes.
        length: usize,
    },
    /// The oldest request was refused.
    Refused(Refused),
    /// A message.
    Said {
        content: &'a [u8],
        /// Of the whole update. Units: bytes.
        length: usize,
    },
    /// The past has come; the id may be kept.
    Synced,
    /// Some other update, or a response to something that is not a message.
    Other,
}

/// A connection in array framing.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
    /// Units: bytes of `input` that have been read; those behind are room.
    filled: usize,
    output: Vec<u8>,
    /// Units: bytes of `output` that are with the kernel.
    written: usize,
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), filled: 0, output: Vec::new(), written: 0 })
    }

    /// What is appended here is sent by [`Wire::flush`] and [`Wire::turn`].
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Hands to the kernel what it takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.try_write(&self.output[self.written..]) {
                Ok(count) => self.wrote(count),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// Writes what is left to write until something has come.
    ///
    /// Cancel safety: may be dropped and called again.
    pub(crate) async fn turn(&mut self) -> Result<(), BenchError> {
        match poll_fn(|cx| self.poll_turn(cx)).await? {
            0 => Err(BenchError::Closed),
            _ => Ok(()),
        }
    }

    /// The same, where something must come soon.
    pub(crate) async fn turn_in_time(&mut self, what: &'static str) -> Result<(), BenchError> {
        let turned = timeout(ANSWER_DEADLINE, self.turn()).await;
        turned.map_err(|_| BenchError::Silent { what, seconds: ANSWER_DEADLINE.as_secs() })?
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while self.written < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output[self.written..]) {
                Poll::Ready(written) => self.wrote(written?),
                Poll::Pending => break,
            }
        }
        if self.filled == self.input.len() {
            self.grow();
        }
        let mut room = ReadBuf::new(&mut self.input[self.filled..]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.filled += count;
        if self.filled == self.input.len() && self.filled < MOST_READ_BYTES {
            self.grow();
        }
        Poll::Ready(Ok(count))
    }

    fn grow(&mut self) {
        let larger = (self.input.len() * 2).max(READ_BYTES);
        self.input.resize(larger, 0);
    }

    /// Takes all that has come whole.
    pub(crate) fn drain(&mut self, hear: impl FnMut(Heard<'_>)) -> Result<(), BenchError> {
        let taken = take_whole(&self.input[..self.filled], hear)?;
        self.consume(taken);
        Ok(())
    }

    fn consume(&mut self, taken: usize) {
        self.input.copy_within(taken..self.filled, 0);
        self.filled -= taken;
    }

    /// Sends one request and waits for its success, while no other is under way and no update can come.
    pub(crate) async fn ask(&mut self, request: &Request<'_>) -> Result<Response, BenchError> {
        let responses = self.ask_all(std::slice::from_ref(request)).await?;
        Ok(responses.into_iter().next().expect("one request has one response"))
    }

    /// The same for several requests, which are sent together.
    pub(crate) async fn ask_all(&mut self, requests: &[Request<'_>]) -> Result<Vec<Response>, BenchError> {
        for request in requests {
            self.output.extend(request.encode(Framing::Array));
        }
        self.flush()?;
        let mut responses = Vec::new();
        while let Some(request) = requests.get(responses.len()) {
            let action = request.action();
            match decode(&self.input[..self.filled], Some(action))? {
                Some((from_server, length)) => {
                    self.consume(length);
                    match from_server {
                        FromServer::Response(Response::Refused(refused)) => {
                            return Err(BenchError::Answer { action: action.name(), said: refused.why });
                        }
                        FromServer::Response(response) => responses.push(response),
                        FromServer::Update(_) => {}
                    }
                }
                None => self.turn_in_time("an answer").await?,
            }
        }
        Ok(responses)
    }

    /// Turns version 2 on.
    pub(crate) async fn hello(&mut self) -> Result<(), BenchError> {
        let client = concat!("chinwag-bench/", env!("CARGO_PKG_VERSION"));
        self.ask(&Request::Hello { version: VERSION, client: Some(client.into()) }).await.map(drop)
    }

    /// Logs in, by `login` or `resume`.
    pub(crate) async fn log_in(&mut self, request: &Request<'_>) -> Result<Login, BenchError> {
        debug_assert!(matches!(request.action(), Action::LogIn | Action::Resume));
        match self.ask(request).await? {
            Response::LoggedIn { username, token, head } => Ok(Login { username, token, head }),
            other => Err(BenchError::Answer { action: request.action().name(), said: format!("{other:?}") }),
        }
    }

    /// From now on messages come, from after `after`.
    pub(crate) async fn sync(&mut self, login: &Login, after: Option<String>) -> Result<(), BenchError> {
        let (username, token) = login.credentials();
        self.ask(&Request::Sync { username, token, after: after.map(Into::into) }).await.map(drop)
    }
}

/// Hands on all that is whole at the start of `bytes`; returns where that ends.
fn take_whole(bytes: &[u8], mut hear: impl FnMut(Heard<'_>)) -> Result<usize, BenchError> {
    let mut at = 0;
    while at < bytes.len() {
        if let Some((scanned, length)) = scan(&bytes[at..]) {
            hear(match scanned {
                Scanned::Done => Heard::Done { length },
                Scanned::Said(content) => Heard::Said { content, length },
            });
            at += length;
            continue;
        }
        let Some((from_server, length)) = decode(&bytes[at..], None)? else { break };
        match &from_server {
            FromServer::Update(update) => match (update.content(), update) {
                (Some(content), _) => hear(Heard::Said { content: content.as_bytes(), length }),
                (None, Update::Synced { .. }) => hear(Heard::Synced),
                (None, _) => hear(Heard::Other),
            },
            FromServer::Response(Response::Refused(refused)) => hear(Heard::Refused(refused.clone())),
            FromServer::Response(Response::Done | Response::Accepted { .. }) => hear(Heard::Done { length }),
            FromServer::Response(_) => hear(Heard::Other),
        }
        at += length;
    }
    Ok(at)
}

/// What the protocol's own decoder makes of it. A new one each time: it remembers how far it had come in what was not whole, and
/// that may have been scanned since.
fn decode(bytes: &[u8], awaited: Option<Action>) -> Result<Option<(FromServer, usize)>, BenchError> {
    Ok(ReplyDecoder::new(Framing::Array, MAX_BYTES).decode(bytes, awaited)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_alike_however_their_bytes_are_cut() {
        let sent = [
            Response::Done.encode(Framing::Array),
            Update::Synced { id: "7".to_owned() }.encode(Framing::Array),
            Update::Whisper { sender: "ada".to_owned(), content: "hello".to_owned(), stamp: None }
                .encode(Framing::Array),
            Response::Refused(Refused::because("no")).encode(Framing::Array),
            Update::Refresh.encode(Framing::Array),
            Response::Done.encode(Framing::Array),
        ];
        let bytes = sent.concat();

        for step in 1..bytes.len() {
            let (mut input, mut heard) = (Vec::new(), String::new());
            for piece in bytes.chunks(step) {
                input.extend_from_slice(piece);
                let taken = take_whole(&input, |message| {
                    heard.push(match message {
                        Heard::Done { .. } => 'd',
                        Heard::Refused(_) => 'r',
                        Heard::Said { content: b"hello", .. } => 'h',
                        Heard::Said { .. } => '?',
                        Heard::Synced => 's',
                        Heard::Other => 'o',
                    });
                });
                input.drain(..taken.unwrap());
            }
            assert_eq!(heard, "dshrod", "in pieces of {step}");
        }
    }
}
