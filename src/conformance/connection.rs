//! One connection to the server: what is sent, and what comes.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::behaviour::{Met, Unmet, Wire};
use super::{message, refusals};

/// What a response or an update may have besides a content. Units: bytes.
const OVERHEAD_BYTES: usize = 1024;

/// A connection, and who is logged in on it.
pub(super) struct Connection {
    pub(super) wire: Wire,
    /// Of the login; empty before one.
    pub(super) username: String,
    pub(super) token: String,
    /// What version 2 tells at a login.
    pub(super) head: String,
    /// Updates that came while a response was awaited.
    pub(super) updates: VecDeque<Value>,
    /// Updates of what else has changed, which say nothing of where they come.
    pub(super) changes: Vec<Value>,
    /// What is awaited, for people.
    pub(super) awaited: String,
    stream: TcpStream,
    input: Vec<u8>,
    /// The action of each request that has no response yet.
    unanswered: VecDeque<String>,
    /// Of the response that came last.
    answered: String,
    /// Units: bytes of the longest message that may come.
    max_bytes: usize,
    /// How long one message may take.
    patience: Duration,
    /// What was sent last, for people.
    sent: String,
    /// The bytes of the message that came last.
    came: Vec<u8>,
}

/// What the server may send, and how slowly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Units: bytes of a message's content.
    pub(super) content_bytes: usize,
    /// How long one message may take.
    pub(super) patience: Duration,
}

impl Connection {
    /// A connection on which nothing was sent.
    pub(super) async fn open(
        connect: impl Future<Output = io::Result<TcpStream>>,
        wire: Wire,
        bounds: Bounds,
    ) -> Met<Self> {
        let Bounds { content_bytes, patience } = bounds;
        let stream = match timeout(patience, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(err)) => return Err(Unmet::because(format!("cannot connect: {err}"))),
            Err(_) => return Err(Unmet::because(format!("no connection within {patience:?}"))),
        };
        // Without, it is only slower.
        stream.set_nodelay(true).ok();
        Ok(Self {
            wire,
            username: String::new(),
            token: String::new(),
            head: String::new(),
            updates: VecDeque::new(),
            changes: Vec::new(),
            awaited: String::new(),
            stream,
            input: Vec::new(),
            unanswered: VecDeque::new(),
            answered: String::new(),
            max_bytes: content_bytes + OVERHEAD_BYTES,
            patience,
            sent: "nothing".to_owned(),
            came: Vec::new(),
        })
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, request: &Value) -> Met {
        self.send_as(request, &message::encode(self.wire.framing(), request)).await
    }

    /// Sends a request in these bytes.
    pub(super) async fn send_as(&mut self, request: &Value, bytes: &[u8]) -> Met {
        self.unanswered.push_back(request[0].as_str().unwrap_or_default().to_owned());
        self.sent = message::shown(request);
        self.write(bytes).await
    }

    /// Sends bytes that are no request, or not yet.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> Met {
        self.sent = message::hex(bytes);
        self.write(bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Met {
        match timeout(self.patience, self.stream.write_all(bytes)).await {
            // To a connection that the server has ended: what it said before is still to be read.
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(self.unmet(&format!("the server has not read what was sent for {:?}", self.patience))),
        }
    }

    /// Tells the server that nothing more comes.
    pub(super) async fn shut_down(&mut self) -> Met {
        let shut_down = self.stream.shutdown().await;
        shut_down.map_err(|err| self.unmet(&format!("the end of the connection: {err}")))
    }

    /// The next message as it is read; `None` at the end of the stream.
    pub(super) async fn read(&mut self) -> Met<Option<Value>> {
        loop {
            if let Some(message) = self.take_message()? {
                if is_change(self.wire, &message) {
                    self.changes.push(message);
                    continue;
                }
                return Ok(Some(message));
            }
            match timeout(self.patience, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(0)) if self.input.is_empty() => return Ok(None),
                Ok(Ok(0)) => return Err(self.unmet_input("the end of the connection within a message")),
                Ok(Ok(_)) => {}
                Ok(Err(err)) => return Err(self.unmet(&format!("the end of the connection: {err}"))),
                Err(_) if self.input.is_empty() => return Err(self.unmet(&format!("nothing for {:?}", self.patience))),
                Err(_) => return Err(self.unmet_input(&format!("no whole message for {:?}", self.patience))),
            }
        }
    }

    fn take_message(&mut self) -> Met<Option<Value>> {
        let is_login = self.unanswered.front().is_some_and(|action| action == "login");
        let read = message::read(self.wire.framing(), &self.input, is_login);
        let Some((message, length)) = read.map_err(|what| self.unmet_input(&what))? else { return Ok(None) };
        if length > self.max_bytes {
            return Err(self.unmet_input(&format!("a message of {length} bytes")));
        }
        self.came = self.input.drain(..length).collect();
        if message[0] == "response" {
            self.answered = self.unanswered.pop_front().unwrap_or_default();
        }
        Ok(Some(message))
    }

    /// The bytes of the message that came last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.came
    }

    /// The action that the last response answers; empty where that was no request.
    pub(super) fn answered(&self) -> &str {
        &self.answered
    }

    /// Something else than what is awaited.
    pub(super) fn unmet(&self, came: &str) -> Unmet {
        let labels = [("sent", &*self.sent), ("awaited", &*self.awaited), ("came", came)];
        Unmet::Failed(labels.iter().map(|(label, text)| format!("{label:<8} {text}")).collect())
    }

    /// Another message, the one that came last, than what is awaited.
    pub(super) fn mismatch(&self, message: &Value) -> Unmet {
        if let Some(why) = refusals::limit_in(message) {
            return Unmet::Skipped(format!("the server says: {why}"));
        }
        self.with_bytes(self.unmet(&message::shown(message)), &self.came)
    }

    fn unmet_input(&self, came: &str) -> Unmet {
        self.with_bytes(self.unmet(came), &self.input)
    }

    fn with_bytes(&self, unmet: Unmet, bytes: &[u8]) -> Unmet {
        match unmet {
            Unmet::Failed(mut lines) => {
                lines.push(format!("{:<8} {}", "in bytes", message::hex(bytes)));
                Unmet::Failed(lines)
            }
            skipped @ Unmet::Skipped(_) => skipped,
        }
    }
}

/// Whether an update is a hint of version 2, of whatever kind: neither a message nor a word about the log or the session.
fn is_change(wire: Wire, message: &Value) -> bool {
    let kind = message[1].as_str();
    let is_due = matches!(kind, Some("whisper" | "msg_group" | "synced" | "gap" | "session_ended"));
    wire == Wire::Version2 && message[0] == "update" && !is_due
}
