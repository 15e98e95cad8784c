//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
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
    Serve(Serve),
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on; may be given more than once. Port 0 takes any free port
    #[arg(long, value_name = "ADDR", env = "CHINWAG_LISTEN", value_delimiter = ',', default_value = "127.0.0.1:4242")]
    pub listen: Vec<SocketAddr>,
    /// The database, created if it is not there
    #[arg(long, value_name = "sqlite://PATH", env = "DATABASE_URL", default_value = "sqlite://chinwag.db")]
    pub database_url: String,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl Serve {
    /// The configuration that these flags ask for.
    pub fn config(&self) -> Config {
        Config { listen: self.listen.clone(), database_url: self.database_url.clone(), ..Config::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let Cli { command: Command::Serve(serve) } = Cli::parse_from(["chinwag", "serve"]);
        if std::env::var_os("CHINWAG_LISTEN").is_none() {
            assert_eq!(serve.listen, Config::default().listen);
        }
        if std::env::var_os("DATABASE_URL").is_none() {
            assert_eq!(serve.database_url, Config::default().database_url);
        }
    }
}
