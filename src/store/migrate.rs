//! Bringing an older file up to this binary's schema, with a copy of it made before.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Connection, SqliteConnection};

use super::connect::{connect_migrator, pragma};
use super::copy::PartialCopy;
use super::lock::with_suffix;
use super::{CopyError, OpenError};

/// The migrations as they were when this binary was built.
pub(super) static MIGRATOR: Migrator = sqlx::migrate!();

/// The schema version that a file has after all migrations: the number of the last one.
pub(super) fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Runs the migrations that the file at `path` lacks. `version` is the file's, 0 when new.
pub(super) async fn migrate(path: &Path, version: i64, migrator: &Migrator) -> Result<(), OpenError> {
    let newest = newest(migrator);
    let mut conn = connect_migrator(path).await?;
    if version != 0 && version < newest {
        copy(&mut conn, path, version).await?;
        tracing::info!(from = version, to = newest, "migrating the database");
    }
    if version < newest {
        run(&mut conn, migrator).await?;
    } else {
        // Nothing to run; compares what was run with what this binary knows.
        migrator.run(&mut conn).await?;
    }
    conn.close().await?;
    Ok(())
}

/// Runs what is lacking in one transaction, the table of what was run included: all of it is there afterwards, or nothing.
async fn run(conn: &mut SqliteConnection, migrator: &Migrator) -> Result<(), OpenError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    migrator.run(&mut *tx).await?;
    check_references(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn check_references(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let violations = pragma(conn, "select count(*) from pragma_foreign_key_check").await?;
    if violations > 0 {
        return Err(OpenError::DanglingRows { violations: usize::try_from(violations).unwrap_or(usize::MAX) });
    }
    Ok(())
}

/// Copies the file as it stands to `PATH.before-migration-from-VERSION-N`, overwriting nothing.
async fn copy(conn: &mut SqliteConnection, path: &Path, version: i64) -> Result<(), CopyError> {
    let target = unused(path, version);
    let size_bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    tracing::info!(copy = %target.display(), size_bytes, "copying the database before migrating it");
    // The lock on the database keeps every other server from making the same copy.
    let partial = PartialCopy::create_anew(with_suffix(&target, ".partial"))?;
    partial.fill(conn).await?;
    partial.verify().await?;
    partial.finish(&target)?;
    Ok(())
}

fn unused(path: &Path, version: i64) -> PathBuf {
    let name = |n: u32| with_suffix(path, &format!(".before-migration-from-{version}-{n}"));
    (1..).map(name).find(|target| !target.exists()).expect("a directory does not hold so many copies")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connect::connect_reader;
    use crate::store::lock::create_private;
    use std::os::unix::fs::PermissionsExt;

    const FIRST: &str = "pragma user_version = 1; create table parents (parent_id integer primary key) strict;
        create table children (parent_id integer not null references parents (parent_id)) strict;
        insert into parents values (1); insert into children values (1);";

    async fn migrator(directory: &Path, migrations: &[&str]) -> Migrator {
        for (index, sql) in migrations.iter().enumerate() {
            std::fs::write(directory.join(format!("{:04}_step.sql", index + 1)), sql).unwrap();
        }
        Migrator::new(directory.to_owned()).await.unwrap()
    }

    async fn number(path: &Path, sql: &'static str) -> i64 {
        let mut conn = connect_reader(path).await.unwrap();
        pragma(&mut conn, sql).await.unwrap()
    }

    struct Files {
        directory: tempfile::TempDir,
        path: PathBuf,
    }

    /// A database after the first migration.
    async fn migrated_once() -> Files {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        create_private(&path).unwrap();
        migrate(&path, 0, &migrator(directory.path(), &[FIRST]).await).await.unwrap();
        Files { directory, path }
    }

    #[tokio::test]
    async fn a_new_file_is_not_copied() {
        let files = migrated_once().await;

        assert_eq!(number(&files.path, "pragma user_version").await, 1);
        assert!(!unused(&files.path, 0).to_string_lossy().ends_with("-2"));
    }

    #[tokio::test]
    async fn an_older_file_is_copied_before_it_is_migrated() {
        let files = migrated_once().await;
        let rebuilt = "pragma user_version = 2; create table p (parent_id integer primary key, name text) strict;
            insert into p select parent_id, 'x' from parents; drop table parents; alter table p rename to parents;";

        migrate(&files.path, 1, &migrator(files.directory.path(), &[FIRST, rebuilt]).await).await.unwrap();

        assert_eq!(number(&files.path, "select count(*) from children join parents using (parent_id)").await, 1);
        let copy = with_suffix(&files.path, ".before-migration-from-1-1");
        assert_eq!(number(&copy, "pragma user_version").await, 1);
        assert_eq!(number(&copy, "select count(*) from children").await, 1);
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!with_suffix(&copy, ".partial").exists());
    }

    #[tokio::test]
    async fn a_failing_migration_leaves_the_old_schema_and_a_copy() {
        let files = migrated_once().await;
        let failing = "pragma user_version = 2; create table more (id integer) strict; insert into nowhere values (1);";

        let failed = migrate(&files.path, 1, &migrator(files.directory.path(), &[FIRST, failing]).await).await;

        assert!(matches!(failed, Err(OpenError::Migration(_))), "{failed:?}");
        assert_eq!(number(&files.path, "pragma user_version").await, 1);
        assert_eq!(number(&files.path, "select count(*) from sqlite_schema where name = 'more'").await, 0);
        assert_eq!(number(&with_suffix(&files.path, ".before-migration-from-1-1"), "pragma user_version").await, 1);
    }

    #[tokio::test]
    async fn a_migration_that_would_leave_dangling_rows_changes_nothing() {
        let files = migrated_once().await;
        let dangling = "pragma user_version = 2; delete from parents;";

        let failed = migrate(&files.path, 1, &migrator(files.directory.path(), &[FIRST, dangling]).await).await;

        assert!(matches!(failed, Err(OpenError::DanglingRows { violations: 1 })), "{failed:?}");
        assert_eq!(number(&files.path, "pragma user_version").await, 1);
        assert_eq!(number(&files.path, "select count(*) from parents").await, 1);
    }
}
