//! A line that says what is going on, while somebody watches.

use std::io::{IsTerminal, Write, stderr};

/// The line; gone when this is dropped. There is none where stderr is not a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_shown: stderr().is_terminal() }
    }

    /// Shows another text.
    pub(super) fn say(&self, text: &str) {
        if self.is_shown {
            // Nobody may be watching any more, which changes nothing.
            write!(stderr(), "\r\x1b[K{text}").ok();
            stderr().flush().ok();
        }
    }

    /// Makes room for what goes to stdout.
    pub(super) fn clear(&self) {
        self.say("");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
