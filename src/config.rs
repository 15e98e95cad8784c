//! Everything that can be set, with its default, its unit and why it is that much.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::{GroupName, Rate};

/// The port of the plain listener.
pub const DEFAULT_PORT: u16 = 4242;

/// The port of the TLS listener.
pub const DEFAULT_TLS_PORT: u16 = 4243;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for TLS, and what to show there.
    pub tls: Option<TlsConfig>,
    /// The database: `sqlite://PATH`.
    pub database_url: String,
    /// Messages that are indexed together, which until then are found in memory: 2 to 10 MiB, read back at the start in about
    /// 100 ms. Reading looks into one stretch after the other, so more of them make it dearer.
    pub segment_messages: usize,
    /// What one client may take of the server.
    pub limits: Limits,
    /// How long messages are kept.
    pub retention: Retention,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// The wall clock.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))],
            tls: None,
            database_url: "sqlite://chinwag.db".to_owned(),
            segment_messages: 131_072,
            limits: Limits::default(),
            retention: Retention::default(),
            password_cost: PasswordCost::default(),
            clock: Clock::System,
        }
    }
}

/// TLS listeners.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// Where to listen; port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// A PEM file: the certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// A PEM file: the certificate's private key.
    pub key: PathBuf,
}

/// What one client may take of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Units: bytes of one request, headers included. Four times the longest content, as escaping costs nothing here.
    pub request_bytes: usize,
    /// Units: bytes of one request without a token on a connection that has not shown who it is.
    pub stranger_request_bytes: usize,
    /// Units: bytes of a message's content. Some ten pages of text; longer things are files.
    pub content_bytes: usize,
    /// Units: bytes that wait for one connection's socket, a quarter of them for responses. At least four times
    /// `content_bytes`, so that any update fits.
    pub outbox_bytes: usize,
    /// Requests of one connection that may wait for their response before the connection is not read any more.
    pub in_flight: usize,
    /// How long a started request may take to arrive whole.
    pub request_deadline: Duration,
    /// How long a connection may take from its beginning to its first whole request.
    pub first_request_deadline: Duration,
    /// How long a connection may take from its beginning to show who it is: by a login, or by a token that is accepted.
    pub stranger_deadline: Duration,
    /// Connections from one address that have not shown who they are.
    pub strangers_per_address: usize,
    /// Whether clients on this machine are exempt from what is counted by address: a proxy in front may be there, and all who
    /// come through it would be one.
    pub exempts_loopback: bool,
    /// Connections in all. Kept below what the system allows of open files, so that the database always has some.
    pub max_connections: usize,
    /// How long the peer of a connection may acknowledge nothing of what was sent to it.
    pub acknowledge_deadline: Duration,
    /// How long a request may wait for the writer before it is refused as busy.
    pub busy_after: Duration,
    /// How much a user may say; a message to a large group counts as [several](DELIVERIES_PER_MESSAGE). `None`: as much as
    /// there is room for.
    pub message_rate: Option<Rate>,
    /// How often a wrong password may be tried for one name from one address. A right one forgives the tries before it.
    pub login_rate: Option<Rate>,
    /// How often one address may register somebody.
    pub registration_rate: Option<Rate>,
    /// How long a token lives unused.
    pub token_lifetime: Duration,
    /// How long a stopping server waits for its connections to take what is in their outboxes.
    pub drain_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 64 * 1024,
            stranger_request_bytes: 4 * 1024,
            content_bytes: 16 * 1024,
            outbox_bytes: 256 * 1024,
            in_flight: 64,
            request_deadline: Duration::from_secs(30),
            first_request_deadline: Duration::from_secs(10),
            stranger_deadline: Duration::from_secs(30),
            strangers_per_address: 32,
            exempts_loopback: true,
            max_connections: 10_000,
            acknowledge_deadline: Duration::from_secs(30),
            busy_after: Duration::from_secs(2),
            message_rate: Some(Self::message_rate(50.0)),
            login_rate: Some(Self::login_rate(0.1)),
            registration_rate: Some(Self::registration_rate(1.0)),
            token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            drain_deadline: Duration::from_secs(3),
        }
    }
}

/// Members of a group to whom a message counts as one; to more it counts as so many more. With 50 messages a second, these
/// are 20,000 deliveries.
pub const DELIVERIES_PER_MESSAGE: u32 = 400;

/// The rates, each with the burst that it comes with.
impl Limits {
    /// Messages of one user. Ten seconds' worth at once, 500 by default: more than people paste, less than anybody notices.
    pub fn message_rate(per_second: f64) -> Rate {
        Rate::new(per_second, Duration::from_secs(10))
    }

    /// Wrong passwords for one name from one address. A hundred seconds' worth at once, ten by default: enough for a person who
    /// has forgotten which password it was. 8,650 a day withstands who guesses, if the password is not among the common ones.
    pub fn login_rate(per_second: f64) -> Rate {
        Rate::new(per_second, Duration::from_secs(100))
    }

    /// Registrations from one address. Twenty seconds' worth at once, 20 by default: a class that comes in behind one address.
    pub fn registration_rate(per_second: f64) -> Rate {
        Rate::new(per_second, Duration::from_secs(20))
    }
}

/// How long messages are kept, counted from when they were accepted. By default for ever: nothing is deleted unasked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Whispers, and what is said in the groups that are not named below.
    pub general: Keep,
    /// What is said in certain groups, each named once.
    pub groups: Vec<(GroupName, Keep)>,
}

impl Retention {
    /// Whether nothing is ever deleted.
    pub fn keeps_everything(&self) -> bool {
        self.general == Keep::Forever && self.groups.iter().all(|(_, keep)| *keep == Keep::Forever)
    }
}

/// How long one kind of message is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// For ever.
    #[default]
    Forever,
    /// For so many days of 24 hours.
    Days(u32),
}

impl Keep {
    /// Units: milliseconds; `None` for ever.
    pub fn age_ms(self) -> Option<i64> {
        match self {
            Self::Forever => None,
            Self::Days(days) => Some(i64::from(days) * 24 * 60 * 60 * 1000),
        }
    }
}

/// What hashing a password with Argon2id costs, with one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Units: KiB of memory for one hash.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
}

impl PasswordCost {
    /// The least that Argon2 takes: for tests, whose passwords protect nobody. No flag leads here.
    pub const FOR_TESTS: Self = Self { memory_kib: 8, iterations: 1 };
}

/// Source: OWASP Password Storage Cheat Sheet, the first of its equal choices for Argon2id.
impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2 }
    }
}

/// The wall clock: when a message was sent, whether a token has expired. Timeouts use a monotonic clock instead.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's.
    System,
    /// A clock that stands still until it is moved, for tests. Units: milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that shows the present and moves by [`Clock::advance`] alone.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(Self::System.now_ms())))
    }

    /// Milliseconds since 1970 (UTC).
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, whole_ms),
            Self::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }

    /// Moves a manual clock on, for everyone who holds a copy; the system's cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(now_ms) = self {
            now_ms.fetch_add(whole_ms(by), Ordering::Relaxed);
        }
    }
}

/// Whole milliseconds, as times are stored.
pub(crate) fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
