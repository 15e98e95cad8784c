//! The index against a list of all messages, with slices, deletions and restarts in between.

use std::path::Path;

use proptest::prelude::*;
use sqlx::Connection as _;

use super::*;
use crate::domain::Content;
use crate::store::connect::{Writing, connect_log_reader, connect_writer};
use crate::store::lock::create_private;
use crate::store::message::{self, Row, Target};
use crate::store::migrate::{self, MIGRATOR};
use crate::store::pruned;

/// Messages of a segment, and of a slice.
const SEGMENT: usize = 6;
const SLICE: usize = 2;

/// What happens between two looks.
#[derive(Debug, Clone)]
enum Step {
    /// Messages to these users, by user 1.
    Say(Vec<i64>),
    WriteSlice,
    /// Of what is there, the message at this place, as a part of all.
    Delete(f64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(1_i64..4, 1..5).prop_map(Step::Say),
        4 => Just(Step::WriteSlice),
        1 => (0.0..1.0).prop_map(Step::Delete),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// A database, its index, and what should be in them: the conversation of each message.
struct Bench {
    directory: tempfile::TempDir,
    writing: Writing,
    conn: Connection,
    index: Index,
    filling: Option<Filling>,
    said: Vec<(i64, i64)>,
    head: MessageId,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        create_private(&path).unwrap();
        migrate::migrate(&path, 0, &MIGRATOR).await.unwrap();
        let mut writing = connect_writer(&path).await.unwrap();
        sqlx::query!(
            "insert into users (user_id, username, username_key, password_hash, registered_at_ms)
            select value, 'u' || value, 'u' || value, '$argon2id$', 0 from json_each('[1, 2, 3]')"
        )
        .execute(&mut writing.conn)
        .await
        .unwrap();
        let (conn, index) = load(&path);
        Self { directory, writing, conn, index, filling: None, said: Vec::new(), head: MessageId(0) }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Say(recipients) => self.say(recipients).await,
            Step::WriteSlice => self.write_slice().await,
            Step::Delete(part) => self.delete(*part).await,
            Step::Restart => {
                (self.conn, self.index) = load(&self.directory.path().join("test.db"));
                catch_up(&mut self.writing, &self.index, || connect_log_reader(&self.directory.path().join("test.db")))
                    .await
                    .unwrap();
                self.filling = None;
            }
        }
    }

    async fn say(&mut self, recipients: &[i64]) {
        let content = Content::parse("hello", 100).unwrap();
        let row =
            |to: &i64| Row { sender_id: UserId(1), target: Target::User(UserId(*to)), content: &content, nonce: None };
        let rows: Vec<Row<'_>> = recipients.iter().map(row).collect();
        let Writing { conn, incoming } = &mut self.writing;
        message::insert(conn, incoming, message::rows(self.head.next(), &rows, 0)).await.unwrap();
        for row in &rows {
            self.head = self.head.next();
            let conversation = row.target.conversation_with(UserId(1));
            self.said.push((self.head.0, conversation));
            self.index.add([(self.head, conversation, UserId(1), None)]);
        }
    }

    async fn write_slice(&mut self) {
        match &mut self.filling {
            None => self.filling = Filling::begin(&self.index),
            Some(filling) => {
                if filling.write_slice(&mut self.writing, &self.index, SLICE).await.unwrap() {
                    self.filling = None;
                }
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "few")]
    async fn delete(&mut self, part: f64) {
        if self.said.is_empty() {
            return;
        }
        let (message_id, _) = self.said.remove((part * self.said.len() as f64) as usize);
        let Writing { conn, incoming } = &mut self.writing;
        let mut tx = conn.begin().await.unwrap();
        let removed = pruned::delete(&mut tx, incoming, &[MessageId(message_id)]).await.unwrap();
        tx.commit().await.unwrap();
        self.index.forget(&removed);
    }

    fn ids(&self, spans: &[Span]) -> Vec<i64> {
        let is_in = |span: &Span, (id, conversation): (i64, i64)| {
            span.conversation == conversation && id > span.after && id <= span.upto
        };
        let said = self.said.iter().copied();
        said.filter(|said| spans.iter().any(|span| is_in(span, *said))).map(|(id, _)| id).collect()
    }

    /// Asks for everything between any two of some places.
    fn look(&self) {
        let places = [0, self.head.0 / 3, self.head.0 / 2, self.head.0, i64::MAX];
        for (after, upto) in places.iter().flat_map(|after| places.iter().map(move |upto| (*after, *upto))) {
            let span = |user_id| Span { conversation: Target::User(user_id).conversation_with(UserId(1)), after, upto };
            let spans = [1, 2, 3].map(|id| span(UserId(id)));
            for limit in [1, 3, 100] {
                for one in spans {
                    let mut expected = self.ids(&[one]);
                    let newest: Vec<i64> = expected.iter().rev().take(limit).copied().collect();
                    expected.truncate(limit);
                    assert_eq!(self.index.list_after(&self.conn, one, limit).unwrap(), expected);
                    assert_eq!(self.index.list_before(&self.conn, one, limit).unwrap(), newest);
                }
                self.look_at_all(&spans, upto, limit);
            }
        }
        assert_eq!(check(&self.conn).unwrap(), Unsound::default());
    }

    fn look_at_all(&self, spans: &[Span], upto: i64, limit: usize) {
        let (ids, reached) = self.index.list_of_all(&self.conn, spans, upto, limit).unwrap();
        let expected = self.ids(spans);
        assert!(ids.len() <= limit);
        assert_eq!(ids, expected.iter().copied().filter(|id| *id <= reached).collect::<Vec<_>>());
        assert!(ids.len() == limit || reached == upto, "nothing says that there is more behind {reached}");
    }
}

fn load(path: &Path) -> (Connection, Index) {
    let conn = connect_log_reader(path).unwrap();
    let index = Index::load(&conn, SEGMENT).unwrap();
    (conn, index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_message_is_found_wherever_it_is(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new().await;
            for step in &steps {
                bench.take(step).await;
                bench.look();
            }
        });
    }
}
