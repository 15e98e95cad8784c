//! Messages that one user has been sent, for those scenarios that read them.

use std::rc::Rc;

use crate::bench::error::BenchError;
use crate::bench::load::content::{FILLER, MARK_BYTES, Mark};
use crate::bench::load::people::{People, Present, in_parallel};
use crate::bench::load::wire::Wire;
use crate::bench::number::grouped;
use crate::bench::options::Load;
use crate::bench::server::Target;
use crate::client::Login;
use crate::protocol::{Request, Response};

/// Messages that are sent before the first of them is answered: as many as a server lets wait.
const AT_ONCE: u32 = 64;

/// Where nothing is said: conversations that the messages are of.
const CONVERSATIONS: u32 = 1;

/// A user, and what others have said to it.
#[derive(Debug)]
pub(super) struct Backlog {
    people: People,
    reader: Login,
    /// Of each who has said something, the ids of the messages in their order.
    pub(super) ids: Vec<Vec<String>>,
}

impl Backlog {
    /// Has so many others say so many messages, all of them together.
    pub(super) async fn fill(load: &Load, target: &Target) -> Result<Rc<Self>, BenchError> {
        let (messages, talkers) = (load.messages, load.conversations.unwrap_or(CONVERSATIONS));
        let people = People::new(target.address(), 2);
        let mut present = people.arrive(talkers as usize + 1).await?;
        let reader = present.remove(0).login;
        let present: Vec<_> = present.into_iter().map(|talker| std::cell::Cell::new(Some(talker))).collect();
        let ids = in_parallel(talkers as usize, |index| {
            let talker = present[index].take().expect("each is taken once");
            let lane = u32::try_from(index).expect("there are as many as talkers");
            let count = messages / talkers + u32::from(lane < messages % talkers);
            say(talker, reader.username.clone(), lane, count, load.content_bytes)
        })
        .await?;
        Ok(Rc::new(Self { people, reader, ids }))
    }

    pub(super) fn messages(&self) -> usize {
        self.ids.iter().map(Vec::len).sum()
    }

    /// How much there is, in words.
    pub(super) fn setting(&self) -> String {
        match self.ids.len() {
            1 => format!("{} messages of one conversation", grouped(self.messages() as f64)),
            count => format!("{} messages of {count} conversations", grouped(self.messages() as f64)),
        }
    }

    /// The name of somebody who has said something.
    pub(super) fn talker(&self, lane: usize) -> String {
        self.people.username(lane + 1)
    }

    /// A connection on which the reader is logged in.
    pub(super) async fn connect(&self) -> Result<(Wire, Login), BenchError> {
        let (username, token) = self.reader.credentials();
        let mut wire = self.people.connect().await?;
        let login = wire.log_in(&Request::Resume { username, token }).await?;
        Ok((wire, login))
    }
}

async fn say(
    mut talker: Present,
    recipient: String,
    lane: u32,
    count: u32,
    content_bytes: usize,
) -> Result<Vec<String>, BenchError> {
    let (username, token) = talker.login.credentials();
    let whisper = |sequence| {
        let mut content = vec![FILLER; content_bytes.max(MARK_BYTES)];
        Mark { lane, sequence, at_ns: 0 }.write(&mut content);
        let content = String::from_utf8(content).expect("a content of the load is ASCII").into();
        let (username, token, recipient) = (username.clone(), token.clone(), recipient.as_str().into());
        Request::Whisper { username, token, recipient, content, nonce: None }
    };
    let (mut ids, mut sequences) = (Vec::new(), (0..count).peekable());
    while sequences.peek().is_some() {
        let requests: Vec<Request<'_>> = sequences.by_ref().take(AT_ONCE as usize).map(whisper).collect();
        for response in talker.wire.ask_all(&requests).await? {
            match response {
                Response::Accepted { id, .. } => ids.push(id),
                other => return Err(BenchError::Answer { action: "whisper", said: format!("{other:?}") }),
            }
        }
    }
    Ok(ids)
}
