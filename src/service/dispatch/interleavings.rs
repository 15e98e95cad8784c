//! Going online, publishing and lagging, in every order that shuttle tries.
//!
//! One thread is the store and the dispatcher, and each of two connections of one user has a client, who logs in and out, and
//! a writer, in whose place the dispatcher writes where it can. What is put into the sockets is acknowledged at once, and is all that
//! counts in the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::{Receiver as Asks, Sender, channel};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;
use tokio::sync::oneshot;

use super::*;
use crate::domain::{Content, GroupId, Token, TokenHash, UserId};
use crate::outbox::{Chunk, Gap, Next, Outbox, OutboxLimits, Received, Sink};
use crate::protocol::{Action, FromServer, ReplyDecoder};
use crate::registry::Presence;
use crate::service::ticket::Reply;

/// Messages that are said. A third is for the user, a third for their group and a third for somebody else.
const MESSAGES: i64 = 9;

/// Times that a client logs in before it stays.
const VISITS: usize = 2;

const ADA: UserId = UserId(1);
const EVE: UserId = UserId(2);
const TEA: GroupId = GroupId(1);

/// Room for two updates and one response, so that nearly everybody lags.
const LIMITS: OutboxLimits = OutboxLimits { bytes: 400, in_flight: 4 };

/// Schedules that each test tries.
const SCHEDULES: usize = 3000;

#[test]
fn nothing_is_lost_doubled_or_reordered_whoever_runs_first() {
    shuttle::check_random(scene, SCHEDULES);
}

#[test]
fn nothing_is_lost_doubled_or_reordered_when_somebody_is_held_up_for_long() {
    shuttle::check_pct(scene, SCHEDULES, 4);
}

fn scene() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (asks, asked) = channel();
    let marks = Arc::new(Marks::default());
    let sockets = [Arc::new(Socket::default()), Arc::new(Socket::default())];
    let clients = [[0, 1], [1, 0]].map(|[own, other]| {
        let sockets = [Arc::clone(&sockets[own]), Arc::clone(&sockets[other])];
        let connection = Connection::new(Arc::clone(&marks), Arc::clone(&log), sockets);
        let writer = Arc::clone(&connection);
        let writer = thread::spawn(move || writer.write());
        let asks = asks.clone();
        (thread::spawn(move || connection.visit(&asks)), writer)
    });
    drop(asks);
    serve(&asked, marks, &log);
    for (client, writer) in clients {
        client.join().unwrap();
        writer.join().unwrap();
    }
}

/// What a client asks for.
enum Ask {
    /// With where to tell what mark it began behind.
    LogIn(Ticket, oneshot::Sender<MessageId>),
    LogOut(Ticket),
    /// What the connection has acknowledged is noted before its presence ends.
    End(Arc<Receiver>, Option<Presence<Receiver>>),
}

type Log = Mutex<Vec<MessageId>>;

/// The store and the dispatcher: commits come before what is told of them, by one message or two.
fn serve(asked: &Asks<Ask>, marks: Arc<Marks>, log: &Log) {
    let mut dispatcher = Dispatcher::new(Arc::new(Registry::default()), marks, MessageId(0), Epoch::new(&[0; 4]));
    let mut committed: VecDeque<Outcome> = VecDeque::new();
    for message_id in (1..=MESSAGES).map(MessageId) {
        committed.push_back(message(message_id));
        if is_owed(message_id) {
            log.lock().unwrap().push(message_id);
        }
        if thread_rng().gen_bool(0.5) {
            publish(&mut dispatcher, &mut committed);
            asked.try_iter().for_each(|ask| carry_out(&mut dispatcher, ask));
        }
    }
    publish(&mut dispatcher, &mut committed);
    asked.iter().for_each(|ask| carry_out(&mut dispatcher, ask));
}

fn publish(dispatcher: &mut Dispatcher, committed: &mut VecDeque<Outcome>) {
    for outcome in committed.drain(..) {
        let (saved, _) = oneshot::channel();
        dispatcher.dispatch_all(vec![(outcome, Ticket::Save(saved))]);
    }
}

fn carry_out(dispatcher: &mut Dispatcher, ask: Ask) {
    match ask {
        Ask::LogIn(ticket, began) => {
            let logged_in = LoggedIn {
                user_id: ADA,
                username: Arc::from("ada"),
                head: MessageId(0),
                mark: MessageId(0),
                groups: vec![TEA],
            };
            dispatcher.dispatch_all(vec![(Outcome::LoggedIn(logged_in), ticket)]);
            // Only this thread notes marks.
            began.send(dispatcher.marks.newest(ADA).unwrap_or(MessageId(0))).unwrap();
        }
        Ask::LogOut(ticket) => {
            let token_hash = TokenHash([0; 32]);
            dispatcher.dispatch_all(vec![(Outcome::LoggedOut { user_id: None, token_hash }, ticket)]);
        }
        Ask::End(receiver, presence) => {
            receiver.probe();
            drop(presence);
        }
    }
}

fn message(message_id: MessageId) -> Outcome {
    let sender = Arc::from("eve");
    let content = Content::parse(&message_id.0.to_string(), 100).unwrap();
    let target = match message_id.0 % 3 {
        0 => SentTo::User { user_id: EVE, username: Arc::from("eve") },
        1 => SentTo::User { user_id: ADA, username: Arc::from("ada") },
        _ => SentTo::Group { group_id: TEA, group_name: Arc::from("tea") },
    };
    Outcome::Sent(Sent {
        message_id,
        sent_at_ms: 0,
        sender_id: EVE,
        sender,
        target,
        content,
        nonce: None,
        overdrawn: Duration::ZERO,
    })
}

fn is_owed(message_id: MessageId) -> bool {
    message_id.0 % 3 != 0
}

/// One connection, as its client sees it and as its writer does.
struct Connection {
    outbox: Arc<Outbox>,
    receiver: Arc<Receiver>,
    log: Arc<Log>,
    socket: Arc<Socket>,
    /// That of the user's other connection.
    other: Arc<Socket>,
}

/// What was written, all of which is acknowledged.
#[derive(Debug, Default)]
struct Socket {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    heard: Vec<Heard>,
    received: Option<Received>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Response,
    Update(MessageId),
}

impl Connection {
    fn new(marks: Arc<Marks>, log: Arc<Log>, [socket, other]: [Arc<Socket>; 2]) -> Arc<Self> {
        let acknowledged = Arc::clone(&socket);
        let probe = Arc::new(move || {
            if let Some(received) = acknowledged.written.lock().unwrap().received {
                marks.note(received);
            }
        });
        let outbox = Arc::new(Outbox::new(Framing::Array, LIMITS, Some(Arc::clone(&socket) as Arc<dyn Sink>)));
        let receiver = Arc::new(Receiver::new(Arc::clone(&outbox), probe));
        Arc::new(Self { outbox, receiver, log, socket, other })
    }

    /// The connection's writer, with a store that hands out short pages.
    fn write(&self) {
        loop {
            match block_on(self.outbox.next()) {
                Next::Write(chunk) => self.socket.write(&chunk),
                Next::ReadOn(gap) => self.read_on(gap),
                Next::End => return,
            }
        }
    }

    fn read_on(&self, gap: Gap) {
        let owed: Vec<MessageId> = {
            let log = self.log.lock().unwrap();
            log.iter().copied().filter(|&id| gap.after < id && id <= gap.upto).collect()
        };
        let page: Vec<MessageId> = owed.iter().copied().take(2).collect();
        let reached = if page.len() < owed.len() { page[page.len() - 1] } else { gap.upto };
        let encode = |id: &MessageId| {
            let (sender, content) = ("eve".to_owned(), id.0.to_string());
            Update::Whisper { sender, content, stamp: None }.encode(Framing::Array)
        };
        // As one part, or one for each message.
        let parts = page.chunks(if gap.after.0 % 2 == 0 { 2 } else { 1 });
        let part = |ids: &[MessageId]| (ids[ids.len() - 1], ids.iter().flat_map(encode).collect());
        self.outbox.fill(gap, parts.map(part).collect(), reached);
    }

    /// The connection's client: logs in and out, and stays in the end until it has received everything.
    fn visit(&self, asks: &Sender<Ask>) {
        let mut departed: Option<Presence<Receiver>> = None;
        let mut beginnings = Vec::new();
        for visit in 0..=VISITS {
            let received = self.other.received().max(self.socket.received());
            let (presence, began) = self.log_in(asks);
            assert!(received <= began, "what was received up to {received:?} is delivered again behind {began:?}");
            beginnings.push(began);
            self.hear_responses(2 * visit + 1);
            if visit < VISITS {
                self.log_out(asks, &presence);
                self.hear_responses(2 * visit + 2);
            } else if began < last_owed() {
                self.hear(|heard| heard.last() == Some(&Heard::Update(last_owed())));
            }
            departed = Some(presence);
        }
        self.outbox.close();
        asks.send(Ask::End(Arc::clone(&self.receiver), departed)).unwrap();
        judge(&self.socket.written.lock().unwrap().heard, &beginnings);
    }

    fn log_in(&self, asks: &Sender<Ask>) -> (Presence<Receiver>, MessageId) {
        let ((settled, is_settled), (began, has_begun)) = (oneshot::channel(), oneshot::channel());
        let ticket = LogInTicket { reply: self.ask(), token: Token::random(), settled };
        asks.send(Ask::LogIn(Ticket::LogIn(ticket), began)).unwrap();
        let Ok(Settled::LoggedIn { presence, .. }) = block_on(is_settled) else { panic!("a login is a login") };
        (presence, block_on(has_begun).unwrap())
    }

    fn log_out(&self, asks: &Sender<Ask>, presence: &Presence<Receiver>) {
        let (settled, is_settled) = oneshot::channel();
        asks.send(Ask::LogOut(Ticket::Request(self.ask(), settled))).unwrap();
        block_on(is_settled).unwrap();
        presence.depart();
    }

    fn ask(&self) -> Reply {
        let sequence = block_on(self.outbox.ask());
        Reply { receiver: Arc::clone(&self.receiver), sequence, shows_user: false }
    }

    fn hear_responses(&self, count: usize) {
        self.hear(|heard| heard.iter().filter(|&&heard| heard == Heard::Response).count() == count);
    }

    fn hear(&self, is_enough: impl Fn(&[Heard]) -> bool) {
        let written = self.socket.written.lock().unwrap();
        drop(self.socket.changed.wait_while(written, |written| !is_enough(&written.heard)).unwrap());
    }
}

/// The dispatcher's way to it, which is open every other time.
impl Sink for Socket {
    fn try_write(&self, chunk: Chunk) -> Option<Chunk> {
        if thread_rng().gen_bool(0.5) {
            return Some(chunk);
        }
        self.write(&chunk);
        None
    }
}

impl Socket {
    fn write(&self, chunk: &Chunk) {
        let heard = hear(&chunk.bytes);
        let mut written = self.written.lock().unwrap();
        written.heard.extend(heard);
        written.received = chunk.received.or(written.received);
        drop(written);
        self.changed.notify_all();
    }

    fn received(&self) -> MessageId {
        self.written.lock().unwrap().received.map_or(MessageId(0), |received| received.message_id)
    }
}

/// Whether each visit has heard what is owed behind its beginning, in order, and the last one all of it.
fn judge(heard: &[Heard], beginnings: &[MessageId]) {
    let owed: Vec<MessageId> = (1..=MESSAGES).map(MessageId).filter(|&id| is_owed(id)).collect();
    // Before the first login, then in turn after a login and after a logout.
    let parts: Vec<&[Heard]> = heard.split(|heard| *heard == Heard::Response).collect();
    assert_eq!(parts.len(), 2 * beginnings.len());
    for (part, updates) in parts.iter().enumerate() {
        let began = beginnings.get(part / 2).filter(|_| part % 2 == 1);
        let due = began.map_or(&[][..], |&began| &owed[owed.partition_point(|&id| id <= began)..]);
        let due: Vec<Heard> = due.iter().copied().map(Heard::Update).collect();
        assert!(due.starts_with(updates), "{updates:?} was heard instead of {due:?}: {heard:?}");
        assert!(
            part + 1 < parts.len() || due.len() == updates.len(),
            "the last visit has heard {updates:?} of {due:?}"
        );
    }
}

fn last_owed() -> MessageId {
    (1..=MESSAGES).rev().map(MessageId).find(|&id| is_owed(id)).unwrap()
}

fn hear(mut bytes: &[u8]) -> Vec<Heard> {
    let decode = |bytes, action| ReplyDecoder::new(Framing::Array, 1000).decode(bytes, Some(action));
    let mut heard = Vec::new();
    // Whether a response is to a login or to a logout it says itself.
    let either = |bytes| decode(bytes, Action::LogIn).or_else(|_| decode(bytes, Action::LogOut)).unwrap();
    while let Some((from_server, length)) = either(bytes) {
        bytes = &bytes[length..];
        heard.push(match from_server {
            FromServer::Response(_) => Heard::Response,
            FromServer::Update(update) => {
                Heard::Update(MessageId(update.content().expect("messages alone are published").parse().unwrap()))
            }
        });
    }
    assert!(bytes.is_empty());
    heard
}
