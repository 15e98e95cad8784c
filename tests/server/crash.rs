//! `kill -9` under load, over and over: what was answered or received is in the store afterwards.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use chinwag::client::{Client, ClientError, Login};
use chinwag::protocol::{Framing, Request, Response, Update};
use tokio::sync::Semaphore;

use crate::chance::Chance;
use crate::database;
use crate::helpers::{PASSWORD, content, within};
use crate::program::{Process, scratch};
use crate::strace::{SYNC, can_trace, serve_with_fault};
use crate::told::{Received, Told};

/// Kills at a moment that chance decides.
const KILLS: usize = 80;

/// Kills at a system call that writes.
const TRACED_KILLS: usize = 32;

/// The people who talk in every round.
const PEOPLE: [&str; 4] = ["ada", "bob", "eve", "joe"];

/// The group they all are members of.
const EVERYONE: &str = "everyone";

/// Whispers that are under way at once, so that commits have more than one.
const BURST: usize = 8;

/// One of the people in one round.
struct Person {
    name: &'static str,
    friend: &'static str,
    round: usize,
    /// Groups of others, made in earlier rounds.
    groups: Vec<String>,
    /// A login of an earlier round.
    earlier: Option<Login>,
    /// One for each answer, so that others can wait for some.
    answers: Arc<Semaphore>,
    told: Told,
    received: Received,
}

impl Person {
    /// Does all there is to do, over and over, until the server is gone.
    async fn live(mut self, address: SocketAddr) -> Told {
        let mut client = Client::connect(address, Framing::Array).await.unwrap();
        self.received.user = self.name.to_owned();
        // Whatever breaks is the kill: everything before was answered.
        let broken = self.talk(&mut client, address).await.unwrap_err();
        assert!(!matches!(broken, ClientError::Refused(_)), "{}: {broken}", self.name);
        self.receive_to_end(&mut client).await;
        self.told.received.push(self.received);
        self.told
    }

    async fn talk(&mut self, client: &mut Client, address: SocketAddr) -> Result<(), ClientError> {
        let login = client.log_in(self.name, PASSWORD).await?;
        self.told.logins.push(login);
        self.answered();
        self.use_earlier_login(address).await?;
        for turn in 0.. {
            self.whisper_in_a_burst(client, turn).await?;
            self.talk_in_groups(client, turn).await?;
            // Hashing takes time in which nothing else is written, so one person a round does it.
            if turn % 8 == 1 && PEOPLE[self.round % PEOPLE.len()] == self.name {
                self.meet_someone_new(client, turn).await?;
                self.log_in_and_out(address).await?;
            }
            while let Some(update) = client.take_update() {
                self.received.contents.push(content(update));
            }
        }
        Ok(())
    }

    fn answered(&self) {
        self.answers.add_permits(1);
    }

    /// What was answered in an earlier round must be good in this one.
    async fn use_earlier_login(&mut self, address: SocketAddr) -> Result<(), ClientError> {
        let Some(login) = self.earlier.take() else { return Ok(()) };
        let mut client = Client::connect(address, Framing::Array).await?;
        client.use_login(login);
        let text = format!("{} {} by an earlier login", self.round, self.name);
        client.whisper(self.friend, &text).await?;
        self.told.messages.push(text);
        self.answered();
        Ok(())
    }

    async fn whisper_in_a_burst(&mut self, client: &mut Client, turn: usize) -> Result<(), ClientError> {
        let Login { username, token, .. } = client.login()?.clone();
        let text = |n| format!("{} {} {turn} {n}", self.round, self.name);
        for n in 0..BURST {
            let recipient = if n % 2 == 0 { self.friend } else { self.name };
            let (username, token, recipient) = (username.clone(), token.clone(), recipient.to_owned());
            let content = text(n);
            client
                .send(&Request::Whisper {
                    username: username.into(),
                    token,
                    recipient: recipient.into(),
                    content: content.into(),
                    nonce: None,
                })
                .await?;
        }
        for n in 0..BURST {
            match client.next_response().await? {
                Response::Refused(refused) => return Err(ClientError::Refused(refused)),
                _ => self.told.messages.push(text(n)),
            }
            self.answered();
        }
        Ok(())
    }

    async fn talk_in_groups(&mut self, client: &mut Client, turn: usize) -> Result<(), ClientError> {
        let text = format!("{} {} {turn} to everyone", self.round, self.name);
        client.message_group(EVERYONE, &text).await?;
        self.told.messages.push(text);
        self.answered();
        let group = format!("{} {} {turn}", self.round, self.name);
        client.create_group(&group).await?;
        self.told.members.push([group.clone(), self.name.to_owned()]);
        self.told.groups.push(group);
        self.answered();
        if let Some(group) = self.groups.pop() {
            client.join_group(&group).await?;
            self.told.members.push([group, self.name.to_owned()]);
            self.answered();
        }
        Ok(())
    }

    async fn meet_someone_new(&mut self, client: &mut Client, turn: usize) -> Result<(), ClientError> {
        let someone = format!("{}-{}-{turn}", self.name, self.round);
        client.register(&someone, PASSWORD).await?;
        self.told.users.push(someone.clone());
        self.answered();
        client.add_contact(&someone).await?;
        self.told.contacts.push([self.name.to_owned(), someone]);
        self.answered();
        Ok(())
    }

    async fn log_in_and_out(&mut self, address: SocketAddr) -> Result<(), ClientError> {
        let mut client = Client::connect(address, Framing::Array).await?;
        let login = client.log_in(self.name, PASSWORD).await?;
        // Not told as good: its logout may be done without an answer.
        client.log_out().await?;
        self.told.ended.push(login);
        self.answered();
        Ok(())
    }

    /// Takes what the server had sent before it was gone.
    async fn receive_to_end(&mut self, client: &mut Client) {
        let taken = async {
            loop {
                match client.next_update().await {
                    Ok(update) => self.received.contents.push(content(update)),
                    Err(ClientError::Unasked) => {}
                    Err(_) => return,
                }
            }
        };
        within("the end of a connection", taken).await;
    }
}

/// A server that has been killed, and all that it told anybody.
struct Crashes {
    directory: tempfile::TempDir,
    told: Told,
}

impl Crashes {
    /// The people are there, and are all members of one group.
    async fn new() -> Self {
        let directory = scratch();
        let process = Process::start(directory.path());
        let mut told = Told::default();
        for name in PEOPLE {
            let mut client = process.register(name).await;
            told.users.push(name.to_owned());
            told.logins.push(client.login().unwrap().clone());
            if name == PEOPLE[0] {
                client.create_group(EVERYONE).await.unwrap();
                told.groups.push(EVERYONE.to_owned());
            } else {
                client.join_group(EVERYONE).await.unwrap();
            }
            told.members.push([EVERYONE.to_owned(), name.to_owned()]);
        }
        process.kill().await;
        Self { directory, told }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Lets everybody live on `process` until it is killed after `answers` answers, or, without a number, by itself.
    async fn round(&mut self, mut process: Process, round: usize, answers: Option<usize>) {
        let counted = Arc::new(Semaphore::new(0));
        let address = process.addresses()[0];
        let people: Vec<_> = (0..PEOPLE.len()).map(|n| self.person(n, round, &counted)).collect();
        let lives: Vec<_> = people.into_iter().map(|person| tokio::spawn(person.live(address))).collect();
        match answers {
            Some(answers) => {
                let answered = counted.acquire_many(u32::try_from(answers).unwrap());
                within("answers", answered).await.unwrap().forget();
                process.kill().await;
            }
            None => drop(within("the server to be killed", process.ended()).await),
        }
        let mut told = Told::default();
        for life in lives {
            told.extend(within("a person's end", life).await.unwrap());
        }
        told.check(&self.path().join("chinwag.db")).await;
        self.told.extend(told);
    }

    fn person(&self, n: usize, round: usize, answers: &Arc<Semaphore>) -> Person {
        let name = PEOPLE[n];
        let is_mine = |login: &&Login| login.username == name;
        let mine: HashSet<&String> =
            self.told.members.iter().filter(|[_, user]| user == name).map(|[group, _]| group).collect();
        // Those of the last round alone: a join that was not answered may be done, and is not tried again.
        let to_join = |group: &&String| group.starts_with(&format!("{} ", round.wrapping_sub(1)));
        Person {
            name,
            friend: PEOPLE[(n + 1) % PEOPLE.len()],
            round,
            groups: self.told.groups.iter().filter(to_join).filter(|group| !mine.contains(group)).cloned().collect(),
            earlier: self.told.logins.iter().rfind(is_mine).cloned(),
            answers: Arc::clone(answers),
            told: Told::default(),
            received: Received::default(),
        }
    }

    /// Starts the server once more; everybody logs in and takes what is owed. Then all that was told must be true.
    async fn settle(mut self) {
        let process = Process::start(self.path());
        // A login costs a hash, so of the newcomers only some; the rows of all are looked for below.
        let newcomers = self.told.users.iter().skip(PEOPLE.len()).step_by(8);
        let names: Vec<String> = self.told.users.iter().take(PEOPLE.len()).chain(newcomers).cloned().collect();
        for name in names {
            let mut client = process.connect().await;
            client.log_in(&name, PASSWORD).await.unwrap();
            let sentinel = format!("{name} has settled");
            client.whisper(&name, &sentinel).await.unwrap();
            let contents = within("what is owed", updates_up_to(&mut client, &sentinel)).await;
            self.told.received.push(Received { user: name, contents });
        }
        self.check_logins(&process).await;
        let database = self.path().join("chinwag.db");
        self.told.check(&database).await;
        self.check_nothing_owed(&database).await;
        process.stop().await;
        check_sound(&database).await;
    }

    /// Tokens are good until their logout is answered, and not after.
    async fn check_logins(&self, process: &Process) {
        let mut client = process.connect().await;
        for login in &self.told.logins {
            client.use_login(login.clone());
            client.add_contact(if login.username == "ada" { "bob" } else { "ada" }).await.unwrap();
        }
        for login in &self.told.ended {
            client.use_login(login.clone());
            let refused = client.add_contact("ada").await;
            assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
        }
    }

    /// Whatever is stored for someone has been received by them, in whichever round.
    async fn check_nothing_owed(&self, database: &Path) {
        let whispers = "select recipient || '/' || content from readable_messages where recipient is not null";
        let to_everyone =
            "select username || '/' || content from readable_messages join readable_members using (group_name)
            where group_name = 'everyone'";
        let received: HashSet<String> = self
            .told
            .received
            .iter()
            .flat_map(|Received { user, contents }| contents.iter().map(move |content| format!("{user}/{content}")))
            .collect();
        for sql in [whispers, to_everyone] {
            let owed = database::texts(database, sql).await;
            let lost: Vec<_> = owed.iter().filter(|message| !received.contains(*message)).collect();
            assert!(lost.is_empty(), "{} of {} never received: {lost:?}", lost.len(), owed.len());
        }
    }
}

/// Among other things: every message is in the index once.
pub(crate) async fn check_sound(database: &Path) {
    let report = chinwag::store::check(&format!("sqlite://{}", database.display())).await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

async fn updates_up_to(client: &mut Client, sentinel: &str) -> Vec<String> {
    let mut contents = Vec::new();
    while contents.last().is_none_or(|content| content != sentinel) {
        let update: Update = client.next_update().await.unwrap();
        contents.push(content(update));
    }
    contents
}

#[tokio::test]
async fn whatever_was_answered_or_received_survives_kill_9_at_any_moment() {
    let mut crashes = Crashes::new().await;
    let mut chance = Chance::new(1);
    for round in 0..KILLS {
        let process = Process::start(crashes.path());
        crashes.round(process, round, Some(1 + chance.below(120))).await;
    }

    eprintln!("{KILLS} kills, {} answers", crashes.told.answers());
    crashes.settle().await;
}

#[tokio::test]
async fn whatever_was_answered_or_received_survives_a_kill_at_any_write_or_sync() {
    if !can_trace() {
        return;
    }
    let mut crashes = Crashes::new().await;
    let mut chance = Chance::new(2);
    for round in 0..TRACED_KILLS {
        let fault = match chance.coin() {
            true => format!("{SYNC}:signal=KILL:when={}", 1 + chance.below(30)),
            false => format!("pwrite64:signal=KILL:when={}", 1 + chance.below(300)),
        };
        let process = Process::launch(serve_with_fault(crashes.path(), &fault), crashes.path());
        if process.listens() {
            crashes.round(process, round, None).await;
        }
    }

    eprintln!("{TRACED_KILLS} kills, {} answers", crashes.told.answers());
    crashes.settle().await;
}
