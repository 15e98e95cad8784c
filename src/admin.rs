//! What who runs a server does with its database from the command line: checks it, backs it up, restores it.
//! Results go to stdout.
//!
//! It never says what is in a message, and it never changes a database that a server runs on.

use std::fmt;
use std::path::Path;

use crate::store::{self, Backup, BackupError, Contents, OpenError, Report, RestoreError, Restored};

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
