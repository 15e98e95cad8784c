//! What a program did to its database and what it said, in order, as `strace` has recorded it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::helpers::within;
use crate::strace::under_strace;

/// What is recorded. The dump of what is sent shows what was known to whom by when.
const OPTIONS: [&str; 6] =
    ["-yy", "-xx", "-s", "1000000", "-e", "trace=openat,unlink,pwrite64,ftruncate,fsync,fdatasync,sendto,write"];

/// One system call. Calls that change a file count from their beginning, for then some of it may be on the disk; a sync
/// counts from its end.
pub(crate) enum Event {
    Create {
        name: String,
    },
    Remove {
        name: String,
    },
    Write {
        name: String,
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        name: String,
        length: usize,
    },
    Sync {
        name: String,
    },
    SyncDirectory,
    /// To whom: a client's port, or `stdout`.
    Say {
        to: String,
        bytes: Vec<u8>,
    },
}

/// `command` recorded into `directory`, which is where its database is.
pub(crate) fn recorded(directory: &Path, command: &Command) -> Command {
    let output = directory.join("trace");
    let mut options: Vec<&str> = vec!["-o", output.to_str().unwrap()];
    options.extend(OPTIONS);
    under_strace(&options, command)
}

/// Reads what was recorded of the process `id`, which has ended.
pub(crate) async fn read(directory: &Path, id: u32) -> Vec<Event> {
    let path = directory.join("trace");
    let text = async {
        loop {
            let text = std::fs::read_to_string(&path).unwrap();
            if has_ended(&text, id) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let text = within("the trace to end", text).await;
    let mut parser =
        Parser { directory: directory.canonicalize().unwrap().display().to_string(), syncing: HashMap::new() };
    text.lines().filter_map(|line| parser.event(line)).collect()
}

/// Whether the record says that the process `id` is gone. strace pads ids to five digits.
fn has_ended(text: &str, id: u32) -> bool {
    let id = id.to_string();
    text.lines().any(|line| line.split_whitespace().take(2).eq([id.as_str(), "+++"]))
}

#[test]
fn the_end_of_a_process_is_seen_however_short_its_id_is() {
    for (line, id) in
        [("7     +++ exited", 7), ("771   +++ exited", 771), ("1234  +++ exited", 1234), ("32767 +++ killed", 32767)]
    {
        assert!(has_ended(&format!("1     fsync(3) = 0\n{line} with 0 +++\n"), id), "{line}");
        assert!(!has_ended(&format!("{line} with 0 +++\n"), id + 1), "{line}");
    }
    assert!(!has_ended("771   write(1, \"+++\", 3) = 3\n", 771));
}

struct Parser {
    directory: String,
    /// What each thread has begun to sync.
    syncing: HashMap<String, Event>,
}

impl Parser {
    fn event(&mut self, line: &str) -> Option<Event> {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        if call.starts_with("<... fsync resumed>") || call.starts_with("<... fdatasync resumed>") {
            let event = self.syncing.remove(thread);
            return event.filter(|_| call.ends_with("= 0"));
        }
        let (name, arguments) = call.split_once('(')?;
        match name {
            "fsync" | "fdatasync" => {
                let event = self.sync(arguments)?;
                if arguments.ends_with("<unfinished ...>") {
                    self.syncing.insert(thread.to_owned(), event);
                    return None;
                }
                arguments.ends_with("= 0").then_some(event)
            }
            "openat" if arguments.contains("O_CREAT") => {
                Some(Event::Create { name: self.file(&quoted(arguments)?.0)? })
            }
            "unlink" => Some(Event::Remove { name: self.file(&quoted(arguments)?.0)? }),
            "pwrite64" => self.write(arguments),
            "ftruncate" => {
                let name = self.file(descriptor(arguments)?.as_bytes())?;
                Some(Event::Truncate { name, length: number(arguments.rsplit_once(">, ")?.1)? })
            }
            "sendto" | "write" => said(arguments),
            _ => None,
        }
    }

    fn sync(&self, arguments: &str) -> Option<Event> {
        let path = descriptor(arguments)?;
        if path == self.directory {
            return Some(Event::SyncDirectory);
        }
        Some(Event::Sync { name: self.file(path.as_bytes())? })
    }

    fn write(&self, arguments: &str) -> Option<Event> {
        let name = self.file(descriptor(arguments)?.as_bytes())?;
        let (data, behind) = quoted(arguments)?;
        let offset = number(behind.split(", ").nth(2)?)?;
        Some(Event::Write { name, offset, data })
    }

    /// The name of a file that outlives a power cut: the shared memory beside the database does not.
    fn file(&self, path: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(path).ok()?;
        let name = path.strip_prefix(&self.directory).map_or(path, |name| name.trim_start_matches('/'));
        let kept = [".db", ".db-wal", ".db-journal"].iter().any(|suffix| name.ends_with(suffix));
        (kept && !name.contains('/')).then(|| name.to_owned())
    }
}

fn said(arguments: &str) -> Option<Event> {
    let descriptor = descriptor(arguments)?;
    let to = if arguments.starts_with("1<") {
        "stdout".to_owned()
    } else {
        let port = descriptor.strip_prefix("TCP")?.rsplit(':').next()?;
        port.trim_end_matches(']').to_owned()
    };
    Some(Event::Say { to, bytes: quoted(arguments)?.0 })
}

/// What the first argument, a descriptor, stands for.
fn descriptor(arguments: &str) -> Option<String> {
    let (_, behind) = arguments.split_once('<')?;
    // The arrow between two addresses is no end.
    let end = behind.find(">,").or_else(|| behind.find(">)")).or_else(|| behind.find("> "))?;
    String::from_utf8(bytes(&behind[..end])).ok()
}

/// The first string among the arguments, and what comes behind it.
fn quoted(arguments: &str) -> Option<(Vec<u8>, &str)> {
    let (_, behind) = arguments.split_once('"')?;
    let (text, behind) = behind.split_once('"')?;
    assert!(!behind.starts_with("..."), "strace has cut a string short");
    Some((bytes(text), behind))
}

/// The number that a text begins with.
fn number(text: &str) -> Option<usize> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Text in which bytes may stand as `\x0a`.
fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len() / 4);
    loop {
        match rest {
            [] => return bytes,
            [b'\\', b'x', high, low, behind @ ..] => {
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = behind;
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}
