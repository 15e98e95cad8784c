//! Those who talk, each in the version that they speak.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chinwag::client::{Chat, Client, ClientError, Event, Login, Outgoing, Speaker, Start};
use chinwag::protocol::{Conversation, Framing, Request, Response, Update};
use tokio::sync::watch;

use super::{MESSAGES, PATIENCE};
use crate::chance::Chance;
use crate::chat::chat;
use crate::helpers::{PASSWORD, content, within_time};

/// Messages that each has under way at once.
const BURST: usize = 4;

/// How long version 1 waits before it connects again.
const PAUSE: Duration = Duration::from_millis(50);

/// What all of them know.
pub(super) struct Talk {
    pub(super) names: Vec<String>,
    /// Messages that were answered with success.
    pub(super) answered: watch::Sender<usize>,
    /// Whether all that is to be said was said, and nothing breaks any more.
    pub(super) is_over: watch::Sender<bool>,
}

impl Talk {
    /// Waits until so many messages were answered.
    pub(super) async fn has_answered(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        let what = format!("{count} messages to be answered");
        within_time(PATIENCE, &what, answered.wait_for(|answered| *answered >= count)).await.unwrap();
    }

    async fn ends(&self) {
        self.is_over.subscribe().wait_for(|is_over| *is_over).await.unwrap();
    }
}

/// One of them, and what became of them.
pub(super) struct Person {
    pub(super) login: Login,
    pub(super) groups: [String; 2],
    pub(super) speaks_version_2: bool,
    /// Messages that were answered with success.
    pub(super) said: Vec<Message>,
    /// What came over each connection of version 1, and to version 2 at all.
    pub(super) received: Vec<Vec<Message>>,
    pub(super) talk: Arc<Talk>,
    pub(super) chance: Chance,
}

/// A message, as far as its sender or receiver knows it.
pub(super) struct Message {
    pub(super) content: String,
    /// Version 1 knows none.
    pub(super) id: Option<String>,
}

impl Person {
    pub(super) async fn live(self, proxy: SocketAddr) -> Self {
        if self.speaks_version_2 { self.stay_connected(proxy).await } else { self.come_and_go(proxy).await }
    }

    /// Where to say something next, and what: nobody says it twice.
    fn next_message(&mut self, n: usize) -> Outgoing {
        let conversation = if self.chance.coin() {
            Conversation::Group(self.groups[self.chance.below(self.groups.len())].clone())
        } else {
            Conversation::With(self.talk.names[self.chance.below(self.talk.names.len())].clone())
        };
        Outgoing::new(conversation, format!("{n} by {}", self.login.username))
    }

    fn note_said(&mut self, content: String, id: Option<String>) {
        self.said.push(Message { content, id });
        self.talk.answered.send_modify(|answered| *answered += 1);
    }

    /// What everybody says last, to themselves.
    fn end(&self) -> String {
        format!("the end of {}", self.login.username)
    }
}

/// Version 2.
impl Person {
    async fn stay_connected(mut self, proxy: SocketAddr) -> Self {
        let mut chat = chat(proxy, self.login.clone(), Start::Oldest);
        let (speaker, end) = (chat.speaker().clone(), self.end());
        let (received, ()) = tokio::join!(listen(&mut chat, &end), self.speak(&speaker));
        self.received.push(received);
        self
    }

    async fn speak(&mut self, speaker: &Speaker) {
        for n in (0..MESSAGES).step_by(BURST) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|m| self.next_message(n + m));
            let contents = [&a, &b, &c, &d].map(|message| message.content.clone());
            let say = |message| speaker.say(message);
            let (a, b, c, d) = tokio::join!(say(a), say(b), say(c), say(d));
            for (content, accepted) in contents.into_iter().zip([a, b, c, d]) {
                self.note_said(content, Some(accepted.unwrap().id));
            }
        }
        self.talk.ends().await;
        let accepted = speaker.whisper(&self.login.username, &self.end()).await.unwrap();
        self.note_said(self.end(), Some(accepted.id));
    }
}

/// All that comes, up to `end`.
async fn listen(chat: &mut Chat, end: &str) -> Vec<Message> {
    let mut received: Vec<Message> = Vec::new();
    while received.last().is_none_or(|last| last.content != end) {
        match chat.next_event().await.unwrap() {
            Event::Message(message) => received.push(Message { content: message.content, id: Some(message.id) }),
            Event::Connected(_) | Event::Synced { .. } | Event::Reconnecting { .. } | Event::Changed(_) => {}
            other => panic!("{other:?} instead of {end}"),
        }
    }
    received
}

/// Version 1.
impl Person {
    async fn come_and_go(mut self, proxy: SocketAddr) -> Self {
        let mut n = 0;
        loop {
            match self.connect(proxy, &mut n).await {
                Ok(()) => return self,
                Err(err @ ClientError::Codec(_)) => panic!("{}: {err}", self.login.username),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// One connection, to the end of everything or of itself. `n` counts what was tried.
    async fn connect(&mut self, proxy: SocketAddr, n: &mut usize) -> Result<(), ClientError> {
        let mut client = Client::connect(proxy, Framing::Array).await?;
        let username = self.login.username.clone();
        self.login = client.log_in(&username, PASSWORD).await?;
        self.received.push(Vec::new());
        let talked = self.talk(&mut client, n).await;
        // What has come is received, however the connection has ended.
        client.shut_down().await.ok();
        loop {
            match client.next_update().await {
                Ok(update) => self.receive(update),
                Err(ClientError::Unasked) => {}
                Err(err @ ClientError::Codec(_)) => return Err(err),
                Err(_) => return talked,
            }
        }
    }

    async fn talk(&mut self, client: &mut Client, n: &mut usize) -> Result<(), ClientError> {
        while self.said.len() < MESSAGES {
            self.say_in_a_burst(client, n).await?;
            while let Some(update) = client.take_update() {
                self.receive(update);
            }
        }
        let talk = Arc::clone(&self.talk);
        loop {
            tokio::select! {
                update = client.next_update() => self.receive(update?),
                () = talk.ends() => break,
            }
        }
        self.hear_oneself(client, n).await
    }

    async fn say_in_a_burst(&mut self, client: &mut Client, n: &mut usize) -> Result<(), ClientError> {
        let mut contents = Vec::new();
        for _ in 0..BURST.min(MESSAGES - self.said.len()) {
            let message = self.next_message(*n);
            *n += 1;
            contents.push(message.content.clone());
            client.send(&self.request(message)).await?;
        }
        for content in contents {
            match client.next_response().await? {
                Response::Refused(refused) => return Err(ClientError::Refused(refused)),
                _ => self.note_said(content, None),
            }
        }
        Ok(())
    }

    fn request(&self, Outgoing { conversation, content, .. }: Outgoing) -> Request<'_> {
        let (username, token) = self.login.credentials();
        match conversation {
            Conversation::With(recipient) => {
                Request::Whisper { username, token, recipient: recipient.into(), content: content.into(), nonce: None }
            }
            Conversation::Group(group_name) => Request::MessageGroup {
                username,
                token,
                group_name: group_name.into(),
                content: content.into(),
                nonce: None,
            },
        }
    }

    /// Says something to oneself and hears it: whatever came before has been received by then.
    async fn hear_oneself(&mut self, client: &mut Client, n: &mut usize) -> Result<(), ClientError> {
        // With its number, for another may be stored of which there was no answer.
        let end = format!("{}, {n}", self.end());
        *n += 1;
        client.whisper(&self.login.username, &end).await?;
        self.note_said(end.clone(), None);
        while self.received.last().and_then(|received| received.last()).is_none_or(|last| last.content != end) {
            let update = client.next_update().await?;
            self.receive(update);
        }
        Ok(())
    }

    fn receive(&mut self, update: Update) {
        let connection = self.received.last_mut().expect("each connection has begun one");
        connection.push(Message { content: content(update), id: None });
    }
}
