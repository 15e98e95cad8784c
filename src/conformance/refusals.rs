//! The refusals of docs/PROTOCOL.md.
//!
//! In version 1 the sentence is compared: it is frozen, and nothing else tells one refusal from another. In version 2 it is the
//! code, and the sentence may be any.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::behaviour::Wire;
use super::message;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    why: Cow<'static, str>,
    code: &'static str,
}

pub(super) const INVALID_USERNAME: Refusal =
    refusal("a username is 1 to 32 of a-z, 0-9, '.', '_' and '-'", "invalid_username");
pub(super) const PASSWORD_NOT_ALLOWED: Refusal = refusal(
    "a password has at most 1024 bytes, no control characters and none newer than Unicode 6.3",
    "invalid_password",
);
pub(super) const PASSWORD_TOO_SHORT: Refusal = refusal("a password has at least 8 characters", "invalid_password");
pub(super) const PASSWORD_IS_USERNAME: Refusal = refusal("a password may not be the username", "invalid_password");
pub(super) const PASSWORD_TOO_COMMON: Refusal =
    refusal("this password is among the most common ones", "invalid_password");
pub(super) const USERNAME_TAKEN: Refusal = refusal("this username is taken", "username_taken");

pub(super) const LOGGED_IN_ALREADY: Refusal =
    refusal("this connection is logged in already; log out first", "logged_in_already");
pub(super) const WRONG_CREDENTIALS: Refusal = refusal("wrong username or password", "wrong_credentials");
pub(super) const NOT_LOGGED_IN: Refusal = refusal("this connection is not logged in as that user", "not_logged_in");
pub(super) const NOT_AUTHENTICATED: Refusal =
    refusal("this username and token are not valid together; log in again", "not_authenticated");

pub(super) const UNKNOWN_USER: Refusal = refusal("there is no such user", "unknown_user");
pub(super) const OWN_CONTACT: Refusal = refusal("you cannot be your own contact", "own_contact");
pub(super) const CONTENT_EMPTY: Refusal = refusal("content is empty", "invalid_content");
pub(super) const INVALID_GROUP_NAME: Refusal = refusal(
    "a group name is 1 to 64 characters, none of them a control character or newer than Unicode 6.3",
    "invalid_group_name",
);
pub(super) const GROUP_NAME_TAKEN: Refusal = refusal("this group name is taken", "group_name_taken");
pub(super) const UNKNOWN_GROUP: Refusal = refusal("there is no such group", "unknown_group");
pub(super) const MEMBER_ALREADY: Refusal = refusal("you are a member of this group already", "already_a_member");
pub(super) const NOT_A_MEMBER: Refusal =
    refusal("there is no such group, or you are not a member of it", "not_a_member");

pub(super) const WRONG_TYPE: Refusal = refusal("every argument of this action is a string", "bad_request");
pub(super) const WRONG_COUNT: Refusal = refusal("this action takes another number of arguments", "bad_request");
pub(super) const UNKNOWN_ACTION: Refusal = refusal("there is no such action", "unknown_action");
pub(super) const ACTION_NOT_STRING: Refusal = refusal("a request begins with its action, a string", "bad_request");
pub(super) const NOT_AN_ARRAY: Refusal =
    refusal("on this connection every request is an array, as the first one was", "bad_request");
pub(super) const NOT_UTF_8: Refusal = refusal("strings are UTF-8", "bad_request");
pub(super) const NOT_MESSAGE_PACK: Refusal = refusal("this is not MessagePack", "bad_request");
pub(super) const TOO_DEEP: Refusal = refusal("objects are nested too deeply", "bad_request");

pub(super) const OLD_VERSION: Refusal =
    refusal("with hello, a client speaks version 2 or newer", "unsupported_version");
pub(super) const LATE_HELLO: Refusal = refusal("hello is the first request of a connection", "bad_request");
pub(super) const WRONG_OPTION: Refusal =
    refusal("an option of this action has the wrong type, or is missing", "bad_request");
pub(super) const SYNCED_ALREADY: Refusal = refusal("this connection is synced already", "synced_already");
pub(super) const UNKNOWN_MESSAGE: Refusal = refusal("there is no such message", "unknown_message");
pub(super) const ZERO_LIMIT: Refusal = refusal("a limit is 1 or more", "bad_request");
/// Of these the document says no sentence, as they are of version 2 alone.
pub(super) const OWN_SESSION: Refusal = refusal("", "own_session");
pub(super) const UNKNOWN_SESSION: Refusal = refusal("", "unknown_session");
pub(super) const INVALID_NONCE: Refusal = refusal("", "invalid_nonce");
pub(super) const CONFLICT: Refusal = refusal("", "conflict");

const fn refusal(why: &'static str, code: &'static str) -> Refusal {
    Refusal { why: Cow::Borrowed(why), code }
}

/// Units: bytes that a content may have.
pub(super) fn content_too_long(content_bytes: usize) -> Refusal {
    Refusal { why: format!("content is over {content_bytes} bytes").into(), code: "invalid_content" }
}

/// Units: bytes that a request may have.
pub(super) fn request_too_large(request_bytes: usize) -> Refusal {
    Refusal { why: format!("a request has at most {request_bytes} bytes").into(), code: "bad_request" }
}

/// A refusal of version 1.
pub(super) fn saying(why: String) -> Refusal {
    Refusal { why: why.into(), code: "" }
}

/// Refusals that say nothing of the server but that it was asked too much.
const LIMITS: [&str; 4] = [
    "too many registrations from your address; try again in a minute",
    "too many failed logins for this username from your address; try again in a minute",
    "you are sending too much too fast; try again in a few seconds",
    "too many connections; try again in a minute",
];

/// Why, where a message says that a limit is reached.
pub(super) fn limit_in(message: &Value) -> Option<&str> {
    let is_limit = LIMITS.iter().any(|why| message[2] == *why) || message[3]["code"] == "rate_limited";
    if message[1] == false && is_limit { message[2].as_str() } else { None }
}

impl Refusal {
    /// Whether `response` is this refusal.
    pub(super) fn is(&self, wire: Wire, response: &Value) -> bool {
        match wire {
            Wire::Bare | Wire::Array => *response == self.response(wire),
            Wire::Version2 => self.is_in_version_2(response),
        }
    }

    fn is_in_version_2(&self, response: &Value) -> bool {
        let Some([tag, status, Value::String(why), Value::Object(map)]) = response.as_array().map(Vec::as_slice) else {
            return false;
        };
        let is_sentence = !why.is_empty() && !why.ends_with('.');
        let retry_is_integer = map.get("retry_ms").is_none_or(Value::is_i64);
        tag == "response"
            && status == false
            && is_sentence
            && map.get("code") == Some(&self.code.into())
            && retry_is_integer
    }

    fn response(&self, wire: Wire) -> Value {
        match wire {
            Wire::Bare | Wire::Array => json!(["response", false, self.why]),
            Wire::Version2 => json!(["response", false, "(a sentence)", { "code": self.code }]),
        }
    }

    /// For people.
    pub(super) fn shown(&self, wire: Wire) -> String {
        message::shown(&self.response(wire))
    }
}
