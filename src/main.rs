//! The `chinwag` command.

use std::io::Write;
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::Context;
use chinwag::bench::{self, Verdict};
use chinwag::cli::{Backup, Bench, BenchCommand, Cli, Command, Conformance, Existing, Prune, Restore, Serve};
use chinwag::net::Tls;
use chinwag::server::Server;
use chinwag::telemetry::{self, LogFormat};
use chinwag::{admin, conformance, shutdown};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

/// What a shell sees of a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// A server that was measured loses messages, or worse.
const UNRELIABLE: u8 = 3;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Serve(asked) => serve(&asked),
        Command::Check(existing) => check(&existing),
        Command::Backup(backup) => back_up(&backup),
        Command::Restore(asked) => restore(&asked),
        Command::Prune(asked) => prune(&asked),
        Command::Conformance(asked) => conform(asked),
        Command::Bench(asked) => measure(&asked),
    };
    match result {
        Ok(code) => code,
        Err(err) => {
            // Nobody may be listening, which changes nothing.
            writeln!(std::io::stderr(), "chinwag: {}", chain(&err)).ok();
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line; a cause that its effect has quoted is left out.
fn chain(err: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in err.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Threads that serve connections: one for each processor but one, which the writer has for itself. A connection costs so little
/// that one more would mostly wake the others and take turns with it.
fn serving_threads() -> usize {
    available_parallelism().map_or(1, |processors| processors.get().saturating_sub(1).max(1))
}

fn serve(serve: &Serve) -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_multi_thread().worker_threads(serving_threads()).enable_all().build();
    runtime.context("cannot start threads")?.block_on(run(serve))
}

async fn run(serve: &Serve) -> anyhow::Result<ExitCode> {
    telemetry::start(serve.log_format);
    let shutdown = on_signal().context("cannot listen for signals")?;
    let config = serve.config().unwrap_or_else(|why| refuse_usage(why));
    let server = Server::start(&config).await?;
    announce(&server);
    reload_on_hangup(server.certificate()).context("cannot listen for signals")?;
    server.run(shutdown).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn check(existing: &Existing) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Text);
    let checking = async {
        let is_sound = admin::check(&existing.database_url).await?;
        anyhow::Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    unless_interrupted(checking).await
}

#[tokio::main]
async fn back_up(backup: &Backup) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Text);
    unless_interrupted(async {
        admin::back_up(&backup.existing.database_url, &backup.file).await?;
        Ok(ExitCode::SUCCESS)
    })
    .await
}

#[tokio::main]
async fn restore(asked: &Restore) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Text);
    unless_interrupted(async {
        admin::restore(&asked.database_url, &asked.file).await?;
        Ok(ExitCode::SUCCESS)
    })
    .await
}

#[tokio::main]
async fn prune(asked: &Prune) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Text);
    let (url, retention) = (&asked.existing.database_url, asked.retention().unwrap_or_else(|why| refuse_usage(why)));
    unless_interrupted(async {
        if asked.dry_run {
            admin::list_prunable(url, &retention).await?;
        } else {
            admin::prune(url, &retention).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

#[tokio::main]
async fn conform(asked: Conformance) -> anyhow::Result<ExitCode> {
    let Conformance { address, version, only } = asked;
    let options = conformance::Options { address, version, only, deadline: conformance::DEADLINE };
    unless_interrupted(async {
        let ran = conformance::run(&options, &mut std::io::stdout()).await;
        let summary = ran.with_context(|| format!("cannot try {}", options.address))?;
        if summary.total() == 0 {
            Cli::command().error(ErrorKind::InvalidValue, "no behaviour has what --only asks for").exit();
        }
        Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
    .await
}

#[tokio::main(flavor = "current_thread")]
async fn measure(asked: &Bench) -> anyhow::Result<ExitCode> {
    let measuring = async {
        let out = &mut std::io::stdout();
        let verdict = match &asked.command {
            Some(BenchCommand::Compare(asked)) => {
                let comparison = asked.comparison().unwrap_or_else(|why| refuse_usage(why));
                bench::compare(&comparison, out).await?
            }
            None => bench::run(&asked.options().unwrap_or_else(|why| refuse_usage(why)), out).await?,
        };
        Ok(if verdict == Verdict::Right { ExitCode::SUCCESS } else { ExitCode::from(UNRELIABLE) })
    };
    LocalSet::new().run_until(unless_interrupted(measuring)).await
}

/// Ends the process over flags that contradict one another.
fn refuse_usage(why: &str) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, why).exit()
}

/// Drops `work` at the first SIGINT or SIGTERM, so that nothing half done is left of it.
async fn unless_interrupted(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
        _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// The one line on stdout: scripts read the real port from it.
fn announce(server: &Server) {
    let line = format!(
        "chinwag {} listening on {}, database {}\n",
        env!("CARGO_PKG_VERSION"),
        server.listening(),
        server.database().display()
    );
    // Nobody may be reading it any more, which is no reason to stop.
    std::io::stdout().write_all(line.as_bytes()).ok();
}

/// SIGHUP reads certificate and key again; who is connected stays so. It ends nothing, be it that a terminal was closed.
fn reload_on_hangup(certificate: Option<Tls>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match certificate.as_ref().map(Tls::reload) {
                None => tracing::info!("SIGHUP: there is no certificate to read again"),
                Some(Ok(())) => tracing::info!("SIGHUP: read the certificate again"),
                Some(Err(err)) => {
                    tracing::error!(
                        error = &err as &dyn std::error::Error,
                        "SIGHUP: going on with the old certificate"
                    );
                }
            }
        }
    });
    Ok(())
}

/// The first SIGINT or SIGTERM ends the server in order, the second at once.
fn on_signal() -> std::io::Result<shutdown::Shutdown> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("stopping; a second signal ends it at once");
        trigger.trigger();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(INTERRUPTED.into());
    });
    Ok(shutdown)
}
