//! What a server says in its log.

use std::collections::VecDeque;

/// Lines of a server's log that are kept to say why it has ended.
const KEPT_LINES: usize = 5;

/// Sums of what a server's writer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    commits: u64,
    messages: u64,
}

impl Committed {
    /// Commits for each message between two moments; `None` where nothing was committed between them.
    pub(super) fn commits_per_message(self, earlier: Self) -> Option<f64> {
        let (commits, messages) =
            (self.commits.saturating_sub(earlier.commits), self.messages.saturating_sub(earlier.messages));
        (messages > 0).then(|| commits as f64 / messages as f64)
    }
}

/// What a server has logged.
#[derive(Debug, Default)]
pub(super) struct Told {
    committed: Option<Committed>,
    last: VecDeque<String>,
}

impl Told {
    /// The newest sums.
    pub(super) fn committed(&self) -> Option<Committed> {
        self.committed
    }

    /// What it has said last, sums apart.
    pub(super) fn last_lines(&self) -> String {
        if self.last.is_empty() {
            return "it has said nothing".to_owned();
        }
        self.last.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Takes one line.
    pub(super) fn hear(&mut self, line: String) {
        match committed_in(&line) {
            Some(committed) => self.committed = Some(committed),
            None => {
                self.last.push_back(line);
                if self.last.len() > KEPT_LINES {
                    self.last.pop_front();
                }
            }
        }
    }
}

/// The sums in a line of `store::tally`, as `--log-format json` writes it.
fn committed_in(line: &str) -> Option<Committed> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let sum = |name: &str| line.get("fields")?.get(name)?.as_u64();
    Some(Committed { commits: sum("commits")?, messages: sum("messages")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_from_other_lines() {
        let mut told = Told::default();
        for line in [
            r#"{"level":"DEBUG","fields":{"message":"messages committed so far","commits":2,"messages":70},"target":"x"}"#,
            r#"{"level":"WARN","fields":{"message":"the database takes nothing at the moment"}}"#,
            "thread main panicked",
        ] {
            told.hear(line.to_owned());
        }

        assert_eq!(told.committed, Some(Committed { commits: 2, messages: 70 }));
        assert_eq!(told.last.len(), 2);
    }

    #[test]
    fn commits_are_counted_between_two_moments() {
        let [earlier, later] = [(10, 100), (12, 140)].map(|(commits, messages)| Committed { commits, messages });

        assert_eq!(later.commits_per_message(earlier), Some(0.05));
        assert_eq!(later.commits_per_message(later), None);
    }
}
