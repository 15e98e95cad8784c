//! The task that sends: one message at a time, over one connection after another, until it is answered.
//!
//! A second message on its way could be accepted while the first is refused as busy, and then their order would be lost.

use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::speaker::Saying;
use super::{Accepted, Ended, Endpoint, OPEN_WITHIN, Outgoing, SendError, Standing, end, retry_after};
use crate::client::{Client, ClientError, Login};
use crate::protocol::{CodecError, Framing, Refused, Response, WireLimits};
use crate::shutdown::Shutdown;

/// How long an answer may take before the connection is given up. The server says within 2 s that it is busy, and may hold a
/// sender back for as long; what is longer is a disk that stalls, or a connection of which only this end is left.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a connection is kept while nothing is said. Routers forget a connection after some minutes of silence, and then it
/// takes [`ANSWER_WITHIN`] to find out.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Sending {
    server: Endpoint,
    program: String,
    queue: mpsc::Receiver<Saying>,
    standing: watch::Receiver<Standing>,
    line: Option<Line>,
}

/// A connection on which nobody is logged in: requests show the token, and no updates come.
struct Line {
    client: Client,
    limits: WireLimits,
}

/// What became of one try to send a message.
enum Try {
    Settled(Result<Accepted, SendError>),
    /// Over this connection, after this time.
    Again(Option<Duration>),
    /// Over another connection.
    Broken,
}

impl Sending {
    pub(super) fn new(
        server: Endpoint,
        program: String,
        queue: mpsc::Receiver<Saying>,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        Self { server, program, queue, standing, line: None }
    }

    /// Runs until nothing more is to be sent.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        tokio::select! {
            () = self.send() => {}
            () = shutdown.triggered() => {}
        }
        self.hang_up().await;
    }

    async fn send(&mut self) {
        while let Some(Saying { message, answer }) = self.next().await {
            let said = self.say(&message).await;
            // Who has asked may be gone, and the message is sent all the same.
            answer.send(said).ok();
        }
    }

    async fn next(&mut self) -> Option<Saying> {
        if self.line.is_some() {
            match timeout(IDLE, self.queue.recv()).await {
                Ok(saying) => return saying,
                Err(_) => self.hang_up().await,
            }
        }
        self.queue.recv().await
    }

    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            end(line.client).await;
        }
    }

    async fn say(&mut self, message: &Outgoing) -> Result<Accepted, SendError> {
        let mut backoff = Backoff::default();
        loop {
            let login = logged_in(&mut self.standing).await.map_err(SendError::Unanswered)?;
            let at_least = match self.try_to_say(message, &login).await {
                Try::Settled(said) => return said,
                Try::Again(at_least) => at_least,
                Try::Broken => {
                    self.line = None;
                    None
                }
            };
            tokio::select! {
                () = sleep(at_least.unwrap_or_else(|| backoff.next())) => {}
                ended = ended(&mut self.standing) => return Err(SendError::Unanswered(ended)),
            }
        }
    }

    async fn try_to_say(&mut self, message: &Outgoing, login: &Login) -> Try {
        let Ok(line) = self.line().await else { return Try::Broken };
        let request = message.request(&login.username, &login.token);
        // The server would end the connection over it, perhaps before its refusal is read, and then it would be sent again.
        if request.encode(Framing::Array).len() as u64 > line.limits.request_bytes {
            return Try::Settled(Err(SendError::Refused(too_large(line.limits))));
        }
        match timeout(ANSWER_WITHIN, line.client.ask(&request)).await {
            Ok(Ok(Response::Accepted { id, at_ms })) => Try::Settled(Ok(Accepted { id, at_ms })),
            Ok(Err(ClientError::Refused(refused))) => refusal(refused),
            Ok(Ok(_) | Err(_)) | Err(_) => Try::Broken,
        }
    }

    async fn line(&mut self) -> Result<&mut Line, ClientError> {
        let line = match self.line.take() {
            Some(line) => line,
            None => {
                let connected = timeout(OPEN_WITHIN, self.server.connect(&self.program)).await;
                let (client, limits) =
                    connected.map_err(|_| ClientError::Connect(io::ErrorKind::TimedOut.into()))??;
                Line { client, limits }
            }
        };
        Ok(self.line.insert(line))
    }
}

fn refusal(refused: Refused) -> Try {
    match refused.code.as_deref() {
        Some("busy" | "rate_limited") => Try::Again(retry_after(&refused)),
        // The connection's fault, and its end.
        Some("too_slow") => Try::Broken,
        // Also where the message was stored, and only its answer did not come.
        Some("not_authenticated") => Try::Settled(Err(SendError::Unanswered(Ended::Refused(refused)))),
        _ => Try::Settled(Err(SendError::Refused(refused))),
    }
}

/// What the server would say of a request that is too long for it.
fn too_large(limits: WireLimits) -> Refused {
    let max_bytes = usize::try_from(limits.request_bytes).unwrap_or(usize::MAX);
    Refused { code: Some("bad_request".to_owned()), ..Refused::because(CodecError::TooLarge { max_bytes }.to_string()) }
}

/// Waits for the first login.
async fn logged_in(standing: &mut watch::Receiver<Standing>) -> Result<Login, Ended> {
    let known = standing.wait_for(|standing| !matches!(standing, Standing::Unknown)).await;
    match known.as_deref() {
        Ok(Standing::LoggedIn(login)) => Ok(login.clone()),
        Ok(Standing::Ended(ended)) => Err(ended.clone()),
        Ok(Standing::Unknown) | Err(_) => Err(Ended::Dropped),
    }
}

/// Returns when there will be no login any more.
async fn ended(standing: &mut watch::Receiver<Standing>) -> Ended {
    let ended = standing.wait_for(|standing| matches!(standing, Standing::Ended(_))).await;
    match ended.as_deref() {
        Ok(Standing::Ended(ended)) => ended.clone(),
        Ok(_) | Err(_) => Ended::Dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, retry_ms: Option<i64>) -> Refused {
        Refused { code: Some(code.to_owned()), retry_ms, ..Refused::because("why") }
    }

    #[test]
    fn a_server_that_has_no_room_is_asked_again_when_it_says_so() {
        for code in ["busy", "rate_limited"] {
            let waits = [Some(250), Some(-1), None].map(|retry_ms| match refusal(refused(code, retry_ms)) {
                Try::Again(wait) => wait,
                _ => panic!("{code} is not for good"),
            });
            assert_eq!(waits, [Some(Duration::from_millis(250)), Some(Duration::ZERO), None]);
        }
    }

    #[test]
    fn a_message_is_refused_where_it_is_certain_that_it_is_not_stored() {
        let settled = |code| match refusal(refused(code, None)) {
            Try::Settled(Err(err)) => err,
            _ => panic!("{code} is for good"),
        };

        for code in ["unknown_user", "not_a_member", "conflict", "internal", "a code to come"] {
            assert_eq!(settled(code), SendError::Refused(refused(code, None)));
        }
        let ended = Ended::Refused(refused("not_authenticated", None));
        assert_eq!(settled("not_authenticated"), SendError::Unanswered(ended));
        assert!(matches!(refusal(refused("too_slow", None)), Try::Broken));
    }
}
