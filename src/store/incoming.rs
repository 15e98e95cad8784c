//! Rows on their way into the database: to SQL they are a table, mostly `incoming`, with the columns `a`, `b`, `c` and so on.
//!
//! A statement that inserts many rows selects them from there. As JSON each costs three times as much, and as a statement of
//! its own thirty times.
//!
//! Source: sqlite.org/vtab.html, "Eponymous-only virtual tables".
#![expect(unsafe_code, reason = "SQLite calls a virtual table through C function pointers")]

use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::vtab::{
    Context, Filters, IndexInfo, VTab, VTabConnection, VTabCursor, eponymous_only_module, sqlite3_vtab,
    sqlite3_vtab_cursor,
};
use sqlx::SqliteConnection;

/// What SQLite is told of the table's columns; rows may have fewer.
const SCHEMA: &str = "create table incoming (a, b, c, d, e, f, g, h)";
const MOST_COLUMNS: usize = 8;

/// Rows of one width.
#[derive(Debug)]
pub(super) struct Rows {
    columns: usize,
    cells: Vec<Cell>,
    /// All texts, one behind the other.
    texts: String,
    /// All blobs, likewise.
    blobs: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Integer(i64),
    /// A part of all texts.
    Text(Range<usize>),
    /// A part of all blobs.
    Blob(Range<usize>),
}

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Integer(i64),
    /// `None` is null.
    Key(Option<i64>),
    /// `None` is null.
    Text(Option<&'a str>),
    Blob(&'a [u8]),
}

impl Rows {
    /// No rows yet, and room for `rows`.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        assert!((1..=MOST_COLUMNS).contains(&columns), "the table has no more columns");
        Self { columns, cells: Vec::with_capacity(columns * rows), texts: String::new(), blobs: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn push<const COLUMNS: usize>(&mut self, row: [Value<'_>; COLUMNS]) {
        assert_eq!(COLUMNS, self.columns, "all rows are alike");
        for value in row {
            let cell = match value {
                Value::Integer(number) | Value::Key(Some(number)) => Cell::Integer(number),
                Value::Text(Some(text)) => {
                    let start = self.texts.len();
                    self.texts.push_str(text);
                    Cell::Text(start..self.texts.len())
                }
                Value::Blob(blob) => {
                    let start = self.blobs.len();
                    self.blobs.extend_from_slice(blob);
                    Cell::Blob(start..self.blobs.len())
                }
                Value::Key(None) | Value::Text(None) => Cell::Null,
            };
            self.cells.push(cell);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len() / self.columns
    }
}

/// Where a connection finds its incoming rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Incoming {
    rows: Arc<Mutex<Option<Arc<Rows>>>>,
}

impl Incoming {
    /// Makes the table known to `conn`.
    pub(super) async fn register(conn: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let incoming = Self::default();
        let mut handle = conn.lock_handle().await?;
        // SAFETY: the handle is open, nobody else uses it while it is locked, and this connection, which does not own it, is
        // dropped before that ends.
        let borrowed = unsafe { rusqlite::Connection::from_handle(handle.as_raw_handle().as_ptr()) };
        borrowed
            .and_then(|conn| incoming.register_with(&conn, c"incoming"))
            .map_err(|err| sqlx::Error::Configuration(err.into()))?;
        Ok(incoming)
    }

    /// Makes the table known to `conn`, under a name of its own.
    pub(super) fn register_with(&self, conn: &rusqlite::Connection, name: &CStr) -> rusqlite::Result<()> {
        conn.create_module(name, eponymous_only_module::<Table>(), Some(self.clone()))
    }

    /// Runs `sql`, which selects from `incoming`, with `rows` there; nothing, if there are none.
    #[expect(
        clippy::disallowed_methods,
        reason = "the table is in no schema that a statement could be checked against"
    )]
    pub(super) async fn run(
        &self,
        conn: &mut SqliteConnection,
        sql: &'static str,
        rows: Rows,
    ) -> Result<(), sqlx::Error> {
        if rows.cells.is_empty() {
            return Ok(());
        }
        self.put(Some(Arc::new(rows)));
        let run = sqlx::query(sql).execute(conn).await;
        self.put(None);
        run.map(drop)
    }

    pub(super) fn put(&self, rows: Option<Arc<Rows>>) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    fn get(&self) -> Option<Arc<Rows>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The table, as SQLite has it.
#[repr(C)]
struct Table {
    /// SQLite's own part; has to be the first.
    base: sqlite3_vtab,
    incoming: Incoming,
}

// SAFETY: `base` comes first, as in the C structure.
unsafe impl VTab<'_> for Table {
    type Aux = Incoming;
    type Cursor = Cursor;

    fn connect(_: &mut VTabConnection, aux: Option<&Incoming>, _: &[&[u8]]) -> rusqlite::Result<(String, Self)> {
        let incoming = aux.cloned().unwrap_or_default();
        Ok((SCHEMA.to_owned(), Self { base: sqlite3_vtab::default(), incoming }))
    }

    /// Rows have one order, and all are wanted.
    fn best_index(&self, _: &mut IndexInfo) -> rusqlite::Result<()> {
        Ok(())
    }

    fn open(&mut self) -> rusqlite::Result<Cursor> {
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), rows: self.incoming.get(), place: 0 })
    }
}

/// A place among the rows.
#[repr(C)]
struct Cursor {
    /// SQLite's own part; has to be the first.
    base: sqlite3_vtab_cursor,
    rows: Option<Arc<Rows>>,
    place: usize,
}

// SAFETY: `base` comes first, as in the C structure.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, _: &Filters<'_>) -> rusqlite::Result<()> {
        self.place = 0;
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.place += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.rows.as_ref().is_none_or(|rows| self.place >= rows.len())
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let column = usize::try_from(column).ok().filter(|column| *column < rows.columns);
        let cell = column.and_then(|column| rows.cells.get(self.place * rows.columns + column));
        match cell {
            None | Some(Cell::Null) => Ok(()),
            Some(Cell::Integer(number)) => context.set_result(number),
            Some(Cell::Text(range)) => context.set_result(&&rows.texts[range.clone()]),
            Some(Cell::Blob(range)) => context.set_result(&&rows.blobs[range.clone()]),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(i64::try_from(self.place).unwrap_or(i64::MAX))
    }
}
