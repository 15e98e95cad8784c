//! Looking into, and meddling with, a server's file from outside.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

async fn connect(path: &Path, read_only: bool) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(read_only).connect().await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests ask what no query of the server does")]
pub(crate) async fn number(path: &Path, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut connect(path, true).await).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests ask what no query of the server does")]
pub(crate) async fn texts(path: &Path, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&mut connect(path, true).await).await.unwrap()
}

/// Runs statements against the file and keeps the connection, and with it any lock.
#[expect(clippy::disallowed_methods, reason = "tests break what no query of the server does")]
pub(crate) async fn meddle(path: &Path, sql: &'static str) -> SqliteConnection {
    let mut conn = connect(path, false).await;
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn
}
