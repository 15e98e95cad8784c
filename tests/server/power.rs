//! Power cuts: the writes and syncs of a run are recorded, and replayed up to any point, with what was not synced dropped or
//! torn. Whatever was answered or sent by then must be in what is left.

use std::fs::Permissions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use chinwag::client::Client;
use chinwag::config::Config;
use chinwag::protocol::{Action, Framing, FromServer, ReplyDecoder, Response};
use chinwag::server::Server;
use chinwag::shutdown;
use chinwag::store::{self, Problem};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::net::TcpStream;

use crate::chance::Chance;
use crate::database;
use crate::disk_model::{Disk, Loss};
use crate::helpers::{PASSWORD, content, within, within_time};
use crate::program::{Process, scratch, serve};
use crate::strace::can_trace;
use crate::told::{Received, Told};
use crate::trace::{self, Event};

/// Points at which the power is cut, each in three ways.
const POINTS: usize = 400;

/// The same for the stand-in, which loses something at most of them or at none.
const STAND_IN_POINTS: usize = 60;

/// Messages that the stand-in for the server writes.
const MESSAGES: usize = 400;

/// A server whose every call is recorded is many times slower.
const TALK_WITHIN: Duration = Duration::from_secs(120);

/// What one connection was answered, each answer by itself.
struct Conversation {
    port: String,
    answers: Vec<Told>,
}

/// A client that keeps account of its answers.
struct Talker {
    client: Client,
    conversation: Conversation,
}

impl Talker {
    async fn register(address: SocketAddr, name: &str) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        let port = stream.local_addr().unwrap().port().to_string();
        let client = Client::over(stream, Framing::Array);
        let mut talker = Self { client, conversation: Conversation { port, answers: Vec::new() } };
        talker.client.register(name, PASSWORD).await.unwrap();
        talker.answered(Told { users: vec![name.to_owned()], ..Told::default() });
        let login = talker.client.log_in(name, PASSWORD).await.unwrap();
        talker.answered(Told { logins: vec![login], ..Told::default() });
        talker
    }

    fn answered(&mut self, told: Told) {
        self.conversation.answers.push(told);
    }

    fn name(&self) -> String {
        self.client.login().unwrap().username.clone()
    }

    async fn join(&mut self, group: &str, found: bool) {
        let member = [group.to_owned(), self.name()];
        let mut told = Told { members: vec![member], ..Told::default() };
        if found {
            self.client.create_group(group).await.unwrap();
            told.groups.push(group.to_owned());
        } else {
            self.client.join_group(group).await.unwrap();
        }
        self.answered(told);
    }

    async fn add_contact(&mut self, contact: &str) {
        self.client.add_contact(contact).await.unwrap();
        let contacts = vec![[self.name(), contact.to_owned()]];
        self.answered(Told { contacts, ..Told::default() });
    }

    async fn talk(&mut self, friend: &str, turns: usize) {
        for turn in 0..turns {
            let text = format!("{:-<600}", format!("{} {turn} ", self.name()));
            if turn % 3 == 0 {
                self.client.message_group("everyone", &text).await.unwrap();
            } else {
                self.client.whisper(friend, &text).await.unwrap();
            }
            self.answered(Told { messages: vec![text], ..Told::default() });
            if turn % 10 == 5 {
                self.join(&format!("{} {turn}", self.name()), true).await;
            }
            while self.client.take_update().is_some() {}
        }
    }

    async fn log_out(mut self) -> Conversation {
        let login = self.client.login().unwrap().clone();
        self.client.log_out().await.unwrap();
        self.answered(Told { ended: vec![login], ..Told::default() });
        self.conversation
    }
}

/// Three people meet and talk at once.
async fn converse(address: SocketAddr) -> Vec<Conversation> {
    let mut talkers = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let mut talker = Talker::register(address, name).await;
        talker.join("everyone", name == "ada").await;
        if name != "ada" {
            talker.add_contact("ada").await;
        }
        talkers.push(talker);
    }
    let talk = |(mut talker, friend): (Talker, &'static str)| async move {
        talker.talk(friend, 400).await;
        talker.log_out().await
    };
    let talks = talkers.into_iter().zip(["bob", "eve", "ada"]).map(|pair| tokio::spawn(talk(pair)));
    let mut conversations = Vec::new();
    for talk in talks.collect::<Vec<_>>() {
        conversations.push(within_time(TALK_WITHIN, "a talk", talk).await.unwrap());
    }
    conversations
}

/// What was said and by which event: what is known to somebody once that event has begun.
struct Recording {
    events: Vec<Event>,
    said: Vec<(usize, Told)>,
}

async fn record_server() -> Recording {
    let directory = scratch();
    let serve = serve(directory.path(), &[]);
    let process = Process::spawn(trace::recorded(directory.path(), &serve), directory.path());
    let conversations = converse(process.addresses()[0]).await;
    let id = process.id();
    process.kill().await;
    let events = trace::read(directory.path(), id).await;
    let said = conversations.into_iter().flat_map(|conversation| said_in(conversation, &events)).collect();
    Recording { events, said }
}

/// Finds the answers of a conversation, and the messages that came between them, among what was sent.
fn said_in(conversation: Conversation, events: &[Event]) -> Vec<(usize, Told)> {
    let mut decoder = ReplyDecoder::new(Framing::Array, 1024 * 1024);
    let mut input = BytesMut::new();
    let mut answers = conversation.answers.into_iter().peekable();
    let mut said = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let Event::Say { to, bytes } = event else { continue };
        if *to != conversation.port {
            continue;
        }
        input.extend_from_slice(bytes);
        let awaited = |answers: &Option<&Told>| answers.filter(|told| !told.logins.is_empty()).map(|_| Action::LogIn);
        while let Some((reply, length)) = decoder.decode(&input, awaited(&answers.peek())).unwrap() {
            input.advance(length);
            said.push((
                index,
                match reply {
                    FromServer::Response(Response::Refused(refused)) => panic!("{refused:?}"),
                    FromServer::Response(_) => answers.next().expect("each answer was counted"),
                    FromServer::Update(update) => received(&conversation.port, content(update)),
                },
            ));
            // Asked for as soon as everything else is answered.
            if let Some(logout) = answers.peek().filter(|told| !told.ended.is_empty()) {
                said.push((index, Told { ending: logout.ended.clone(), ..Told::default() }));
            }
        }
    }
    assert!(answers.next().is_none(), "the trace lacks an answer");
    said
}

fn received(user: &str, content: String) -> Told {
    Told { received: vec![Received { user: user.to_owned(), contents: vec![content] }], ..Told::default() }
}

/// Of how many power cuts something came out wrong, and what it was at first.
#[derive(Default)]
struct Outcome {
    cuts: usize,
    wrong: usize,
    first: Option<String>,
}

impl Recording {
    /// Cuts the power at so many points, each in every way, and looks at what is left.
    async fn replay(mut self, points: usize) -> Outcome {
        self.said.sort_by_key(|(index, _)| *index);
        let mut chance = Chance::new(3);
        let step = self.events.len() / points;
        let points: Vec<usize> = (0..points).map(|n| n * step + chance.below(step)).collect();
        let (mut disk, mut told, mut outcome) = (Disk::default(), Told::default(), Outcome::default());
        let mut events = self.events.into_iter();
        let mut said = self.said.into_iter().peekable();
        let mut happened = 0;
        for point in points {
            events.by_ref().take(point - happened).for_each(|event| disk.apply(event));
            happened = point;
            while let Some((_, more)) = said.next_if(|(index, _)| *index < happened) {
                told.extend(more);
            }
            for loss in [Loss::Everything, Loss::Sectors, Loss::Tail] {
                let problems = problems(disk.after_cut(loss, &mut chance), &told).await;
                outcome.count(&problems, || format!("after event {point}, losing {loss:?}"));
            }
        }
        outcome
    }
}

impl Outcome {
    fn count(&mut self, problems: &[String], place: impl FnOnce() -> String) {
        self.cuts += 1;
        if !problems.is_empty() {
            self.wrong += 1;
            self.first.get_or_insert_with(|| format!("{}: {}", place(), problems.join("; ")));
        }
    }
}

/// What is wrong with the files that a power cut has left.
async fn problems(left: Vec<(String, Vec<u8>)>, told: &Told) -> Vec<String> {
    let directory = scratch();
    for (name, content) in &left {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    let database = directory.path().join("chinwag.db");
    if !database.exists() {
        return if told.answers() == 0 { Vec::new() } else { vec!["the database is gone".to_owned()] };
    }
    // The one leftover that stops a connection that only looks, as the server's first one does.
    if left.iter().any(|(name, _)| name.ends_with("-journal")) {
        start_and_stop(&database).await;
    }
    // SQLite recovers what is left as it would for the server. That nothing here needs to last saves the time of syncs.
    let options = SqliteConnectOptions::new().filename(&database).synchronous(SqliteSynchronous::Off);
    let mut conn = options.connect().await.unwrap();
    let mut problems = told.problems(&mut conn).await;
    conn.close().await.unwrap();
    let url = format!("sqlite://{}", database.display());
    // A database of which nothing is left yet is none that can be checked.
    if let Ok(report) = store::check(&url).await {
        let of_index = report.problems.iter().filter(|problem| matches!(problem, Problem::Index { .. }));
        problems.extend(of_index.map(ToString::to_string));
    }
    problems
}

async fn start_and_stop(database: &Path) {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let database_url = format!("sqlite://{}", database.display());
    let server = Server::start(&Config { listen, database_url, ..Config::default() }).await.unwrap();
    let (trigger, shutdown) = shutdown::channel();
    trigger.trigger();
    server.run(shutdown).await.unwrap();
}

#[tokio::test]
async fn whatever_was_answered_or_sent_survives_a_power_cut_at_any_point() {
    if !can_trace() {
        return;
    }
    let recording = record_server().await;
    let synced = recording.events.iter().filter(|event| matches!(event, Event::Sync { .. })).count();
    let said = recording.said.len();
    // The run must be long enough for SQLite to move the log into the database while people talk.
    let moved =
        recording.events.iter().filter(|event| matches!(event, Event::Write { name, .. } if name == "chinwag.db"));
    assert!(moved.count() > 100, "no checkpoint was recorded");

    let Outcome { cuts, wrong, first } = recording.replay(POINTS).await;

    eprintln!("{cuts} power cuts in a run with {synced} syncs and {said} answers and updates");
    assert_eq!(wrong, 0, "of {cuts} cuts; {first:?}");
}

/// What stands in for the server: one connection that writes message after message and says so.
#[tokio::test]
#[ignore = "the tests below run it as a process of its own"]
async fn messages_are_written_and_said_to_be() {
    let Ok(setting) = std::env::var("CHINWAG_TEST_SYNCHRONOUS") else { return };
    let synchronous = if setting == "full" { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let options = SqliteConnectOptions::new().filename("chinwag.db").create_if_missing(true);
    let mut conn = options.journal_mode(SqliteJournalMode::Wal).synchronous(synchronous).connect().await.unwrap();
    sqlx::migrate!().run(&mut conn).await.unwrap();
    let ada = "insert into users (user_id, username, username_key, password_hash, registered_at_ms)
        values (1, 'ada', 'ada', '$argon2id$', 0)";
    database::run(&mut conn, ada).await;
    let mut stdout = std::io::stdout();
    for n in 0..MESSAGES {
        let written = "insert into messages (message_id, kind, sender_id, recipient_id, sent_at_ms, content)
            select n, 1, 1, 1, 0, 'message ' || n
            from (select coalesce(max(message_id), 0) + 1 as n from messages)";
        database::run(&mut conn, written).await;
        writeln!(stdout, "stored {}", n + 1).unwrap();
    }
}

async fn record_stand_in(synchronous: &str) -> Recording {
    let directory = scratch();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "power::messages_are_written_and_said_to_be"]);
    command.current_dir(directory.path()).env("CHINWAG_TEST_SYNCHRONOUS", synchronous);
    let mut process = Process::launch(trace::recorded(directory.path(), &command), directory.path());
    let said = process.said_to_the_end();
    let status = process.ended().await;
    assert!(status.success(), "{status}: {said}");
    let events = trace::read(directory.path(), process.id()).await;
    let said = said_on_stdout(&events);
    assert_eq!(said.len(), MESSAGES);
    Recording { events, said }
}

fn said_on_stdout(events: &[Event]) -> Vec<(usize, Told)> {
    let message = |event: &Event| match event {
        Event::Say { to, bytes } if to == "stdout" => {
            let line = String::from_utf8_lossy(bytes);
            Some(format!("message {}", line.trim_end().strip_prefix("stored ")?))
        }
        _ => None,
    };
    let told = |content| Told { messages: vec![content], ..Told::default() };
    events.iter().enumerate().filter_map(|(index, event)| Some((index, told(message(event)?)))).collect()
}

/// The test of the test. The product cannot be told to use NORMAL, so a stand-in writes in its place; that it passes with
/// FULL shows that nothing else in it makes the difference.
#[tokio::test]
async fn with_synchronous_normal_power_cuts_would_lose_what_was_answered_and_this_is_noticed() {
    if !can_trace() {
        return;
    }
    let full = record_stand_in("full").await.replay(STAND_IN_POINTS).await;
    let normal = record_stand_in("normal").await.replay(STAND_IN_POINTS).await;

    assert_eq!(full.wrong, 0, "{:?}", full.first);
    assert!(normal.wrong > normal.cuts / 2, "only {} of {} cuts lost something", normal.wrong, normal.cuts);
    assert!(normal.first.unwrap().contains("lost"));
}
