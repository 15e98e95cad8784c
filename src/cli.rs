//! The command line.

mod bench;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use bench::{Bench, BenchCommand, Compare, LoadFlags, What};
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Keep, Limits, Retention, TlsConfig};
use crate::domain::{GroupName, Rate};
use crate::telemetry::LogFormat;

/// A persistent chat server: one binary, one SQLite file, MessagePack over TCP.
#[derive(Debug, Parser)]
#[command(name = "chinwag", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What chinwag can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    ///
    /// Creates the database if there is none and migrates it if it is older than this chinwag. Prints one line to stdout once it
    /// listens; logs go to stderr, as much as RUST_LOG asks for. SIGINT and SIGTERM end it in order, a second one at once.
    Serve(Box<Serve>),
    /// Say whether a database is sound, and if not, what to do
    ///
    /// Reads the whole file: its structure, its rows and what they refer to, that the log of messages has no gaps, which schema
    /// it has, and who may open it. Changes nothing, and works while a server runs on the database. Exit code: 0 sound, 1 not
    /// sound or not to be read, 2 wrong usage, 130 ended by a signal.
    Check(Existing),
    /// Copy a database to a file, whether a server runs on it or not
    ///
    /// What was acknowledged before the backup began is in it. FILE is one file, for its user alone; it is read back whole and is
    /// on the disk before it gets its name. Nothing is ever overwritten. Exit code: 0 done, 1 there is no backup, and stderr
    /// says why, 2 wrong usage, 130 ended by a signal.
    Backup(Backup),
    /// Put a backup in the place of a database that no server runs on
    ///
    /// FILE is checked first and stays as it is; a copy of it takes the database's place in one step. A database that is there is
    /// kept under the name that is printed; some other file is never touched. Exit code: 0 done, 1 not restored, and stderr says
    /// why, 2 wrong usage, 130 ended by a signal.
    Restore(Restore),
    /// Delete old messages from a database that no server runs on
    ///
    /// Does at once what `chinwag serve` with the same flags does by itself, and says what was deleted. With --dry-run it only says
    /// what would be, and works while a server runs on the database. Exit code: 0 done, 1 not done, and stderr says why, 2 wrong
    /// usage, 130 ended by a signal; what was deleted by then stays so.
    Prune(Prune),
    /// Try whether a server speaks the wire as docs/PROTOCOL.md says
    ///
    /// Any server at HOST:PORT that speaks it without TLS. A line for each behaviour: 'passed', 'FAILED' with what the document
    /// says and what came instead, or 'skipped' with the reason: it takes longer than some seconds, say, or the server has limited
    /// what one address may do. The last line is the sums. Some 15 users, under names that end in random digits, and some groups
    /// are registered and stay behind. Exit code: 0 none failed, 1 some failed or the server is not to be reached, 2 wrong usage,
    /// 130 ended by a signal.
    Conformance(Conformance),
    /// Measure what a server can do
    ///
    /// Starts a server of its own on a temporary database, or uses the one at HOST:PORT, whose files and limits it cannot change:
    /// users with names that begin with 'bench-' are registered there and stay behind. A load of many people is played, several
    /// rounds of it, and a table shows how much was done, how long it took and what it cost; what cannot be known of the server is
    /// '-'.
    ///
    /// The least that the same work takes is measured in the same rounds: the same bytes over loopback by a loop that only copies
    /// them, the same rows in batches as large by SQLite without a server or an index, and the same bytes written to a file and synced. Figures in terms of that say less of the machine and more of the server.
    ///
    /// Every message is accounted for. Exit code: 0 measured, 1 it could not be measured, and stderr says why, 2 wrong usage, 3
    /// messages were lost or doubled, or came out of order, 130 ended by a signal.
    #[command(after_long_help = bench::scenarios())]
    Bench(Box<Bench>),
}

/// What to try, and where.
#[derive(Debug, Args)]
pub struct Conformance {
    /// The server
    #[arg(value_name = "HOST:PORT", value_parser = host_and_port)]
    pub address: String,
    /// Try only this version of the wire, 1 or 2
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub version: Option<u8>,
    /// Try only behaviours that have PATTERN in their line, or in what the document says, in any case: 'v1 bare', 'nonce'
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
}

/// A database that is there.
#[derive(Debug, Args)]
pub struct Existing {
    /// The database
    #[arg(long, value_name = "sqlite://PATH", env = "DATABASE_URL", default_value = "sqlite://chinwag.db")]
    pub database_url: String,
}

/// What to back up, and where to.
#[derive(Debug, Args)]
pub struct Backup {
    /// The copy; must not be there yet
    pub file: PathBuf,
    /// The database.
    #[command(flatten)]
    pub existing: Existing,
}

/// What to restore, and where to.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup: a sound chinwag database
    pub file: PathBuf,
    /// The database to restore; need not be there
    #[arg(long, value_name = "sqlite://PATH", env = "DATABASE_URL", default_value = "sqlite://chinwag.db")]
    pub database_url: String,
}

/// What to delete.
#[derive(Debug, Args)]
pub struct Prune {
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long messages are kept.
    #[command(flatten)]
    pub retention: RetentionFlags,
    /// The database.
    #[command(flatten)]
    pub existing: Existing,
}

impl Prune {
    /// What these flags ask for.
    ///
    /// # Errors
    /// A sentence, where they contradict one another or would delete nothing.
    pub fn retention(&self) -> Result<Retention, &'static str> {
        let retention = self.retention.retention()?;
        if retention.keeps_everything() {
            return Err("--retention or --group-retention has to say what to delete");
        }
        Ok(retention)
    }
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on; may be given more than once. Port 0 takes any free port
    #[arg(long, value_name = "ADDR", env = "CHINWAG_LISTEN", value_delimiter = ',', default_value = "127.0.0.1:4242")]
    pub listen: Vec<SocketAddr>,
    /// Listen without encryption on addresses that other machines can reach
    ///
    /// Passwords, tokens and all that is said cross the network readably then. Needed for any --listen but loopback.
    #[arg(long)]
    pub allow_plaintext: bool,
    /// PEM file with the certificate for TLS, and behind it those that vouch for it; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Address to listen on for TLS; may be given more than once
    #[arg(long, value_name = "ADDR", value_delimiter = ',', requires = "tls_cert", default_value = "0.0.0.0:4243")]
    pub tls_listen: Vec<SocketAddr>,
    /// The database, created if it is not there
    #[arg(long, value_name = "sqlite://PATH", env = "DATABASE_URL", default_value = "sqlite://chinwag.db")]
    pub database_url: String,
    /// Messages that are indexed together; for tests, which do not write as many as that are
    #[arg(long, value_name = "N", hide = true, default_value_t = Config::default().segment_messages)]
    pub segment_messages: usize,
    /// How long messages are kept.
    #[command(flatten)]
    pub retention: RetentionFlags,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What one client may take.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags for [`Retention`].
#[derive(Debug, Args)]
pub struct RetentionFlags {
    /// Days after which messages are deleted, whispers and group messages alike
    #[arg(long, value_name = "DAYS|off", value_parser = general_keep, default_value = "off")]
    pub retention: Keep,
    /// Days after which what is said in one group is deleted instead; may be given for more than one
    #[arg(long, value_name = "GROUP=DAYS|forever")]
    pub group_retention: Vec<GroupRetention>,
}

/// How long what is said in one group is kept.
#[derive(Debug, Clone)]
pub struct GroupRetention {
    /// The group, which need not be there yet.
    pub group_name: GroupName,
    /// How long.
    pub keep: Keep,
}

/// Flags for [`Limits`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Connections in all; never more than the system's limit on open files leaves room for
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections)]
    pub max_connections: usize,
    /// Connections from one address on which nobody has logged in and no token was accepted
    #[arg(long, value_name = "N", default_value_t = Limits::default().strangers_per_address)]
    pub max_strangers: usize,
    /// Limit strangers, logins and registrations from this machine too, which are exempt otherwise
    #[arg(long)]
    pub count_loopback: bool,
    /// Messages of one user a second, with ten seconds' worth at once; one to a group counts as one for every 400 members
    #[arg(long, value_name = "N|off", default_value = "50")]
    pub message_rate: PerSecond,
    /// Wrong passwords a second for one name from one address, with a hundred seconds' worth at once
    #[arg(long, value_name = "N|off", default_value = "0.1")]
    pub login_rate: PerSecond,
    /// Registrations a second from one address, with twenty seconds' worth at once
    #[arg(long, value_name = "N|off", default_value = "1")]
    pub registration_rate: PerSecond,
    /// Bytes of a message's content
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().content_bytes)]
    pub max_content: usize,
    /// Bytes of a request; at least 2,048 more than of a content
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().request_bytes)]
    pub max_request: usize,
    /// Bytes that may wait for one connection's socket; at least four times those of a content
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().outbox_bytes)]
    pub max_outbox: usize,
    /// Seconds for the first request of a connection to arrive
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub first_request_deadline: Duration,
    /// Seconds for a connection to log in or to show a token
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub stranger_deadline: Duration,
    /// Seconds for a request to arrive once it has begun
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub request_deadline: Duration,
    /// Seconds after which a peer that acknowledges nothing of what it is sent is given up
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub acknowledge_deadline: Duration,
}

/// How many a second; `None` is no limit.
#[derive(Debug, Clone, Copy)]
pub struct PerSecond(pub Option<f64>);

impl FromStr for PerSecond {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let number = text.parse().ok().filter(|number| Rate::RANGE.contains(number));
        number.map(|number| Self(Some(number))).ok_or("a number from 0.0001 to 1000000, or 'off', is needed")
    }
}

/// The most days that messages may be kept: a hundred years. Who wants more wants to keep them for ever.
const MAX_DAYS: u32 = 36_500;

fn days(text: &str) -> Option<Keep> {
    text.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days)).map(Keep::Days)
}

fn general_keep(text: &str) -> Result<Keep, &'static str> {
    if text == "off" {
        return Ok(Keep::Forever);
    }
    days(text).ok_or("a whole number of days from 1 to 36500, or 'off', is needed")
}

impl FromStr for GroupRetention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A name may have an equals sign in it, a number of days has none.
        let (name, keep) = text.rsplit_once('=').ok_or("GROUP=DAYS or GROUP=forever is needed")?;
        let group_name = GroupName::parse(name).map_err(|err| err.to_string())?;
        let keep = if keep == "forever" { Some(Keep::Forever) } else { days(keep) };
        let keep = keep.ok_or("a whole number of days from 1 to 36500, or 'forever', is needed")?;
        Ok(Self { group_name, keep })
    }
}

impl RetentionFlags {
    /// What these flags ask for.
    ///
    /// # Errors
    /// A sentence, where they contradict one another.
    pub fn retention(&self) -> Result<Retention, &'static str> {
        let mut groups: Vec<(GroupName, Keep)> = Vec::new();
        for GroupRetention { group_name, keep } in &self.group_retention {
            if groups.iter().any(|(other, _)| other.key() == group_name.key()) {
                return Err("--group-retention names one group twice");
            }
            groups.push((group_name.clone(), *keep));
        }
        Ok(Retention { general: self.retention, groups })
    }
}

fn host_and_port(text: &str) -> Result<String, &'static str> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("a host and a port are needed: 127.0.0.1:4242"),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("a deadline of 0 leaves no time at all".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => Err("a whole number of seconds is needed".to_owned()),
    }
}

impl Serve {
    /// The configuration that these flags ask for.
    ///
    /// # Errors
    /// A sentence, where limits contradict one another.
    pub fn config(&self) -> Result<Config, &'static str> {
        let limits = self.limits.limits();
        if limits.request_bytes < limits.content_bytes + REQUEST_OVERHEAD_BYTES {
            return Err("--max-request must be at least 2048 bytes more than --max-content");
        }
        if limits.outbox_bytes / 4 < limits.content_bytes {
            return Err("--max-outbox must be at least four times --max-content");
        }
        if !self.allow_plaintext && !self.listen.iter().all(|address| address.ip().is_loopback()) {
            return Err("--listen without encryption would let the network read every password and every word: \
                        use --tls-cert, --tls-key and --tls-listen, or say --allow-plaintext");
        }
        let retention = self.retention.retention()?;
        let (listen, tls, database_url) = (self.listen.clone(), self.tls(), self.database_url.clone());
        let segment_messages = self.segment_messages;
        Ok(Config { listen, tls, database_url, segment_messages, limits, retention, ..Config::default() })
    }

    fn tls(&self) -> Option<TlsConfig> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(TlsConfig { listen: self.tls_listen.clone(), certificate, key })
    }
}

/// What a request may have besides the content: names, a token, headers. Units: bytes.
const REQUEST_OVERHEAD_BYTES: usize = 2048;

impl LimitFlags {
    fn limits(&self) -> Limits {
        Limits {
            max_connections: self.max_connections,
            strangers_per_address: self.max_strangers,
            exempts_loopback: !self.count_loopback,
            message_rate: self.message_rate.0.map(Limits::message_rate),
            login_rate: self.login_rate.0.map(Limits::login_rate),
            registration_rate: self.registration_rate.0.map(Limits::registration_rate),
            content_bytes: self.max_content,
            request_bytes: self.max_request,
            outbox_bytes: self.max_outbox,
            first_request_deadline: self.first_request_deadline,
            stranger_deadline: self.stranger_deadline,
            request_deadline: self.request_deadline,
            acknowledge_deadline: self.acknowledge_deadline,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_TLS_PORT;
    use clap::CommandFactory;

    fn serve(arguments: &[&str]) -> Serve {
        match Cli::parse_from(["chinwag", "serve"].iter().chain(arguments)).command {
            Command::Serve(serve) => *serve,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let serve = serve(&[]);
        if std::env::var_os("CHINWAG_LISTEN").is_none() {
            assert_eq!(serve.listen, Config::default().listen);
        }
        if std::env::var_os("DATABASE_URL").is_none() {
            assert_eq!(serve.database_url, Config::default().database_url);
        }
        assert_eq!(format!("{:?}", serve.config().unwrap().limits), format!("{:?}", Limits::default()));
    }

    #[test]
    fn the_network_reads_along_only_where_that_was_asked_for() {
        let config = |arguments: &[&str]| serve(arguments).config();

        assert!(config(&["--listen", "0.0.0.0:4242"]).is_err());
        assert!(config(&["--listen", "127.0.0.1:1,[::1]:1,127.9.9.9:1"]).is_ok());
        assert!(config(&["--listen", "0.0.0.0:4242", "--allow-plaintext"]).is_ok());
        let tls = config(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]).unwrap().tls.unwrap();
        assert_eq!(tls.listen[0].port(), DEFAULT_TLS_PORT);
        assert!(Cli::try_parse_from(["chinwag", "serve", "--tls-cert", "cert.pem"]).is_err());
    }

    #[test]
    fn rates_are_numbers_a_second_or_off() {
        let limits = serve(&["--message-rate", "off", "--login-rate", "0.5"]).config().unwrap().limits;

        assert_eq!(limits.message_rate, None);
        assert_eq!(limits.login_rate.unwrap().cost(), Duration::from_secs(2));
    }

    #[test]
    fn messages_are_kept_for_days_or_for_ever_and_groups_are_known_by_any_form_of_their_names() {
        let retention = |arguments: &[&str]| serve(arguments).config().map(|config| config.retention);
        let groups = ["--group-retention", " TEA=1", "--group-retention", "a=b=forever"];

        assert_eq!(retention(&[]), Ok(Retention::default()));
        let asked = retention(&[&["--retention", "30"], &groups[..]].concat()).unwrap();

        assert_eq!(asked.general, Keep::Days(30));
        let groups: Vec<_> = asked.groups.iter().map(|(name, keep)| (name.key(), *keep)).collect();
        assert_eq!(groups, [("tea", Keep::Days(1)), ("a=b", Keep::Forever)]);
        assert!(retention(&["--group-retention", "tea=1", "--group-retention", "Tea=2"]).is_err());
    }

    #[test]
    fn what_is_no_number_of_days_is_refused() {
        for arguments in [
            ["--retention", "0"],
            ["--retention", "36501"],
            ["--retention", "forever"],
            ["--group-retention", "tea"],
            ["--group-retention", "tea=0"],
            ["--group-retention", "tea=off"],
            ["--group-retention", "=1"],
        ] {
            assert!(Cli::try_parse_from(["chinwag", "serve"].iter().chain(&arguments)).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn limits_that_contradict_one_another_are_refused() {
        for arguments in [["--max-content", "65000"], ["--max-request", "16384"], ["--max-outbox", "65535"]] {
            assert!(serve(&arguments).config().is_err(), "{arguments:?}");
        }
        for arguments in [["--request-deadline", "0"], ["--message-rate", "0"], ["--login-rate", "many"]] {
            assert!(Cli::try_parse_from(["chinwag", "serve"].iter().chain(&arguments)).is_err(), "{arguments:?}");
        }
    }
}
