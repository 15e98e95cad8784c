//! What who runs a server does with its database from the command line: checks it, backs it up, restores it, deletes old
//! messages.
//! Results go to stdout.
//!
//! It never says what is in a message, and it never changes a database that a server runs on.

use std::fmt;
use std::path::Path;

use crate::config::{Clock, Retention};
use crate::store::{
    self, Backup, BackupError, Contents, OpenError, Prunable, PrunablePart, PruneError, Pruned, Report, RestoreError,
    Restored,
};

/// Says whether the database of `url` is sound, and what is wrong with it. True when it is.
///
/// # Errors
/// [`OpenError`] when it cannot be told: there is no such file, or it is not ours, or newer than this binary.
pub async fn check(url: &str) -> Result<bool, OpenError> {
    let report = store::check(url).await?;
    print!("{}", Findings(&report));
    Ok(report.problems.is_empty())
}

/// Copies the database of `url` to `file`, and says what is in the copy.
///
/// # Errors
/// [`BackupError`]; no copy is there.
pub async fn back_up(url: &str, file: &Path) -> Result<(), BackupError> {
    let Backup { database, path, size_bytes, contents } = store::back_up(url, file).await?;
    let contents = contents.map_or_else(String::new, |contents| format!("{}, ", Amount(&contents)));
    println!("backed up {} to {}: {contents}{size_bytes} bytes", database.display(), path.display());
    Ok(())
}

/// Puts a copy of the backup `file` where `url` says, and says what became of the database that was there.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(url: &str, file: &Path) -> Result<(), RestoreError> {
    let Restored { database, contents, replaced } = store::restore(url, file).await?;
    let contents = contents.map_or_else(String::new, |contents| format!(": {}", Amount(&contents)));
    println!("restored {} from {}{contents}", database.display(), file.display());
    if let Some(replaced) = replaced {
        println!("the database that was there is now {}", replaced.display());
    }
    Ok(())
}

/// Deletes from the database of `url` what is older than `retention` keeps, and says what that was.
///
/// # Errors
/// [`PruneError`].
pub async fn prune(url: &str, retention: &Retention) -> Result<(), PruneError> {
    let Pruned { deleted, free_bytes, size_bytes } = store::prune(url, retention, Clock::System.now_ms()).await?;
    print!("{}", Parts(&deleted.parts));
    println!(
        "deleted from {}: {}; {free_bytes} of its {size_bytes} bytes are free now",
        deleted.database.display(),
        Total(&deleted.parts)
    );
    Ok(())
}

/// Says what [`prune`] would delete, and deletes nothing.
///
/// # Errors
/// [`PruneError`].
pub async fn list_prunable(url: &str, retention: &Retention) -> Result<(), PruneError> {
    let Prunable { database, parts } = store::list_prunable(url, retention, Clock::System.now_ms()).await?;
    print!("{}", Parts(&parts));
    println!("would be deleted from {}: {}", database.display(), Total(&parts));
    Ok(())
}

/// Messages by where they were said, one line each.
struct Parts<'a>(&'a [PrunablePart]);

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PrunablePart { group_name, messages, size_bytes, first_at, last_at } in self.0 {
            match group_name {
                None => write!(f, "whispers: ")?,
                Some(group_name) => write!(f, "group '{group_name}': ")?,
            }
            writeln!(f, "messages {messages}, from {first_at} to {last_at} (UTC), {size_bytes} bytes")?;
        }
        Ok(())
    }
}

/// How many that are in all.
struct Total<'a>(&'a [PrunablePart]);

impl fmt::Display for Total<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: i64 = self.0.iter().map(|part| part.messages).sum();
        let size_bytes: i64 = self.0.iter().map(|part| part.size_bytes).sum();
        write!(f, "messages {messages}, {size_bytes} bytes of content")
    }
}

/// A report as lines for a person.
struct Findings<'a>(&'a Report);

impl fmt::Display for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { path, version, newest, contents, problems } = self.0;
        for problem in problems {
            writeln!(f, "wrong: {problem}")?;
        }
        let verdict = if problems.is_empty() { "is sound" } else { "is not sound" };
        write!(f, "{} {verdict}: schema version {version}", path.display())?;
        if let Some(contents) = contents {
            write!(f, ", {}", Amount(contents))?;
        }
        writeln!(f)?;
        if version < newest {
            writeln!(f, "the next `chinwag serve` migrates it to version {newest}, after making a copy of it")?;
        }
        Ok(())
    }
}

/// How much is in a database, in words.
struct Amount<'a>(&'a Contents);

impl fmt::Display for Amount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { users, groups, messages } = self.0;
        write!(f, "users {users}, groups {groups}, messages {messages}")
    }
}
