//! Finding messages by conversation and by nonce: the index, which is filled in behind the log.
//!
//! A commit writes the end of the log and nothing else, for a row in an index that is kept at once dirties a page of its own. The
//! messages behind the last segment are found in memory: as many as make the next one, and what comes in while that is written.
//! At the start they are read back from the log, so that a kill at any point loses nothing.
//!
//! Source: for what an index costs that is kept at once, the log structured merge tree (O'Neil et al., 1996).

mod checking;
mod filling;
mod nonces;
mod postings;
mod removing;
mod tail;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::Connection;

pub(super) use checking::{Unsound, check};
pub(super) use filling::{Filling, catch_up};
pub(super) use removing::{Removed, remove};
pub(super) use tail::{NonceKey, Span};

use crate::domain::{MessageId, Nonce, UserId};
use postings::Segment;
use tail::{Entry, Tail};

/// Looks into segments on behalf of one page, after which the page ends where it is: they take about 40 ms.
const MOST_LOOKS: usize = 16_384;

/// What the writer tells of each message, and readers ask.
#[derive(Debug)]
pub(super) struct Index {
    /// Messages of a segment.
    segment_messages: usize,
    state: RwLock<State>,
}

/// Segments, then what is being written to the next one, then the rest. Of what lies between two segments nothing is left.
#[derive(Debug)]
struct State {
    segments: Vec<Segment>,
    filling: Tail,
    tail: Tail,
}

impl Index {
    /// Reads which segments there are, and what lies behind them, as far as it makes no more than one of `segment_messages`.
    pub(super) fn load(conn: &Connection, segment_messages: usize) -> rusqlite::Result<Self> {
        let segments = postings::list_segments(conn)?;
        let indexed = segments.last().map_or(0, |segment| segment.upto);
        let state = State { segments, filling: Tail::behind(indexed), tail: Tail::behind(indexed) };
        let index = Self { segment_messages, state: RwLock::new(state) };
        index.read_on(conn)?;
        Ok(index)
    }

    /// Reads on in the log behind what is known, until there is enough for a segment.
    fn read_on(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut state = self.write();
        let (_, upto) = state.tail.stretch();
        let sql = "select message_id, conversation, sender_id, nonce from message_conversations
            where message_id > ? order by message_id limit ?";
        let mut statement = conn.prepare(sql)?;
        let missing = i64::try_from(self.segment_messages.saturating_sub(state.tail.messages())).unwrap_or(i64::MAX);
        let mut rows = statement.query([upto, missing])?;
        while let Some(row) = rows.next()? {
            let (message_id, conversation, sender_id) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let nonce = row.get_ref(3)?.as_str_or_null()?.map(|nonce| (sender_id, Nonce::fingerprint_of(nonce)));
            state.tail.add(Entry { message_id, conversation, nonce });
        }
        drop(state);
        Ok(())
    }

    /// Adds a committed message.
    pub(super) fn add(&self, messages: impl IntoIterator<Item = (MessageId, i64, UserId, Option<u32>)>) {
        let mut state = self.write();
        for (message_id, conversation, sender_id, nonce_hash) in messages {
            let nonce = nonce_hash.map(|hash| (sender_id.0, hash));
            state.tail.add(Entry { message_id: message_id.0, conversation, nonce });
        }
    }

    /// The messages that may have one of these nonces.
    pub(super) fn list_with_nonces(&self, conn: &Connection, keys: &[NonceKey]) -> rusqlite::Result<Vec<i64>> {
        let mut ids = nonces::list(conn, keys)?;
        let state = self.read();
        for &key in keys {
            ids.extend(state.filling.with_nonce(key).chain(state.tail.with_nonce(key)));
        }
        drop(state);
        Ok(ids)
    }

    /// The oldest messages of a span, at most `limit`, in ascending order.
    pub(super) fn list_after(&self, conn: &Connection, span: Span, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (segments, newest) = {
            let state = self.read();
            let newest = state.in_memory(span).take(limit).collect::<Vec<_>>();
            (state.segments_of(span), newest)
        };
        let mut ids = Vec::new();
        for segment in segments {
            if ids.len() >= limit {
                break;
            }
            postings::extend_after(conn, segment, span, limit, &mut ids)?;
        }
        ids.extend(newest.into_iter().take(limit - ids.len()));
        Ok(ids)
    }

    /// The newest messages of a span, at most `limit`, in descending order.
    pub(super) fn list_before(&self, conn: &Connection, span: Span, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (segments, mut ids) = {
            let state = self.read();
            let newest = state.in_memory(span).rev().take(limit).collect::<Vec<_>>();
            (state.segments_of(span), newest)
        };
        for segment in segments.into_iter().rev() {
            if ids.len() >= limit {
                break;
            }
            postings::extend_before(conn, segment, span, limit, &mut ids)?;
        }
        Ok(ids)
    }

    /// The oldest messages of all `spans`, which end at `upto`, in ascending order: all there are up to the id that is returned
    /// with them, and at most `limit`.
    pub(super) fn list_of_all(
        &self,
        conn: &Connection,
        spans: &[Span],
        upto: i64,
        limit: usize,
    ) -> rusqlite::Result<(Vec<i64>, i64)> {
        let mut oldest = Oldest { limit, upto, ids: Vec::new() };
        let (mut searched, mut looks) = (0, 0);
        while let Some(segments) = self.add_memory_or_list_segments(searched, spans, &mut oldest) {
            // Begun after the segments were listed, so that it shows them; a lock for each statement would cost as much again.
            let _moment = conn.unchecked_transaction()?;
            for segment in segments {
                searched = segment.upto;
                for span in spans.iter().filter(|span| segment.meets(**span)) {
                    let mut ids = Vec::new();
                    postings::extend_after(conn, segment, oldest.narrow(*span), limit, &mut ids)?;
                    oldest.extend(ids);
                    looks += 1;
                }
                if oldest.ids.len() >= limit {
                    return Ok(oldest.finish());
                }
                if looks >= MOST_LOOKS {
                    oldest.upto = oldest.upto.min(segment.upto);
                    return Ok(oldest.finish());
                }
            }
        }
        Ok(oldest.finish())
    }

    /// The segments behind `searched`; where there are none, `oldest` gets what is in memory.
    fn add_memory_or_list_segments(&self, searched: i64, spans: &[Span], oldest: &mut Oldest) -> Option<Vec<Segment>> {
        let state = self.read();
        let next = state.segments.partition_point(|segment| segment.upto <= searched);
        if next < state.segments.len() {
            return Some(state.segments[next..].to_vec());
        }
        for span in spans {
            oldest.extend(state.in_memory(oldest.narrow(*span)).take(oldest.limit));
        }
        None
    }

    /// How many messages make a segment.
    pub(super) fn segment_messages(&self) -> usize {
        self.segment_messages
    }

    /// Whether there is enough for a segment.
    pub(super) fn is_due(&self) -> bool {
        self.read().tail.messages() >= self.segment_messages
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn segments_of(&self, span: Span) -> Vec<Segment> {
        self.segments.iter().copied().filter(|segment| segment.meets(span)).collect()
    }

    fn in_memory(&self, span: Span) -> impl DoubleEndedIterator<Item = i64> {
        self.filling.ids(span).iter().chain(self.tail.ids(span)).copied()
    }
}

/// Gathers messages of many conversations, of which the oldest are wanted.
struct Oldest {
    limit: usize,
    /// Newer ones are not among them.
    upto: i64,
    ids: Vec<i64>,
}

impl Oldest {
    /// Gathered ids, in units of the limit, beyond which what is too new is thrown away.
    const SLACK: usize = 8;

    fn narrow(&self, span: Span) -> Span {
        Span { upto: span.upto.min(self.upto), ..span }
    }

    fn extend(&mut self, ids: impl IntoIterator<Item = i64>) {
        self.ids.extend(ids);
        if self.ids.len() > Self::SLACK * self.limit {
            self.keep_oldest();
        }
    }

    fn keep_oldest(&mut self) {
        self.ids.sort_unstable();
        if self.ids.len() >= self.limit {
            self.ids.truncate(self.limit);
            self.upto = self.ids.last().map_or(self.upto, |newest| self.upto.min(*newest));
        }
    }

    fn finish(mut self) -> (Vec<i64>, i64) {
        self.keep_oldest();
        (self.ids, self.upto)
    }
}

#[cfg(test)]
mod tests;
