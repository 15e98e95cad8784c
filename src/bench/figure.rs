//! What is measured: each figure with its name, its unit and which way is better.

/// A kind of figure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// For programs; the unit is in it.
    pub(super) name: &'static str,
    /// For people.
    pub(super) label: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
    pub(super) part: Part,
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Server,
    /// The least that it could take on this machine, what others have where nothing else goes on, or what an empty file takes.
    Floor,
    /// The server in terms of its floors.
    Ratio,
}

/// What the number of a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things a second.
    PerSecond,
    /// Nanoseconds; people are shown larger units.
    Time,
    Bytes,
    /// A plain number.
    Number,
    /// How many times as much as something else.
    Times,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
    /// It says something about the run, not about the server.
    Neither,
}

/// The figures of one round, in the order in which they are shown; `None` is what cannot be known.
pub(super) type Figures = Vec<(&'static Figure, Option<f64>)>;

/// Shape of a line: identifier, name, label, unit, which way is better.
macro_rules! figures {
    ($($part:ident { $($id:ident = $name:literal, $label:literal, $unit:ident, $better:ident;)* })*) => {
        $($(pub(super) static $id: Figure = Figure {
            name: $name,
            label: $label,
            unit: Unit::$unit,
            better: Better::$better,
            part: Part::$part,
        };)*)*

        #[cfg(test)]
        const ALL: &[&Figure] = &[$($(&$id),*),*];
    };
}

figures! {
    Server {
        MESSAGES = "messages_per_s", "messages a second", PerSecond, More;
        DELIVERIES = "deliveries_per_s", "deliveries a second", PerSecond, More;
        ANSWER_P50 = "answer_p50_ns", "to the answer, p50", Time, Less;
        ANSWER_P99 = "answer_p99_ns", "to the answer, p99", Time, Less;
        ANSWER_P999 = "answer_p99_9_ns", "to the answer, p99.9", Time, Less;
        ANSWER_MAX = "answer_max_ns", "to the answer, longest", Time, Less;
        RECEIPT_P50 = "receipt_p50_ns", "to the receipt, p50", Time, Less;
        RECEIPT_P99 = "receipt_p99_ns", "to the receipt, p99", Time, Less;
        RECEIPT_P999 = "receipt_p99_9_ns", "to the receipt, p99.9", Time, Less;
        RECEIPT_MAX = "receipt_max_ns", "to the receipt, longest", Time, Less;
        CPU_PER_MESSAGE = "server_cpu_ns_per_message", "server CPU a message", Time, Less;
        // Where others whisper meanwhile, this and that of a page are differences: the CPU of both together, less what as many
        // whispers take alone.
        CPU_PER_DELIVERY = "server_cpu_ns_per_delivery", "server CPU a delivery", Time, Less;
        SERVER_CORES = "server_cores", "cores busy, server", Number, Neither;
        LOAD_CORES = "load_cores", "cores busy, load", Number, Neither;
        COMMITS = "commits_per_message", "commits a message", Number, Less;
        WRITTEN = "written_bytes_per_message", "written a message", Bytes, Less;
        RESIDENT = "resident_bytes", "resident memory, server", Bytes, Less;
        LOGINS = "logins_per_s", "logins a second", PerSecond, More;
        CPU_PER_LOGIN = "server_cpu_ns_per_login", "server CPU a login", Time, Less;
        START = "start_ns", "from the start to listening", Time, Less;
        CONNECTIONS = "connections_per_s", "connections a second", PerSecond, More;
        CPU_PER_CONNECTION = "server_cpu_ns_per_connection", "server CPU a connection", Time, Less;
        MEMORY = "memory_bytes_per_connection", "memory a connection", Bytes, Less;
        IDLE_CORES = "idle_server_cores", "cores busy, server, idle", Number, Less;
        WAKE_UPS = "idle_wake_ups_per_s", "wake-ups a second, idle", PerSecond, Less;
        PAGES = "pages_per_s", "pages a second", PerSecond, More;
        CPU_PER_PAGE = "server_cpu_ns_per_page", "server CPU a page", Time, Less;
        SYNCED_P50 = "synced_p50_ns", "until all is there, p50", Time, Less;
        SYNCED_P99 = "synced_p99_ns", "until all is there, p99", Time, Less;
        SYNCED_P999 = "synced_p99_9_ns", "until all is there, p99.9", Time, Less;
        SYNCED_MAX = "synced_max_ns", "until all is there, longest", Time, Less;
    }
    Floor {
        LOOPBACK_MESSAGES = "loopback_messages_per_s", "loopback: messages a second", PerSecond, Neither;
        LOOPBACK_P50 = "loopback_receipt_p50_ns", "loopback: to the receipt, p50", Time, Neither;
        LOOPBACK_P99 = "loopback_receipt_p99_ns", "loopback: to the receipt, p99", Time, Neither;
        LOOPBACK_CPU = "loopback_cpu_ns_per_message", "loopback: CPU a message", Time, Neither;
        SQLITE_ROWS = "sqlite_rows_per_s", "SQLite: rows a second", PerSecond, Neither;
        SQLITE_CPU = "sqlite_cpu_ns_per_row", "SQLite: CPU a row", Time, Neither;
        SQLITE_P50 = "sqlite_commit_p50_ns", "SQLite: a commit, p50", Time, Neither;
        SQLITE_P99 = "sqlite_commit_p99_ns", "SQLite: a commit, p99", Time, Neither;
        FILE_MESSAGES = "file_messages_per_s", "file: messages a second", PerSecond, Neither;
        FILE_P50 = "file_sync_p50_ns", "file: to the disk, p50", Time, Neither;
        FILE_P99 = "file_sync_p99_ns", "file: to the disk, p99", Time, Neither;
        FILE_MAX = "file_sync_max_ns", "file: to the disk, longest", Time, Neither;
        HASHES = "hashes_per_s", "hashing: passwords a second", PerSecond, Neither;
        ALONE_MESSAGES = "alone_messages_per_s", "alone: messages a second", PerSecond, Neither;
        ALONE_P50 = "alone_receipt_p50_ns", "alone: to the receipt, p50", Time, Neither;
        ALONE_P99 = "alone_receipt_p99_ns", "alone: to the receipt, p99", Time, Neither;
        ALONE_CPU = "alone_server_cpu_ns_per_message", "alone: server CPU a message", Time, Neither;
        ALONE_COMMITS = "alone_commits_per_message", "alone: commits a message", Number, Neither;
        EMPTY_MESSAGES = "empty_file_messages_per_s", "empty file: messages a second", PerSecond, Neither;
        EMPTY_P99 = "empty_file_receipt_p99_ns", "empty file: to the receipt, p99", Time, Neither;
        EMPTY_CPU = "empty_file_server_cpu_ns_per_message", "empty file: CPU a message", Time, Neither;
    }
    Ratio {
        CPU_X_LOOPBACK = "server_cpu_x_loopback", "server CPU / loopback", Times, Less;
        CPU_X_SQLITE = "server_cpu_x_sqlite", "server CPU / SQLite", Times, Less;
        CPU_X_FLOORS = "server_cpu_x_floors", "server CPU / both together", Times, Less;
        MESSAGES_X_LOOPBACK = "messages_x_loopback", "messages a second / loopback", Times, More;
        MESSAGES_X_SQLITE = "messages_x_sqlite", "messages a second / SQLite", Times, More;
        MESSAGES_X_FILE = "messages_x_file", "messages a second / file", Times, More;
        RECEIPT_X_FLOORS = "receipt_p50_x_floors", "receipt, p50 / loopback + file", Times, Less;
        LOGINS_X_HASHING = "logins_x_hashing", "logins a second / hashing", Times, More;
        RECEIPT_P50_X_ALONE = "receipt_p50_x_alone", "receipt, p50 / alone", Times, Less;
        RECEIPT_P99_X_ALONE = "receipt_p99_x_alone", "receipt, p99 / alone", Times, Less;
        MESSAGES_X_EMPTY = "messages_x_empty_file", "messages a second / empty file", Times, More;
        RECEIPT_P99_X_EMPTY = "receipt_p99_x_empty_file", "receipt, p99 / empty file", Times, Less;
        CPU_X_EMPTY = "server_cpu_x_empty_file", "server CPU / empty file", Times, Less;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_given_once_and_has_the_unit_in_it() {
        let names: BTreeSet<&str> = ALL.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), ALL.len());

        for figure in ALL {
            let word = match figure.unit {
                Unit::PerSecond => "_per_s",
                Unit::Time => "_ns",
                Unit::Bytes => "_bytes",
                Unit::Number => "",
                Unit::Times => "_x_",
            };
            assert!(figure.name.contains(word), "{}", figure.name);
        }
    }
}
