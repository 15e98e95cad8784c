//! Finding what is older than it is to be kept, slice by slice, from the oldest message on.
//!
//! There is no index by time, for it would cost every message something: time goes along with ids, but where a clock was set.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};
use sqlx::SqliteConnection;

use super::group;
use super::index::{Index, Span};
use crate::config::Retention;
use crate::domain::{GroupId, GroupName, MessageId};

/// Messages that are looked at at once, and what one transaction deletes at most. Where each is of another conversation, and so
/// on another page of every index, others wait some 10 ms for so many; elsewhere less.
const SLICE_MESSAGES: usize = 200;

/// The same for long ones, whose pages are freed one by one. Units: bytes of content, beyond which a slice ends.
const SLICE_BYTES: i64 = 1024 * 1024;

/// What a retention asks for.
#[derive(Debug)]
pub struct Sweeps {
    /// One for each rule that deletes something.
    pub sweeps: Vec<Sweep>,
    /// Names in the retention that no group has.
    pub unknown: Vec<GroupName>,
}

/// A part of the log that has one rule, and how far it was looked through.
#[derive(Debug)]
pub struct Sweep {
    part: Part,
    /// Units: milliseconds.
    keep_ms: i64,
    after: MessageId,
    /// The first message that is to stay.
    kept: Option<MessageId>,
    is_over: bool,
}

#[derive(Debug)]
enum Part {
    /// What was said in one group.
    Group(GroupId),
    /// Whispers, and what was said in all groups but these.
    Rest { without: HashSet<GroupId> },
}

/// What matters of a message that may be too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aged {
    pub(super) message_id: MessageId,
    pub(super) group_id: Option<GroupId>,
    pub(super) sent_at_ms: i64,
    /// Units: bytes of its content.
    pub(super) size_bytes: i64,
}

/// Finds the groups that `retention` names, and where to look: for what has no group's rule behind `rest_after`.
pub(super) async fn list(
    conn: &mut SqliteConnection,
    retention: &Retention,
    rest_after: MessageId,
) -> Result<Sweeps, sqlx::Error> {
    let (mut sweeps, mut unknown, mut without) = (Vec::new(), Vec::new(), HashSet::new());
    for (group_name, keep) in &retention.groups {
        let Some(group_id) = group::find_id_by_key(conn, group_name.key()).await? else {
            unknown.push(group_name.clone());
            continue;
        };
        without.insert(group_id);
        sweeps.extend(keep.age_ms().map(|keep_ms| Sweep::new(Part::Group(group_id), keep_ms, MessageId(0))));
    }
    let rest = |keep_ms| Sweep::new(Part::Rest { without }, keep_ms, rest_after);
    sweeps.extend(retention.general.age_ms().map(rest));
    Ok(Sweeps { sweeps, unknown })
}

impl Sweep {
    fn new(part: Part, keep_ms: i64, after: MessageId) -> Self {
        Self { part, keep_ms, after, kept: None, is_over: false }
    }

    /// What is too old in the next slice; `None` once nothing more can be.
    pub(super) fn next(
        &mut self,
        conn: &Connection,
        index: &Index,
        now_ms: i64,
    ) -> rusqlite::Result<Option<Vec<Aged>>> {
        if self.is_over {
            return Ok(None);
        }
        let slice = match self.part {
            Part::Group(group_id) => list_in_group(conn, index, group_id, self.after)?,
            Part::Rest { .. } => list_all(conn, self.after)?,
        };
        Ok(Some(self.sort_out(slice, now_ms)))
    }

    /// Behind which message a later sweep through what has no group's rule may begin, once this one was through it: all of that
    /// before is deleted.
    pub fn rest_after(&self) -> Option<MessageId> {
        match self.part {
            Part::Group(_) => None,
            Part::Rest { .. } => Some(self.kept.map_or(self.after, |kept| MessageId(kept.0 - 1))),
        }
    }

    /// Takes out of a slice what is too old. The last slice is the first of which nothing is too old and something too young, for
    /// what comes behind it is younger still. A time that has not come yet tells nothing: it is from a clock that was ahead.
    fn sort_out(&mut self, slice: Vec<Aged>, now_ms: i64) -> Vec<Aged> {
        let is_end = slice.len() < SLICE_MESSAGES;
        let (mut old, mut old_bytes, mut is_any_young) = (Vec::new(), 0, false);
        for message in slice {
            if old_bytes >= SLICE_BYTES {
                return old;
            }
            self.after = message.message_id;
            if !self.part.has(&message) {
                continue;
            }
            let age_ms = now_ms - message.sent_at_ms;
            if age_ms > self.keep_ms {
                old_bytes += message.size_bytes;
                old.push(message);
            } else {
                self.kept.get_or_insert(message.message_id);
                is_any_young |= age_ms >= 0;
            }
        }
        self.is_over = is_end || old.is_empty() && is_any_young;
        old
    }
}

impl Part {
    fn has(&self, message: &Aged) -> bool {
        match self {
            Self::Group(group_id) => message.group_id == Some(*group_id),
            Self::Rest { without } => message.group_id.is_none_or(|group_id| !without.contains(&group_id)),
        }
    }
}

const LIMIT: i64 = SLICE_MESSAGES as i64;

fn list_all(conn: &Connection, after: MessageId) -> rusqlite::Result<Vec<Aged>> {
    let sql = "select message_id, group_id, sent_at_ms, octet_length(content) from messages
        where message_id > ? order by message_id limit ?";
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_map([after.0, LIMIT], aged)?.collect()
}

fn list_in_group(conn: &Connection, index: &Index, group_id: GroupId, after: MessageId) -> rusqlite::Result<Vec<Aged>> {
    let sql = "select message_id, group_id, sent_at_ms, octet_length(content) from messages where message_id = ?";
    let mut statement = conn.prepare_cached(sql)?;
    let span = Span { conversation: -group_id.0, after: after.0, upto: i64::MAX };
    let ids = index.list_after(conn, span, SLICE_MESSAGES)?;
    ids.into_iter().filter_map(|id| statement.query_row([id], aged).optional().transpose()).collect()
}

fn aged(row: &rusqlite::Row<'_>) -> rusqlite::Result<Aged> {
    Ok(Aged {
        message_id: MessageId(row.get(0)?),
        group_id: row.get::<_, Option<i64>>(1)?.map(GroupId),
        sent_at_ms: row.get(2)?,
        size_bytes: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const TEA: GroupId = GroupId(7);

    /// A sweep through what has no rule of its own, with messages kept for 1,000 ms.
    fn sweep() -> Sweep {
        Sweep::new(Part::Rest { without: HashSet::from([TEA]) }, 1000, MessageId(0))
    }

    /// A whisper.
    fn aged(message_id: i64, age_ms: i64) -> Aged {
        Aged { message_id: MessageId(message_id), group_id: None, sent_at_ms: NOW - age_ms, size_bytes: 1 }
    }

    /// A whole slice of whispers from `first` on.
    fn slice(first: i64, age_ms: impl Fn(i64) -> i64) -> Vec<Aged> {
        (first..first + LIMIT).map(|message_id| aged(message_id, age_ms(message_id))).collect()
    }

    fn ids(messages: &[Aged]) -> Vec<i64> {
        messages.iter().map(|message| message.message_id.0).collect()
    }

    #[test]
    fn what_is_older_goes_and_what_is_as_old_stays() {
        let mut sweep = sweep();

        let old = sweep.sort_out(vec![aged(1, 5000), aged(2, 1001), aged(3, 1000), aged(4, 0)], NOW);

        assert_eq!(ids(&old), [1, 2]);
        assert!(sweep.is_over);
        assert_eq!(sweep.rest_after(), Some(MessageId(2)));
    }

    #[test]
    fn a_group_with_a_rule_of_its_own_is_passed_over_and_does_not_end_the_sweep() {
        let mut sweep = sweep();
        let of_tea = slice(1, |_| 10).into_iter().map(|message| Aged { group_id: Some(TEA), ..message }).collect();

        assert_eq!(sweep.sort_out(of_tea, NOW), []);
        assert!(!sweep.is_over);
        assert_eq!(ids(&sweep.sort_out(vec![aged(LIMIT + 1, 5000), aged(LIMIT + 2, 0)], NOW)), [LIMIT + 1]);
        assert_eq!(sweep.rest_after(), Some(MessageId(LIMIT + 1)));
    }

    #[test]
    fn the_first_slice_with_nothing_too_old_is_the_last() {
        let mut sweep = sweep();

        let old = sweep.sort_out(slice(1, |id| if id % 2 == 0 { 5000 } else { 500 }), NOW);
        assert_eq!((old.len(), sweep.is_over), (SLICE_MESSAGES / 2, false));
        let old = sweep.sort_out(slice(LIMIT + 1, |_| 500), NOW);
        assert_eq!((old.len(), sweep.is_over), (0, true));
        // The next sweep looks again at what was too young among the old.
        assert_eq!(sweep.rest_after(), Some(MessageId(0)));
    }

    #[test]
    fn what_was_sent_by_a_clock_that_was_ahead_stays_and_hides_nothing_behind_it() {
        let mut sweep = sweep();

        assert_eq!(sweep.sort_out(slice(1, |_| -1), NOW), []);
        assert!(!sweep.is_over);
        assert_eq!(sweep.sort_out(slice(LIMIT + 1, |_| 5000), NOW).len(), SLICE_MESSAGES);
        assert_eq!(sweep.rest_after(), Some(MessageId(0)));
    }

    #[test]
    fn long_messages_go_a_few_at_a_time() {
        let mut sweep = sweep();
        let long = Aged { size_bytes: SLICE_BYTES / 2, ..aged(1, 5000) };
        let log: Vec<Aged> = (1..=4).map(|id| Aged { message_id: MessageId(id), ..long.clone() }).collect();

        let old = sweep.sort_out(log.clone(), NOW);

        assert_eq!((ids(&old), sweep.is_over, sweep.after), (vec![1, 2], false, MessageId(2)));
        assert_eq!(ids(&sweep.sort_out(log[2..].to_vec(), NOW)), [3, 4]);
        assert!(sweep.is_over);
    }

    #[test]
    fn the_end_of_the_log_ends_a_sweep_that_has_deleted_all_of_it() {
        let mut sweep = sweep();

        assert_eq!(sweep.sort_out(slice(1, |_| 5000), NOW).len(), SLICE_MESSAGES);
        assert!(!sweep.is_over);
        assert_eq!(sweep.sort_out(Vec::new(), NOW), []);
        assert!(sweep.is_over);
        assert_eq!(sweep.rest_after(), Some(MessageId(LIMIT)));
    }
}
