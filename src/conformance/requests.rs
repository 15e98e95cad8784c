//! What users ask for.

use serde_json::{Value, json};

use super::awaiting::{is_id, map, plain};
use super::behaviour::Met;
use super::connection::Connection;

/// A user that the suite has made up.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl User {
    pub(super) fn register(&self) -> Value {
        json!(["register", self.name, self.password])
    }

    pub(super) fn log_in(&self) -> Value {
        json!(["login", self.name, self.password])
    }
}

/// Requests of the user who is logged in.
impl Connection {
    pub(super) fn add_contact(&self, contact: &str) -> Value {
        json!(["add_contact", self.username, self.token, contact])
    }

    pub(super) fn whisper(&self, recipient: &str, content: &str) -> Value {
        json!(["whisper", self.username, self.token, recipient, content])
    }

    pub(super) fn create_group(&self, group_name: &str) -> Value {
        json!(["create_group", self.username, self.token, group_name])
    }

    pub(super) fn join_group(&self, group_name: &str) -> Value {
        json!(["join_group", self.username, self.token, group_name])
    }

    pub(super) fn message_group(&self, group_name: &str, content: &str) -> Value {
        json!(["msg_group", self.username, self.token, group_name, content])
    }

    pub(super) fn log_out(&self) -> Value {
        json!(["logout", self.username])
    }

    pub(super) fn resume(&self) -> Value {
        json!(["resume", self.username, self.token])
    }

    pub(super) fn sync(&self, after: &Value) -> Value {
        json!(["sync", self.username, self.token, { "after": after }])
    }

    /// The update that a whisper of this user is.
    pub(super) fn whispers(&self, content: &str) -> Value {
        json!(["update", "whisper", self.username, content])
    }

    /// The update that a group message of this user is.
    pub(super) fn says(&self, group_name: &str, content: &str) -> Value {
        json!(["update", "msg_group", group_name, self.username, content])
    }

    /// Logs in. The response must be that of a login.
    pub(super) async fn log_in(&mut self, user: &User) -> Met {
        self.begin(&user.log_in()).await
    }

    /// Sends a request that logs in, and notes the login.
    pub(super) async fn begin(&mut self, request: &Value) -> Met {
        self.send(request).await?;
        "[\"response\", true, username, token], and in version 2 the head".clone_into(&mut self.awaited);
        let response = self.response().await?;
        let (login, map) = (plain(self.wire, &response), map(&response));
        let is_version_2 = self.wire.is_version_2();
        match login.as_array().map(Vec::as_slice) {
            Some([_, Value::Bool(true), Value::String(username), Value::String(token)])
                if !is_version_2 || is_id(map.get("head")) =>
            {
                (self.username, self.token) = (username.clone(), token.clone());
                self.head = map.get("head").and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok(())
            }
            _ => Err(self.mismatch(&response)),
        }
    }

    /// Authenticates requests by the login of another connection. Nothing is sent for it.
    pub(super) fn use_login_of(&mut self, other: &Self) {
        (self.username, self.token) = (other.username.clone(), other.token.clone());
    }

    /// In version 2, asks for what is new behind `after`; everything up to what was there then must come, and is returned.
    pub(super) async fn catch_up(&mut self, after: &Value) -> Met<Vec<Value>> {
        self.done(&self.sync(after)).await?;
        let mut updates = Vec::new();
        loop {
            let update = self.update().await?;
            if update[1] == "synced" {
                self.ensure(is_id(map(&update).get("id")), "the id of the newest message", &update)?;
                return Ok(updates);
            }
            updates.push(update);
        }
    }
}

/// The request with a map of options behind its arguments.
pub(super) fn with(mut request: Value, options: Value) -> Value {
    request.as_array_mut().expect("a request is an array").push(options);
    request
}
