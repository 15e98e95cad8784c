//! What the database says of what people have said and received.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::people::{Message, Person};
use crate::database;

/// What happened, and what should not have.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) kills: usize,
    pub(super) cuts: usize,
    pub(super) duration: Duration,
    pub(super) messages: usize,
    answered: usize,
    received_by_1: usize,
    received_by_2: usize,
    again_to_1: usize,
    /// Rows with a nonce, and messages of version 2 that were answered: each has one.
    nonces: [usize; 2],
    wrong: Wrong,
}

/// All of these should be 0.
#[derive(Default, PartialEq, Eq)]
struct Wrong {
    /// Answered, and not there.
    vanished: usize,
    stored_twice: usize,
    /// In another order than they were said by version 2.
    stored_in_another_order: usize,
    /// Received, and not there, or not for them.
    phantoms: usize,
    lost_to_1: usize,
    lost_to_2: usize,
    twice_to_2: usize,
    /// Two that came in another order than that of the log.
    inversions: usize,
}

/// A row of the log.
struct Row {
    sender: String,
    recipient: String,
    group: String,
    content: String,
}

/// Everything that was said, in order, and where each content is.
struct Log {
    rows: Vec<Row>,
    places: HashMap<String, usize>,
}

impl Log {
    async fn read(path: &Path) -> Self {
        let sql =
            "select sender || char(9) || coalesce(recipient, '') || char(9) || coalesce(group_name, '') || char(9)
            || content from readable_messages order by message_id";
        let mut rows = Vec::new();
        for text in database::texts(path, sql).await {
            let [sender, recipient, group, content] =
                text.splitn(4, '\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
            rows.push(Row { sender, recipient, group, content });
        }
        let places = rows.iter().enumerate().map(|(place, row)| (row.content.clone(), place)).collect();
        Self { rows, places }
    }

    /// The place of a message in the log.
    fn place(&self, message: &Message) -> Option<usize> {
        let Some(id) = &message.id else { return self.places.get(&message.content).copied() };
        let place = id.rsplit_once('-').unwrap().1.parse::<usize>().unwrap() - 1;
        self.rows.get(place).is_some_and(|row| row.content == message.content).then_some(place)
    }

    /// The places of what somebody is owed: to version 2 also what they have whispered.
    fn owed_to(&self, person: &Person) -> Vec<usize> {
        let name = &person.login.username;
        let is_owed = |row: &Row| {
            person.groups.contains(&row.group)
                || row.recipient == *name
                || (person.speaks_version_2 && row.sender == *name)
        };
        self.rows.iter().enumerate().filter(|(_, row)| is_owed(row)).map(|(place, _)| place).collect()
    }
}

impl Figures {
    pub(super) async fn of(path: &Path, people: &[Person]) -> Self {
        let log = Log::read(path).await;
        let mut figures = Self { messages: log.rows.len(), ..Self::default() };
        figures.wrong.stored_twice = log.rows.len() - log.places.len();
        let with_nonce = database::number(path, "select count(*) from messages where nonce is not null").await;
        figures.nonces[0] = usize::try_from(with_nonce).unwrap();
        for person in people {
            figures.count_said(&log, person);
            figures.count_received(&log, person);
        }
        figures
    }

    pub(super) fn all_is_well(&self) -> bool {
        self.wrong == Wrong::default() && self.nonces[0] == self.nonces[1]
    }

    fn count_said(&mut self, log: &Log, person: &Person) {
        let is_there = |place: &usize| log.rows[*place].sender == person.login.username;
        let places: Vec<usize> = person.said.iter().filter_map(|message| log.place(message)).filter(is_there).collect();
        self.answered += person.said.len();
        self.wrong.vanished += person.said.len() - places.len();
        if person.speaks_version_2 {
            self.nonces[1] += person.said.len();
            self.wrong.stored_in_another_order += inversions(&places);
        }
    }

    fn count_received(&mut self, log: &Log, person: &Person) {
        let owed = log.owed_to(person);
        let mut received: HashSet<usize> = HashSet::new();
        let (mut again, mut count) = (0, 0);
        for connection in &person.received {
            let places: Vec<usize> = connection.iter().filter_map(|message| log.place(message)).collect();
            count += connection.len();
            self.wrong.phantoms += connection.len() - places.len();
            self.wrong.phantoms += places.iter().filter(|place| owed.binary_search(place).is_err()).count();
            self.wrong.inversions += inversions(&places);
            again += places.iter().filter(|place| !received.insert(**place)).count();
        }
        let lost = owed.iter().filter(|place| !received.contains(place)).count();
        if person.speaks_version_2 {
            self.received_by_2 += count;
            self.wrong.twice_to_2 += again;
            self.wrong.lost_to_2 += lost;
        } else {
            self.received_by_1 += count;
            self.again_to_1 += again;
            self.wrong.lost_to_1 += lost;
        }
    }
}

/// How often a message is followed by one that was stored before it.
fn inversions(places: &[usize]) -> usize {
    places.windows(2).filter(|pair| pair[0] > pair[1]).count()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, cuts, duration, messages, answered, received_by_1, received_by_2, again_to_1, .. } = self;
        let Self { nonces: [with_nonce, nonces], wrong, .. } = self;
        writeln!(f, "{messages} messages, {answered} answered, {kills} kills, {cuts} cuts, {duration:.1?}")?;
        writeln!(
            f,
            "received: {received_by_2} by version 2, {received_by_1} by version 1, {again_to_1} of those again"
        )?;
        writeln!(
            f,
            "version 2: {} lost, {} twice; version 1: {} lost",
            wrong.lost_to_2, wrong.twice_to_2, wrong.lost_to_1
        )?;
        writeln!(f, "{} inversions, {} that were not there to be received", wrong.inversions, wrong.phantoms)?;
        writeln!(
            f,
            "answered: {} not there, {} in another order than said",
            wrong.vanished, wrong.stored_in_another_order
        )?;
        write!(f, "{} stored twice, {with_nonce} rows for {nonces} nonces", wrong.stored_twice)
    }
}
