//! Who talks to whom.

/// The people of a scenario, by their numbers, and what they have to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cast {
    /// How many there are.
    pub(crate) people: usize,
    /// Those who are registered, and members where the groups say so, but not there.
    pub(crate) away: Vec<usize>,
    /// The members of each group; the first creates it.
    pub(crate) groups: Vec<Vec<usize>>,
    pub(crate) lanes: Vec<LanePlan>,
    /// Whether whispers come back to who sent them, as in version 2.
    pub(crate) has_echo: bool,
}

/// What one person says to one target. Who has several of these takes them in turn.
#[derive(Debug, Clone)]
pub(crate) struct LanePlan {
    pub(crate) sender: usize,
    pub(crate) to: To,
    /// Messages of its sender under way at once, besides those of the sender's other lanes.
    pub(crate) window: u32,
    /// The lane whose turn it is after a message of this one.
    pub(crate) gives_to: u32,
}

/// A target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// A person.
    User(usize),
    /// A group.
    Group(usize),
}

impl Cast {
    /// Adds a lane whose messages follow one another.
    pub(crate) fn add_lane(&mut self, sender: usize, to: To, window: u32) {
        let gives_to = u32::try_from(self.lanes.len()).expect("far fewer");
        self.lanes.push(LanePlan { sender, to, window, gives_to });
    }

    pub(crate) fn is_there(&self, person: usize) -> bool {
        !self.away.contains(&person)
    }

    /// Who receives what is said on a lane.
    pub(crate) fn receivers(&self, lane: &LanePlan) -> Vec<usize> {
        let mut receivers = match lane.to {
            To::User(person) if self.has_echo && person != lane.sender => vec![person, lane.sender],
            To::User(person) => vec![person],
            To::Group(group) => self.groups[group].clone(),
        };
        receivers.retain(|&person| self.is_there(person));
        receivers
    }

    /// The lanes of each person, in the order in which they are taken.
    pub(crate) fn lanes_of(&self) -> Vec<Vec<u32>> {
        self.lanes_by_person(|lane| vec![lane.sender])
    }

    /// The lanes that lead to each person.
    pub(crate) fn lanes_to(&self) -> Vec<Vec<u32>> {
        self.lanes_by_person(|lane| self.receivers(lane))
    }

    fn lanes_by_person(&self, people: impl Fn(&LanePlan) -> Vec<usize>) -> Vec<Vec<u32>> {
        let mut lanes = vec![Vec::new(); self.people];
        for (index, lane) in (0..).zip(&self.lanes) {
            people(lane).into_iter().for_each(|person| lanes[person].push(index));
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_to_a_group_is_for_those_of_its_members_who_are_there() {
        let mut cast = Cast { people: 4, away: vec![2], groups: vec![vec![0, 1, 2]], ..Cast::default() };
        cast.add_lane(1, To::Group(0), 1);
        cast.add_lane(3, To::User(2), 1);

        assert_eq!(cast.receivers(&cast.lanes[0]), [0, 1]);
        assert!(cast.receivers(&cast.lanes[1]).is_empty());
        assert_eq!(cast.lanes_to(), [vec![0], vec![0], vec![], vec![]]);
        assert_eq!(cast.lanes_of(), [vec![], vec![0], vec![], vec![1]]);
        cast.has_echo = true;
        assert_eq!([0, 1].map(|lane| cast.receivers(&cast.lanes[lane])), [vec![0, 1], vec![3]]);
    }
}
