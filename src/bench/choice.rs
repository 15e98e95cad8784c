//! What can be measured, by name.

use std::str::FromStr;

/// Something that users do, which is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// Pairs, each with some whispers under way.
    Whisper,
    /// One pair with one whisper under way, to and fro.
    PingPong,
    /// One group.
    Group,
    /// Many small groups.
    Groups,
    /// A chat as it is.
    Mixed,
    /// Passwords.
    Login,
    /// Passwords, while others talk.
    Storm,
    /// Connections that do nothing.
    Idle,
    /// Much that was missed.
    Sync,
    /// Pages of what was said.
    History,
    /// A restart, after which all come back.
    Reconnect,
}

/// All scenarios as they are called, and what each is.
const ALL: [(&str, Scenario, &str); 11] = [
    (
        "whisper",
        Scenario::Whisper,
        "--pairs of users with --window whispers under way in each, or many --conversations",
    ),
    ("ping-pong", Scenario::PingPong, "one pair, of whom each whispers when the other's whisper has come"),
    ("group", Scenario::Group, "one group of --members, in which four talk and all listen, with --window under way"),
    ("groups", Scenario::Groups, "--groups of 10 members, each with --window messages under way"),
    ("mixed", Scenario::Mixed, "groups of every size, whispers, people away, and --connections (500) that are idle"),
    ("login", Scenario::Login, "--connections (16) that come at once, log in by password, and go"),
    ("storm", Scenario::Storm, "--connections (32) that log in by password, while --pairs whisper at --rate (500)"),
    ("idle", Scenario::Idle, "--connections (1000) that come, stay, and do nothing"),
    (
        "sync",
        Scenario::Sync,
        "one who comes back and has missed --messages of --conversations; --pairs may whisper at --rate",
    ),
    (
        "history",
        Scenario::History,
        "--connections (8) that read pages of 50, out of --messages of --conversations; --pairs may whisper at --rate",
    ),
    ("reconnect", Scenario::Reconnect, "a restart, and --connections (500) that come back at once, by token"),
];

impl Scenario {
    /// What is run where nothing is said.
    pub const USUAL: [Self; 3] = [Self::Whisper, Self::PingPong, Self::Group];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// All of them, a line for each.
    pub fn help() -> String {
        let line = |(name, _, what): &(&str, Self, &str)| format!("  {name:<11}{what}");
        ALL.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Whether people talk in it, for a rate is one of messages.
    pub fn has_rate(self) -> bool {
        !matches!(self, Self::Login | Self::Idle | Self::Reconnect)
    }

    /// Whether it is people who talk, and nothing else.
    pub fn is_talk(self) -> bool {
        matches!(self, Self::Whisper | Self::PingPong | Self::Group | Self::Groups | Self::Mixed)
    }

    /// Whether it stops and starts the server.
    pub fn restarts_server(self) -> bool {
        self == Self::Reconnect
    }

    fn entry(self) -> &'static (&'static str, Self, &'static str) {
        ALL.iter().find(|(_, scenario, _)| *scenario == self).expect("every scenario is among them")
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ALL.iter().find(|(name, ..)| *name == text).map(|(_, scenario, _)| *scenario);
        let names = || ALL.map(|(name, ..)| name).join(", ");
        known.ok_or_else(|| format!("no scenario is called so; there are {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_known_by_its_name() {
        for (name, scenario, _) in ALL {
            assert_eq!((name.parse(), scenario.name()), (Ok(scenario), name));
        }
        assert!(Scenario::from_str("shouting").is_err());
    }
}
