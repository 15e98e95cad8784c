//! What is awaited on a connection.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::behaviour::{Met, Wire};
use super::connection::Connection;
use super::message;
use super::refusals::Refusal;

/// For how long nothing may come where nothing is due: longer than a server takes that answers what is not there yet.
const QUIET: Duration = Duration::from_millis(200);

/// How long after a message's arrival it counts as received, wherever its user logs in next. TCP acknowledges within 40 ms.
const ACKNOWLEDGED: Duration = Duration::from_millis(100);

/// How a content begins of which no behaviour knows: see [`Connection::updates_so_far`].
const BARRIER: &str = "barrier ";

/// Units: bytes of the longest id.
const MAX_ID_BYTES: usize = 32;

impl Connection {
    /// The next message: a kept update first, or else what the server sends next.
    pub(super) async fn next(&mut self) -> Met<Value> {
        match self.updates.pop_front() {
            Some(update) => Ok(update),
            None => self.read_next().await,
        }
    }

    async fn read_next(&mut self) -> Met<Value> {
        loop {
            match self.read().await? {
                Some(message) if is_barrier(&message) => {}
                Some(message) => return Ok(message),
                None => return Err(self.unmet("the end of the connection")),
            }
        }
    }

    /// The next response. Updates before it are kept.
    pub(super) async fn response(&mut self) -> Met<Value> {
        loop {
            let message = self.read_next().await?;
            if message[0] == "response" {
                return Ok(message);
            }
            self.updates.push_back(message);
        }
    }

    /// The next update, which comes before the next response.
    pub(super) async fn update(&mut self) -> Met<Value> {
        "an update".clone_into(&mut self.awaited);
        let message = self.next().await?;
        if message[0] == "update" { Ok(message) } else { Err(self.mismatch(&message)) }
    }

    /// Sends a request, no login, that must be done.
    pub(super) async fn done(&mut self, request: &Value) -> Met<Value> {
        self.send(request).await?;
        self.is_done().await
    }

    /// The next response must say that a request, no login, was done.
    pub(super) async fn is_done(&mut self) -> Met<Value> {
        "[\"response\", true], and in version 2 of a message its id and at".clone_into(&mut self.awaited);
        let response = self.response().await?;
        let is_message = matches!(self.answered(), "whisper" | "msg_group");
        let is_done = plain(self.wire, &response) == json!(["response", true])
            && (!is_message || is_stamped(self.wire, &response));
        if is_done { Ok(response) } else { Err(self.mismatch(&response)) }
    }

    /// Sends a request that must be refused.
    pub(super) async fn refused(&mut self, request: &Value, refusal: &Refusal) -> Met {
        self.send(request).await?;
        self.is_refused(refusal).await
    }

    /// The next response must be this refusal.
    pub(super) async fn is_refused(&mut self, refusal: &Refusal) -> Met {
        self.awaited = refusal.shown(self.wire);
        let response = self.response().await?;
        if refusal.is(self.wire, &response) { Ok(()) } else { Err(self.mismatch(&response)) }
    }

    /// The next update must be this message, of which version 2 says more.
    pub(super) async fn receives(&mut self, expected: &Value) -> Met<Value> {
        let update = self.update().await?;
        self.awaited = format!("{}, and in version 2 its id and at", message::shown(expected));
        let is_expected = plain(self.wire, &update) == *expected && is_stamped(self.wire, &update);
        if is_expected { Ok(update) } else { Err(self.mismatch(&update)) }
    }

    /// For a moment nothing may come.
    pub(super) async fn is_quiet(&mut self) -> Met {
        "nothing".clone_into(&mut self.awaited);
        match timeout(QUIET, self.read()).await {
            Err(_) => Ok(()),
            Ok(Ok(Some(message))) => Err(self.mismatch(&message)),
            Ok(Ok(None)) => Err(self.unmet("the end of the connection")),
            Ok(Err(unmet)) => Err(unmet),
        }
    }

    /// The server must end the connection without another word.
    pub(super) async fn ends(&mut self) -> Met {
        "the end of the connection".clone_into(&mut self.awaited);
        match self.read().await? {
            None => Ok(()),
            Some(message) => Err(self.mismatch(&message)),
        }
    }

    /// Ends the connection well: what has come on it counts as received.
    pub(super) async fn leave(mut self) -> Met {
        self.shut_down().await?;
        self.ends().await?;
        sleep(ACKNOWLEDGED).await;
        Ok(())
    }

    /// All updates that are due by now, those of other barriers left out: they come before a whisper to oneself, for messages
    /// have one order.
    pub(super) async fn updates_so_far(&mut self) -> Met<Vec<Value>> {
        let barrier = format!("{BARRIER}{}", Uuid::new_v4());
        self.send(&self.whisper(&self.username, &barrier)).await?;
        "the response to a whisper to oneself, and its update".clone_into(&mut self.awaited);
        let mut updates: Vec<Value> = self.updates.drain(..).collect();
        let (mut is_answered, mut has_come) = (false, false);
        while !(is_answered && has_come) {
            let Some(message) = self.read().await? else { return Err(self.unmet("the end of the connection")) };
            match message[0].as_str() {
                Some("response") if message[1] == true && !is_answered => is_answered = true,
                Some("update") if content(&message) == Some(&barrier) => has_come = true,
                Some("update") if is_barrier(&message) => {}
                Some("update") => updates.push(message),
                _ => return Err(self.mismatch(&message)),
            }
        }
        Ok(updates)
    }

    /// No update may be due.
    pub(super) async fn receives_nothing(&mut self) -> Met {
        let updates = self.updates_so_far().await?;
        self.ensure(updates.is_empty(), "no update", &updates.into())
    }

    /// Unmet unless it `holds`; `awaited` says what should.
    pub(super) fn ensure(&mut self, holds: bool, awaited: &str, came: &Value) -> Met {
        awaited.clone_into(&mut self.awaited);
        if holds { Ok(()) } else { Err(self.unmet(&message::shown(came))) }
    }
}

/// What was said, where a message is an update that says something.
pub(super) fn content(message: &Value) -> Option<&str> {
    match message[1].as_str() {
        Some("whisper") => message[3].as_str(),
        Some("msg_group") => message[4].as_str(),
        _ => None,
    }
}

fn is_barrier(message: &Value) -> bool {
    content(message).is_some_and(|content| content.starts_with(BARRIER))
}

/// What was said in each of these updates, in their order; of other updates what they are.
pub(super) fn contents(updates: &[Value]) -> Vec<&str> {
    updates.iter().map(|update| content(update).or(update[1].as_str()).unwrap_or_default()).collect()
}

/// A message without the map that it may end in where version 2 is spoken.
pub(super) fn plain(wire: Wire, message: &Value) -> Value {
    let mut message = message.clone();
    if let Some(objects) = message.as_array_mut().filter(|_| wire.is_version_2())
        && objects.last().is_some_and(Value::is_object)
    {
        objects.pop();
    }
    message
}

/// The map that a message of version 2 ends in.
pub(super) fn map(message: &Value) -> Map<String, Value> {
    let last = message.as_array().and_then(|objects| objects.last());
    last.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Whether what `map` has there is an id.
pub(super) fn is_id(id: Option<&Value>) -> bool {
    id.and_then(Value::as_str).is_some_and(|id| id.len() <= MAX_ID_BYTES)
}

/// Whether a message has what the version says of those that are stored.
fn is_stamped(wire: Wire, message: &Value) -> bool {
    let map = map(message);
    !wire.is_version_2() || (is_id(map.get("id")) && map.get("at").is_some_and(Value::is_i64))
}
