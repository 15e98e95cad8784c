//! A user who stays connected: receives every message once and in order, and says each thing once, whatever breaks.
//!
//! Two tasks, each with a connection of its own. One receives, and stops reading when its user takes nothing. The other sends,
//! so that an answer never waits behind updates that nobody takes: somebody who answers each message before taking the next
//! would otherwise wait for ever. The second connection is there while something is said, and is not logged in.

mod backoff;
mod event;
mod options;
mod receiving;
mod sending;
mod speaker;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use event::{Ended, Event, Message};
pub use options::{Credentials, Endpoint, Options, Start};
pub use speaker::{Accepted, Outgoing, SendError, Speaker};

use super::{Client, Login};
use crate::protocol::Refused;
use crate::shutdown::{self, Trigger};
use receiving::Receiving;
use sending::Sending;

/// Events that wait for their user, a mebibyte of them with the longest messages. Enough that a reader is not waited for at
/// each one; what comes beyond waits in the socket, and then in the server's database.
const EVENTS: usize = 64;

/// Messages that wait to be sent, besides those whose callers wait for room. As many as a server by default takes from one
/// connection; one of them is under way.
const UNSENT: usize = 64;

/// How long a connection may take from dialling to its last greeting. A login waits for a hash, and is refused as busy within
/// 2 s where there are too many.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// How long a connection may take to end well.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A user who stays connected.
///
/// It connects, logs in, and hands out [events](Event); when its connection breaks it waits a little, connects again and goes
/// on where it was. It ends only when the server ends the session or refuses the user, and says so by [`Event::Ended`]. Dropping
/// it ends its connections, in the background; whatever is unanswered then may be stored or not.
///
/// ```no_run
/// use chinwag::client::{Chat, Credentials, Endpoint, Event, Options, Start};
///
/// # async fn listen(kept: Option<String>, keep: impl Fn(&str, &str)) -> Result<(), chinwag::client::SendError> {
/// let mut chat = Chat::start(Options {
///     server: Endpoint::plain("127.0.0.1:4242"),
///     credentials: Credentials::Password { username: "ada".into(), password: "a long passphrase".to_owned().into() },
///     start: kept.map_or(Start::Oldest, Start::After),
///     program: "listener/1.0".into(),
/// });
/// chat.speaker().whisper("bob", "I am listening").await?;
/// while let Some(event) = chat.next_event().await {
///     match event {
///         // In one transaction: what the message does, and its id.
///         Event::Message(message) => keep(&message.content, &message.id),
///         Event::Reconnecting { wait, why } => eprintln!("{why}; trying again in {wait:?}"),
///         Event::Ended(ended) => eprintln!("{ended}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What is promised
///
/// - **Received once.** Every message of the user's conversations behind the [start](Start) is handed out, once and in the
///   order of the server's log, as long as this `Chat` lives. Over several runs of a program this holds if the program keeps
///   the [id](Event::id) of the last event that had one in one step with what that event did (in one transaction, say), and
///   starts [after](Start::After) it. Keeping it earlier skips a message at a crash, keeping it later repeats one. Only behind
///   an [`Event::Gap`] may messages be missing, or come again under new ids.
/// - **Said once.** A message is sent until it is answered, always with one nonce. `Ok`: it is stored, once, under this id.
///   [`SendError::Refused`]: it is not; only a copy that is still on its way, over a connection that has broken, could be
///   stored yet, if what was refused is allowed by then. [`SendError::Unanswered`], or a crash of the program: it may be stored
///   or not. A program that cannot live with that keeps the [`Outgoing`] before it says it, and says it again until it is
///   answered.
/// - **In order.** What one `Chat` says is stored in the order in which it was said, whatever was refused for a while. One
///   message is on its way at a time, so a distant server hears one in each round trip.
/// - **Bounded.** 64 events wait to be taken, and 64 messages to be sent; beyond that nothing more is read, and speakers wait.
///   Its speakers are answered also while its user takes no events.
#[derive(Debug)]
pub struct Chat {
    events: mpsc::Receiver<Event>,
    speaker: Speaker,
    standing: watch::Receiver<Standing>,
    /// Dropped with the chat, which ends its tasks.
    _trigger: Trigger,
}

/// What the receiving task knows of the login.
#[derive(Debug, Clone)]
enum Standing {
    /// Nobody has logged in so far.
    Unknown,
    LoggedIn(Login),
    Ended(Ended),
}

impl Chat {
    /// Begins. To be called within a tokio runtime, on which it runs.
    pub fn start(options: Options) -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let (event_sender, events) = mpsc::channel(EVENTS);
        let (queue_sender, queue) = mpsc::channel(UNSENT);
        let (standing_sender, standing) = watch::channel(Standing::Unknown);
        let sending = Sending::new(options.server.clone(), options.program.clone(), queue, standing.clone());
        tokio::spawn(sending.run(shutdown.clone()));
        tokio::spawn(Receiving::new(options, event_sender, standing_sender).run(shutdown));
        Self { events, speaker: Speaker::new(queue_sender, standing.clone()), standing, _trigger: trigger }
    }

    /// The next event, as soon as there is one; `None` after [`Event::Ended`].
    ///
    /// Cancel safety: may be dropped and called again; no event is lost.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Who says things for this user; its clones may do so in other tasks.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// The login, once there is one: for a [`Client`] that asks for other things, by [`Client::use_login`].
    pub fn login(&self) -> Option<Login> {
        match &*self.standing.borrow() {
            Standing::LoggedIn(login) => Some(login.clone()),
            Standing::Unknown | Standing::Ended(_) => None,
        }
    }
}

/// Whether what was refused may be done another time. A refusal without a code comes from a server that has no room for the
/// connection at all.
fn may_pass(refused: &Refused) -> bool {
    matches!(
        refused.code.as_deref(),
        None | Some("busy" | "rate_limited" | "too_slow" | "too_many_connections" | "internal")
    )
}

/// When the server says that trying again may help.
fn retry_after(refused: &Refused) -> Option<Duration> {
    let retry_ms = refused.retry_ms?;
    Some(Duration::from_millis(u64::try_from(retry_ms).unwrap_or(0)))
}

/// Ends a connection well, in the time that it has for that. What did not come any more will come over another.
async fn end(client: Client) {
    timeout(END_WITHIN, client.end()).await.ok();
}
