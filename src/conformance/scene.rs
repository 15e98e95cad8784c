//! What behaviours share: the server, what it takes, and the users that were registered there.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::sleep;
use uuid::Uuid;

use super::behaviour::{Met, Unmet, Wire};
use super::connection::{Bounds, Connection};
use super::requests::User;
use crate::config;

/// Who is in every scene. They are registered once: a server may refuse many registrations from one address. Their names begin
/// with a capital letter, to be seen in another case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Person {
    Ada,
    Bob,
    Eve,
}

/// How often a registration is tried again where there were too many, a second apart.
const TRIES: usize = 3;

/// What a server takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) content_bytes: usize,
    pub(super) request_bytes: usize,
    pub(super) in_flight: usize,
}

pub(super) struct Scene {
    /// On which the behaviour is tried.
    pub(super) wire: Wire,
    pub(super) limits: Limits,
    address: String,
    /// How long one message may take.
    patience: Duration,
    /// Why there is no version 2, where there is none.
    version_2: Met,
    people: HashMap<Person, User>,
    /// Why nobody could be registered on a wire.
    unregistered: HashMap<Wire, Unmet>,
    /// By which names of this run differ from all others.
    run: String,
    names: usize,
}

impl Scene {
    /// The scene on the server at `address`, of which one message may take as long as `patience`. Asks it by `hello` what it takes.
    pub(super) async fn new(address: String, patience: Duration) -> Self {
        let defaults = config::Limits::default();
        let mut limits = Limits {
            content_bytes: defaults.content_bytes,
            request_bytes: defaults.request_bytes,
            in_flight: defaults.in_flight,
        };
        let told = ask_limits(&address, limits, patience).await;
        if let Ok(told) = &told {
            limits = *told;
        }
        let version_2 = told.map(drop);
        let run = Uuid::new_v4().simple().to_string()[..8].to_owned();
        let (people, unregistered) = (HashMap::new(), HashMap::new());
        Self { wire: Wire::Array, limits, address, patience, version_2, people, unregistered, run, names: 0 }
    }

    /// A connection that speaks the scene's wire.
    pub(super) async fn connect(&self) -> Met<Connection> {
        self.connect_by(self.wire).await
    }

    /// A connection that speaks a certain wire.
    pub(super) async fn connect_by(&self, wire: Wire) -> Met<Connection> {
        self.greet(self.open(wire).await?).await
    }

    /// A connection that has room for little, and speaks the scene's wire.
    pub(super) async fn connect_narrow(&self) -> Met<Connection> {
        self.greet(Connection::open(connect_narrow(&self.address), self.wire, self.bounds()).await?).await
    }

    /// A connection on which nothing was sent, not even `hello`.
    pub(super) async fn open(&self, wire: Wire) -> Met<Connection> {
        Connection::open(TcpStream::connect(&self.address), wire, self.bounds()).await
    }

    fn bounds(&self) -> Bounds {
        Bounds { content_bytes: self.limits.content_bytes, patience: self.patience }
    }

    async fn greet(&self, mut connection: Connection) -> Met<Connection> {
        if connection.wire.is_version_2() {
            self.version_2.clone()?;
            connection.done(&hello()).await?;
        }
        Ok(connection)
    }

    /// Somebody, registered. Where that has failed on a wire it is not tried again there: it may have taken long.
    pub(super) async fn user(&mut self, person: Person) -> Met<User> {
        if let Some(user) = self.people.get(&person) {
            return Ok(user.clone());
        }
        if let Some(unmet) = self.unregistered.get(&self.wire) {
            return Err(unmet.clone());
        }
        let user = self.new_user(&format!("{person:?}"));
        if let Err(unmet) = self.register(&user).await {
            self.unregistered.insert(self.wire, unmet.clone());
            return Err(unmet);
        }
        self.people.insert(person, user.clone());
        Ok(user)
    }

    /// A user who is not registered.
    pub(super) fn new_user(&mut self, name: &str) -> User {
        User { name: self.unused(name), password: self.unused("a long passphrase ") }
    }

    /// Registers a user. Where the server says that there were too many, it is tried again a little later.
    pub(super) async fn register(&self, user: &User) -> Met {
        for _ in 1..TRIES {
            match self.connect().await?.done(&user.register()).await {
                Err(Unmet::Skipped(_)) => sleep(Duration::from_secs(1)).await,
                done => return done.map(drop),
            }
        }
        self.connect().await?.done(&user.register()).await.map(drop)
    }

    /// A new user, logged in.
    pub(super) async fn newcomer(&mut self) -> Met<Connection> {
        let user = self.new_user("Newcomer");
        self.register(&user).await?;
        let mut connection = self.connect().await?;
        connection.log_in(&user).await?;
        Ok(connection)
    }

    /// A connection on which somebody is logged in and which has received all that came before.
    pub(super) async fn log_in(&mut self, person: Person) -> Met<Connection> {
        self.log_in_by(self.wire, person).await
    }

    pub(super) async fn log_in_by(&mut self, wire: Wire, person: Person) -> Met<Connection> {
        let mut connection = self.enter_by(wire, person).await?;
        if wire.is_version_2() {
            connection.catch_up(&connection.head.clone().into()).await?;
        } else {
            connection.updates_so_far().await?;
        }
        Ok(connection)
    }

    /// A connection on which somebody is logged in: in version 1 what was missed comes next, in version 2 nothing.
    pub(super) async fn enter(&mut self, person: Person) -> Met<Connection> {
        self.enter_by(self.wire, person).await
    }

    async fn enter_by(&mut self, wire: Wire, person: Person) -> Met<Connection> {
        let user = self.user(person).await?;
        let mut connection = self.connect_by(wire).await?;
        connection.log_in(&user).await?;
        Ok(connection)
    }

    /// In version 2, another connection with the login of one that there is.
    pub(super) async fn resume(&self, login: &Connection) -> Met<Connection> {
        let mut connection = self.connect_by(Wire::Version2).await?;
        connection.begin(&login.resume()).await?;
        Ok(connection)
    }

    /// A text that occurs nowhere else.
    pub(super) fn unused(&mut self, beginning: &str) -> String {
        self.names += 1;
        format!("{beginning}-{}-{}", self.run, self.names)
    }
}

/// What begins version 2.
pub(super) fn hello() -> Value {
    json!(["hello", { "version": 2, "client": concat!("conformance/", env!("CARGO_PKG_VERSION")) }])
}

async fn ask_limits(address: &str, defaults: Limits, patience: Duration) -> Met<Limits> {
    let bounds = Bounds { content_bytes: defaults.content_bytes, patience };
    let mut connection = Connection::open(TcpStream::connect(address), Wire::Version2, bounds).await?;
    let welcome = connection.done(&hello()).await?;
    let limit = |name: &str, default| {
        let told = welcome[2]["limits"][name].as_u64().and_then(|limit| usize::try_from(limit).ok());
        told.unwrap_or(default)
    };
    Ok(Limits {
        content_bytes: limit("content_bytes", defaults.content_bytes),
        request_bytes: limit("request_bytes", defaults.request_bytes),
        in_flight: limit("in_flight", defaults.in_flight),
    })
}

/// Connects a socket that has room for little at a time.
async fn connect_narrow(address: &str) -> io::Result<TcpStream> {
    let address = lookup_host(address).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(8 * 1024)?;
    socket.connect(address).await
}
