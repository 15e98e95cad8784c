//! Plays a schedule against a server and holds what happens against the book.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chinwag::client::{Client, ClientError, Login};
use chinwag::domain::Secret;
use chinwag::protocol::{Framing, Request, Response, Update};
use proptest::test_runner::TestCaseError;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::book::{Book, Place};
use super::schedule::{DEVICES, NARROW_DEVICES, Op, Said, To, USERS};
use crate::database::Log;
use crate::helpers::{PASSWORD, TestServer};

/// Shorter than that of other tests, for a failing schedule is played many times while it shrinks.
const DEADLINE: Duration = Duration::from_secs(10);

/// With so small a buffer and segments so short, a socket holds about 50 KB before its reader is late. Units: bytes.
const NARROW_BUFFER_BYTES: u32 = 4096;
const NARROW_SEGMENT_BYTES: u32 = 536;

type Played<T> = Result<T, TestCaseError>;

fn fail<T>(reason: impl Into<String>) -> Played<T> {
    Err(TestCaseError::fail(reason.into()))
}

async fn soon<T>(what: &str, future: impl Future<Output = Result<T, ClientError>>) -> Played<T> {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(err)) => fail(format!("{what}: {err:?}")),
        Err(_) => fail(format!("waited {DEADLINE:?} for {what}")),
    }
}

/// Plays one schedule, with users and groups whose names nobody else has.
pub(super) struct Player {
    address: SocketAddr,
    log: Log,
    /// Only where the schedule has it to itself.
    server: Option<TestServer>,
    tag: String,
    said: usize,
    book: Book,
    devices: [Device; DEVICES],
}

/// A place for a connection.
#[derive(Debug, Default)]
struct Device {
    client: Option<Client>,
    /// What was received but not yet looked at.
    kept: Vec<Update>,
    /// The newest login that this device got, perhaps on an earlier connection.
    token: Option<Token>,
    /// Who is logged in on the connection, and what they receive next.
    reading: Option<(usize, Place)>,
    /// The same of the login before, on the same connection.
    departed: Option<(usize, Place)>,
}

impl Device {
    /// What the client has received by now, and up to where, of both logins.
    fn received(&self) -> [Option<(usize, Place)>; 2] {
        [self.reading, self.departed]
    }
}

#[derive(Debug, Clone)]
struct Token {
    user: usize,
    login: Login,
    is_valid: bool,
}

/// A message that has been sent.
#[derive(Debug)]
struct Sent {
    device: usize,
    content: String,
    expected: Result<(usize, To), &'static str>,
}

impl Player {
    pub(super) fn new(address: SocketAddr, database: PathBuf) -> Self {
        static PLAYED: AtomicU64 = AtomicU64::new(0);
        let tag = format!("s{}", PLAYED.fetch_add(1, Ordering::Relaxed));
        let (book, devices) = (Book::new(&tag), Default::default());
        Self { address, log: Log::new(database), server: None, tag, said: 0, book, devices }
    }

    /// With a server that it may restart.
    pub(super) fn on(server: TestServer) -> Self {
        let player = Self::new(server.address, server.database());
        Self { server: Some(server), ..player }
    }

    /// Plays all of it, and then looks whether everybody has received what they are owed.
    pub(super) async fn play(mut self, ops: Vec<Op>) -> Played<Option<TestServer>> {
        self.log.skip().await;
        for op in ops {
            self.step(op).await?;
        }
        for device in 0..DEVICES {
            self.disconnect(device).await?;
        }
        for user in (0..USERS).filter(|&user| self.book.is_registered(user)).collect::<Vec<_>>() {
            self.log_in(DEVICES - 1, user).await?;
            self.catch_up(DEVICES - 1).await?;
            self.disconnect(DEVICES - 1).await?;
        }
        Ok(self.server)
    }

    async fn step(&mut self, op: Op) -> Played<()> {
        match op {
            Op::Register { device, user } => self.register(device, user).await,
            Op::LogIn { device, user } => self.log_in(device, user).await,
            Op::LogOut { device } => self.log_out(device).await,
            Op::CreateGroup { device, group } => self.create_group(device, group).await,
            Op::JoinGroup { device, group } => self.join_group(device, group).await,
            Op::Say(said) => self.say(&said).await,
            Op::CatchUp { device } => self.catch_up(device).await,
            Op::Disconnect { device } => self.disconnect(device).await,
            Op::Break { device } => self.break_off(device),
            Op::Restart => self.restart().await,
        }
    }

    async fn register(&mut self, device: usize, user: usize) -> Played<()> {
        let username = self.book.users[user].name.clone();
        let expected = self.book.register(user);
        self.expect(device, &Request::Register { username: username.into(), password: Secret::new(PASSWORD) }, expected)
            .await
    }

    async fn log_in(&mut self, device: usize, user: usize) -> Played<()> {
        let request =
            Request::LogIn { username: self.book.users[user].name.clone().into(), password: Secret::new(PASSWORD) };
        if self.devices[device].reading.is_some() {
            return self.expect(device, &request, Err("this connection is logged in already; log out first")).await;
        }
        if !self.book.is_registered(user) {
            return self.expect(device, &request, Err("wrong username or password")).await;
        }
        let received = self.devices[device].received();
        self.acknowledge(received);
        let reached = (0..DEVICES).filter_map(|other| self.reach(other)).filter(|&(who, _)| who == user);
        let place = self.book.users[user].place(reached.map(|(_, reached)| reached).max());
        let Response::LoggedIn { username, token, .. } = self.ask(device, &request).await? else {
            return fail("a right password was refused");
        };
        let login = Login { username, token, head: None };
        self.devices[device].token = Some(Token { user, login, is_valid: true });
        self.devices[device].reading = Some((user, place));
        Ok(())
    }

    async fn log_out(&mut self, device: usize) -> Played<()> {
        let Some(Token { user, login, .. }) = self.devices[device].token.clone() else { return Ok(()) };
        let request = Request::LogOut { username: login.username.into() };
        if self.devices[device].reading.is_none() {
            return self.expect(device, &request, Err("this connection is not logged in as that user")).await;
        }
        self.expect(device, &request, Ok(())).await?;
        // What came in the last moment is received, but the client's TCP may acknowledge it a little later.
        let received = self.devices[device].reading.take();
        self.devices[device].departed = received;
        if let Some((_, Place::At(next))) = received {
            self.book.users[user].perhaps_acknowledge(next);
        }
        if let Some(token) = &mut self.devices[device].token {
            token.is_valid = false;
        }
        Ok(())
    }

    async fn create_group(&mut self, device: usize, group: usize) -> Played<()> {
        let Some(Token { user, login, is_valid }) = self.devices[device].token.clone() else { return Ok(()) };
        let (username, token) = login.credentials();
        let request =
            Request::CreateGroup { username, token, group_name: self.book.group_name(group).to_owned().into() };
        let expected = authenticated(is_valid).and_then(|()| self.book.create_group(user, group));
        self.expect(device, &request, expected).await
    }

    async fn join_group(&mut self, device: usize, group: usize) -> Played<()> {
        let Some(Token { user, login, is_valid }) = self.devices[device].token.clone() else { return Ok(()) };
        let (username, token) = login.credentials();
        let request = Request::JoinGroup { username, token, group_name: self.book.group_name(group).to_owned().into() };
        let expected = authenticated(is_valid).and_then(|()| self.book.join_group(user, group));
        self.expect(device, &request, expected).await
    }

    /// Sends everything before it awaits any response, so that messages of several senders meet. Their order is the log's.
    async fn say(&mut self, all: &[Said]) -> Played<()> {
        let mut sent = Vec::new();
        for said in all {
            for _ in 0..said.count {
                sent.extend(self.send_message(said).await?);
            }
        }
        for device in 0..DEVICES {
            self.await_responses(device, &sent).await?;
        }
        let accepted: HashMap<&str, (usize, To)> =
            sent.iter().filter_map(|sent| Some((sent.content.as_str(), sent.expected.ok()?))).collect();
        let logged = self.log.contents_with_prefix(&format!("{}.", self.tag)).await;
        if logged.len() != accepted.len() {
            return fail(format!("{} messages were acknowledged, {} are in the log", accepted.len(), logged.len()));
        }
        for content in logged {
            let Some(&(user, to)) = accepted.get(content.as_str()) else {
                return fail("the log has a message that was refused");
            };
            self.book.deliver(user, to, &content);
        }
        (0..DEVICES).try_for_each(|device| self.take_in(device))
    }

    async fn send_message(&mut self, said: &Said) -> Played<Option<Sent>> {
        let Said { device, to, size_bytes, .. } = *said;
        let Some(Token { user, login, is_valid }) = self.devices[device].token.clone() else { return Ok(None) };
        self.said += 1;
        let content = format!("{:<size_bytes$}", format!("{}.{}", self.tag, self.said));
        let ((username, token), text) = (login.credentials(), content.clone().into());
        let request = match to {
            To::User(user) => {
                let recipient = self.book.users[user].name.clone().into();
                Request::Whisper { username, token, recipient, content: text, nonce: None }
            }
            To::Group(group) => {
                let group_name = self.book.group_name(group).to_owned().into();
                Request::MessageGroup { username, token, group_name, content: text, nonce: None }
            }
        };
        let client = self.client(device).await?;
        soon("a message to be sent", client.send(&request)).await?;
        let expected = authenticated(is_valid).and_then(|()| self.book.may_say(user, to)).map(|()| (user, to));
        Ok(Some(Sent { device, content, expected }))
    }

    /// Takes a device's responses. What it receives before one of them is kept, and is nothing of its own that comes later.
    async fn await_responses(&mut self, device: usize, sent: &[Sent]) -> Played<()> {
        let received = self.devices[device].received();
        let mut unanswered: Vec<&Sent> = sent.iter().filter(|sent| sent.device == device).collect();
        if unanswered.is_empty() {
            return Ok(());
        }
        let client = self.client(device).await?;
        let mut updates: Vec<Update> = Vec::new();
        while !unanswered.is_empty() {
            let response = soon("a message's response", client.next_response()).await?;
            let seen = updates.len();
            updates.extend(std::iter::from_fn(|| client.take_update()));
            for update in &updates[seen..] {
                if unanswered.iter().any(|sent| Some(&*sent.content) == update.content()) {
                    return fail("an update came before the response to its own message");
                }
            }
            let expected = unanswered.remove(0).expected.map(|_| ());
            compare(&response, expected)?;
        }
        self.devices[device].kept.extend(updates);
        self.acknowledge(received);
        Ok(())
    }

    /// Reads until the device has everything that its user is owed. A whisper to oneself comes after all of it.
    async fn catch_up(&mut self, device: usize) -> Played<()> {
        let Some((user, _)) = self.devices[device].reading else { return Ok(()) };
        self.say(&[Said { device, to: To::User(user), count: 1, size_bytes: 1 }]).await?;
        loop {
            let owed = self.book.users[user].owed.len();
            match self.devices[device].reading {
                Some((_, Place::At(next))) if next == owed => return Ok(()),
                Some((_, place)) => {
                    let client = self.client(device).await?;
                    let update = soon(&format!("an update at {place:?} of {owed}"), client.next_update()).await?;
                    self.receive(device, &update)?;
                }
                None => unreachable!("nothing logs out while it catches up"),
            }
        }
    }

    /// Ends a connection well: what came until its end is received, the rest of what was owed is missed.
    async fn disconnect(&mut self, device: usize) -> Played<()> {
        let Some(client) = self.devices[device].client.take() else { return Ok(()) };
        let updates = soon("the server to end the connection", client.close()).await?;
        self.ended(device, updates)
    }

    fn ended(&mut self, device: usize, updates: Vec<Update>) -> Played<()> {
        for update in updates {
            self.receive(device, &update)?;
        }
        let received = self.devices[device].received();
        self.acknowledge(received);
        (self.devices[device].reading, self.devices[device].departed) = (None, None);
        Ok(())
    }

    fn break_off(&mut self, device: usize) -> Played<()> {
        let reached = self.reach(device);
        self.devices[device] = Device { token: self.devices[device].token.take(), ..Device::default() };
        if let Some((user, reached)) = reached {
            self.book.users[user].perhaps_acknowledge(reached);
        }
        Ok(())
    }

    /// Up to where the TCP of a connection can at most have acknowledged what its user is owed: a socket that is not read takes
    /// as much as its buffer holds.
    fn reach(&self, device: usize) -> Option<(usize, usize)> {
        let (user, place) = self.devices[device].reading?;
        let (Place::At(next) | Place::Between(_, next)) = place;
        let owed = &self.book.users[user].owed;
        if device >= NARROW_DEVICES {
            return Some((user, owed.len()));
        }
        let mut room_bytes = 2 * NARROW_BUFFER_BYTES as usize;
        let fits = owed.iter().skip(next).take_while(|update| {
            let size_bytes = update.content().map_or(0, str::len);
            let fits = size_bytes <= room_bytes;
            room_bytes = room_bytes.saturating_sub(size_bytes);
            fits
        });
        Some((user, next + fits.count()))
    }

    /// Restarts the server while everybody reads to the end.
    async fn restart(&mut self) -> Played<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        self.log.close();
        let stopping = tokio::spawn(server.stop());
        for device in 0..DEVICES {
            let Some(mut client) = self.devices[device].client.take() else { continue };
            let mut updates = Vec::new();
            let reading = async {
                loop {
                    match client.next_update().await {
                        Ok(update) => updates.push(update),
                        Err(ClientError::Closed) => return Ok(()),
                        Err(err) => return Err(err),
                    }
                }
            };
            soon("the server to end the connection", reading).await?;
            drop(client);
            self.ended(device, updates)?;
        }
        let Ok(stopped) = stopping.await else { return fail("the server did not stop in order") };
        let server = stopped.start().await;
        self.address = server.address;
        self.server = Some(server);
        Ok(())
    }

    async fn expect(&mut self, device: usize, request: &Request<'_>, expected: Result<(), &str>) -> Played<()> {
        let response = self.ask(device, request).await?;
        compare(&response, expected)
    }

    /// Asks, and takes in the updates that come before the response.
    async fn ask(&mut self, device: usize, request: &Request<'_>) -> Played<Response> {
        let received = self.devices[device].received();
        let client = self.client(device).await?;
        soon("a request to be sent", client.send(request)).await?;
        let response = soon("a response", client.next_response()).await?;
        self.take_in(device)?;
        self.acknowledge(received);
        Ok(response)
    }

    /// The bytes of a request, and the end of a connection, acknowledge everything that was read before.
    fn acknowledge(&mut self, received: [Option<(usize, Place)>; 2]) {
        for (user, place) in received.into_iter().flatten() {
            if let Place::At(next) = place {
                let user = &mut self.book.users[user];
                user.acknowledged = user.acknowledged.max(next);
            }
        }
    }

    /// Holds what has arrived so far against the book.
    fn take_in(&mut self, device: usize) -> Played<()> {
        let Device { client, kept, .. } = &mut self.devices[device];
        let mut updates = std::mem::take(kept);
        updates.extend(client.iter_mut().flat_map(|client| std::iter::from_fn(|| client.take_update())));
        updates.iter().try_for_each(|update| self.receive(device, update))
    }

    fn receive(&mut self, device: usize, update: &Update) -> Played<()> {
        let Some((user, place)) = &mut self.devices[device].reading else {
            return fail("an update came to a connection on which nobody is logged in");
        };
        *place = self.book.users[*user].received(*place, update).map_err(TestCaseError::fail)?;
        Ok(())
    }

    async fn client(&mut self, device: usize) -> Played<&mut Client> {
        if self.devices[device].client.is_none() {
            let framing = if device.is_multiple_of(2) { Framing::Array } else { Framing::Bare };
            let connecting = async {
                let stream = connect(self.address, device < NARROW_DEVICES).await.map_err(ClientError::Connect)?;
                Ok(Client::over(stream, framing))
            };
            self.devices[device].client = Some(soon("a connection", connecting).await?);
        }
        Ok(self.devices[device].client.as_mut().expect("there is one by now"))
    }
}

async fn connect(address: SocketAddr, is_narrow: bool) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if is_narrow {
        socket.set_recv_buffer_size(NARROW_BUFFER_BYTES)?;
        SockRef::from(&socket).set_tcp_mss(NARROW_SEGMENT_BYTES)?;
    }
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

fn authenticated(is_valid: bool) -> Result<(), &'static str> {
    if is_valid { Ok(()) } else { Err("this username and token are not valid together; log in again") }
}

fn compare(response: &Response, expected: Result<(), &str>) -> Played<()> {
    match (response, expected) {
        (Response::Done, Ok(())) => Ok(()),
        (Response::Refused(refused), Err(expected)) if refused.why == expected => Ok(()),
        (response, expected) => fail(format!("the response is {response:?}, not {expected:?}")),
    }
}
