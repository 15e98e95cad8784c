//! Servers whose system calls are recorded or made to fail, by `strace`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::helpers::within;
use crate::program::serve;

/// Whether a test that needs `tool` can run. Where CI runs it must: nobody would notice what is never tried.
pub(crate) fn can_run(tool: &str, arguments: &[&str]) -> bool {
    let tried = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(err) => err.to_string(),
    };
    let said = format!("this test needs `{tool} {}`, which fails here: {why}", arguments.join(" "));
    assert!(std::env::var_os("CI").is_none(), "{said}");
    eprintln!("SKIPPED: {said}");
    false
}

/// By which system call SQLite syncs: `.cargo/config.toml` says so.
pub(crate) const SYNC: &str = "fdatasync";

/// Whether a process can be traced here.
pub(crate) fn can_trace() -> bool {
    can_run("strace", &["-D", "-f", "-o", "/dev/null", "true"])
}

/// `command` under strace with `options`. With -D strace is its child, so signals and the exit code stay the program's.
pub(crate) fn under_strace<S: AsRef<OsStr>>(options: &[S], traced: &Command) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-q"]).args(options).arg("--");
    command.arg(traced.get_program()).args(traced.get_args());
    for (key, value) in traced.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if let Some(directory) = traced.get_current_dir() {
        command.current_dir(directory);
    }
    command
}

/// A server in `directory` to which `fault` is done, in strace's words: `fdatasync:signal=KILL:when=3`. Threads count apart.
pub(crate) fn serve_with_fault(directory: &Path, fault: &str) -> Command {
    let serve = serve(directory, &[]);
    let syscalls = fault.split(':').next().unwrap();
    under_strace(&["-o", "/dev/null", "-e", &format!("trace={syscalls}"), "-e", &format!("inject={fault}")], &serve)
}

/// A fault in a server that runs already; ends when dropped.
pub(crate) struct Fault {
    strace: Child,
}

impl Fault {
    /// Does `fault` to the process from now on.
    pub(crate) async fn inject(process_id: u32, directory: &Path, fault: &str) -> Self {
        let said = directory.join("strace");
        let syscalls = fault.split(':').next().unwrap();
        let strace = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={syscalls}"), "-e", &format!("inject={fault}")])
            .args(["-p", &process_id.to_string()])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let fault = Self { strace };
        let attached = async {
            while !std::fs::read_to_string(&said).unwrap().contains("attached") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("strace to attach", attached).await;
        fault
    }
}

impl Drop for Fault {
    /// Told to end, strace lets go of the process first.
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.strace), Signal::INT).ok();
        self.strace.wait().ok();
    }
}
