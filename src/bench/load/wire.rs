//! One connection of the load: bytes out as they come, bytes in by large reads.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scanner::{Scanned, scan};
use crate::bench::error::BenchError;
use crate::client::Login;
use crate::domain::Secret;
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
    decoder: ReplyDecoder,
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
        let decoder = ReplyDecoder::new(Framing::Array, MAX_BYTES);
        Ok(Self { stream, decoder, input: Vec::new(), filled: 0, output: Vec::new(), written: 0 })
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
    pub(crate) fn drain(&mut self, mut hear: impl FnMut(Heard<'_>)) -> Result<(), BenchError> {
        let mut at = 0;
        while at < self.filled {
            let bytes = &self.input[at..self.filled];
            if let Some((scanned, length)) = scan(bytes) {
                hear(match scanned {
                    Scanned::Done => Heard::Done { length },
                    Scanned::Said(content) => Heard::Said { content, length },
                });
                at += length;
                continue;
            }
            let Some((from_server, length)) = self.decoder.decode(bytes, None)? else { break };
            match &from_server {
                FromServer::Update(update) if update.content().is_some() => {
                    hear(Heard::Said { content: update.content().unwrap_or_default().as_bytes(), length });
                }
                FromServer::Update(Update::Synced { .. }) => hear(Heard::Synced),
                FromServer::Response(Response::Refused(refused)) => hear(Heard::Refused(refused.clone())),
                FromServer::Response(Response::Done | Response::Accepted { .. }) => hear(Heard::Done { length }),
                _ => hear(Heard::Other),
            }
            at += length;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }

    /// Sends one request and waits for its success, while no other is under way and no update can come.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Response, BenchError> {
        let answered = timeout(ANSWER_DEADLINE, self.answer_to(request)).await;
        let silent = BenchError::Silent { what: "an answer", seconds: ANSWER_DEADLINE.as_secs() };
        match answered.map_err(|_| silent)?? {
            Response::Refused(refused) => {
                Err(BenchError::Answer { action: request.action().name(), said: refused.why })
            }
            response => Ok(response),
        }
    }

    async fn answer_to(&mut self, request: &Request) -> Result<Response, BenchError> {
        self.stream.write_all(&request.encode(Framing::Array)).await?;
        loop {
            let decoded = self.decoder.decode(&self.input[..self.filled], Some(request.action()))?;
            if let Some((from_server, length)) = decoded {
                self.input.copy_within(length..self.filled, 0);
                self.filled -= length;
                if let FromServer::Response(response) = from_server {
                    return Ok(response);
                }
            } else {
                self.turn().await?;
            }
        }
    }

    /// Turns version 2 on.
    pub(crate) async fn hello(&mut self) -> Result<(), BenchError> {
        let client = concat!("chinwag-bench/", env!("CARGO_PKG_VERSION"));
        self.ask(&Request::Hello { version: VERSION, client: Some(client.to_owned()) }).await.map(drop)
    }

    /// Logs in, by `login` or `resume`.
    pub(crate) async fn log_in(&mut self, request: &Request) -> Result<Login, BenchError> {
        debug_assert!(matches!(request.action(), Action::LogIn | Action::Resume));
        match self.ask(request).await? {
            Response::LoggedIn { username, token, head } => Ok(Login { username, token, head }),
            other => Err(BenchError::Answer { action: request.action().name(), said: format!("{other:?}") }),
        }
    }

    /// From now on messages come, from after `after`.
    pub(crate) async fn sync(&mut self, login: &Login, after: Option<String>) -> Result<(), BenchError> {
        let (username, token): (String, Secret) = (login.username.clone(), login.token.clone());
        self.ask(&Request::Sync { username, token, after }).await.map(drop)
    }
}
