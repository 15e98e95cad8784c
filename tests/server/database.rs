//! Looking into, and meddling with, a server's file from outside.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

pub(crate) async fn connect(path: &Path, read_only: bool) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(read_only).connect().await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests ask what no query of the server does")]
pub(crate) async fn number(path: &Path, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut connect(path, true).await).await.unwrap()
}

pub(crate) async fn texts(path: &Path, sql: &'static str) -> Vec<String> {
    list(&mut connect(path, true).await, sql).await
}

#[expect(clippy::disallowed_methods, reason = "tests ask what no query of the server does")]
pub(crate) async fn list(conn: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(conn).await.unwrap()
}

/// The log, read on and on.
pub(crate) struct Log {
    path: PathBuf,
    conn: Option<SqliteConnection>,
    read_upto: i64,
}

#[expect(clippy::disallowed_methods, reason = "tests ask what no query of the server does")]
impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, conn: None, read_upto: 0 }
    }

    /// Holds no file until it is asked again.
    pub(crate) fn close(&mut self) {
        self.conn = None;
    }

    /// Leaves out what is there by now.
    pub(crate) async fn skip(&mut self) {
        let sql = "select coalesce(max(message_id), 0) from messages";
        self.read_upto = sqlx::query_scalar(sql).fetch_one(self.conn().await).await.unwrap();
    }

    /// The contents of new messages that begin with `prefix`, in order.
    pub(crate) async fn contents_with_prefix(&mut self, prefix: &str) -> Vec<String> {
        let sql = "select message_id, content from messages where message_id > ? and content like ? || '%' order by 1";
        let query = sqlx::query_as(sql).bind(self.read_upto).bind(prefix);
        let rows: Vec<(i64, String)> = query.fetch_all(self.conn().await).await.unwrap();
        self.read_upto = rows.last().map_or(self.read_upto, |(message_id, _)| *message_id);
        rows.into_iter().map(|(_, content)| content).collect()
    }

    async fn conn(&mut self) -> &mut SqliteConnection {
        if self.conn.is_none() {
            self.conn = Some(connect(&self.path, true).await);
        }
        self.conn.as_mut().expect("it is open by now")
    }
}

/// Runs statements against the file and keeps the connection, and with it any lock.
#[expect(clippy::disallowed_methods, reason = "tests break what no query of the server does")]
pub(crate) async fn meddle(path: &Path, sql: &'static str) -> SqliteConnection {
    let mut conn = connect(path, false).await;
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn
}

#[expect(clippy::disallowed_methods, reason = "tests write what no query of the server does")]
pub(crate) async fn run(conn: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.unwrap();
}
