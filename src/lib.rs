//! chinwag: a persistent chat server. One binary, one SQLite file, MessagePack over TCP.
//!
//! This page is the map of the code. To run a server read README.md, to write a client docs/PROTOCOL.md or [`client`].
//!
//! # The rooms, from the top down
//!
//! A room uses those below it and never one above it.
//!
//! - `main.rs` and [`cli`]: the command line. [`telemetry`]: logs.
//! - [`admin`]: checking a database, backing it up, restoring it and deleting what is old, from the command line. It uses
//!   [`store`] alone. *It never changes a database that a server runs on.*
//! - [`server`] puts everything together: binds, opens the database, runs until it is told to stop, ends in order.
//! - [`net`]: sockets. One task for each connection, in which one loop reads requests and one writes what the outbox holds and
//!   nobody has written in its place.
//!   *It does not know what a request means.*
//! - [`service`]: the rules. A [`Session`](service::Session) turns the requests of one connection into drafts; the dispatcher
//!   turns outcomes into responses and updates. *It knows no socket and no SQL.*
//! - [`outbox`]: what waits for one socket. Bounded: a reader that does not keep up is *lagging*, and what it is owed is read
//!   from the log when there is room again. *Nobody who puts something in waits.*
//! - [`registry`]: who is online, and in which groups. Soft state. *It does not know what it is that receives.*
//! - [`store`]: all SQL, the log, the index of it, and the writer, the one thread that changes anything. *It knows no client.*
//! - [`protocol`]: bytes to requests and back, both framings, pure functions. *Nothing is allocated for a mere claim.*
//! - [`domain`]: values that are valid by construction. [`config`]: every limit with its reason. [`shutdown`]: a signal.
//!   `sync`: the locks of [`registry`] and [`outbox`].
//! - [`client`]: the other end of the wire: one connection, and a user who stays connected over many. It uses
//!   [`protocol`] alone.
//! - [`conformance`]: whether a server, this or another, does what docs/PROTOCOL.md says. It uses [`protocol`] for the names of
//!   the framings, and [`config`] for the default limits. *It sees no more of a server than its socket.*
//! - [`mod@bench`]: what a server can do, measured by a load of many people, and compared with the least that the same work takes.
//!   The server is a process of its own. It uses [`client`] and [`protocol`], and [`store`] to fill a file beforehand. *No figure
//!   without an account of every message.*
//!
//! # Invariants
//!
//! 1. Messages are one log. An id is dense and follows commit order, for one writer gives it out inside the transaction; none is
//!    given out again, whatever is deleted.
//! 2. Storing a message writes the end of the log and nothing else. The index, which finds messages by conversation and nonce, is
//!    filled in behind it; until then they are found in memory, which is read back from the log at the start.
//! 3. Store, commit, then answer and deliver: nobody is told of what a crash could unwrite. Answers and updates are put into
//!    outboxes by the thread that commits, in commit order.
//! 4. What another request can change is decided when the writer takes a draft, from memory that changes in commit order:
//!    names, tokens, memberships. The rules stand in one place, `store/plan`.
//! 5. A connection receives by a cursor over the log. Live or lagging, at login or after a pause, it is the same path: what is
//!    owed behind the cursor is read from the store until nothing offered since is left out.
//! 6. One at a time writes to a socket, one thread to the database. No await under a lock. No channel without a bound.
//! 7. Limits hold where bytes enter: size before allocation, time before patience.
//! 8. Version 1 of the wire is what it was. What version 2 says besides is in a map at the end, left out where it was not asked
//!    for; a connection of version 2 begins at a place that its client names, where one of version 1 begins at its user's mark.
//!
//! # One trip: Ada whispers to Bob
//!
//! 1. Bytes arrive on Ada's connection. [`net`] hands them to the [`RequestDecoder`](protocol::RequestDecoder), which finds
//!    where the request ends and decodes it: a [`Request::Whisper`](protocol::Request::Whisper), which borrows those bytes.
//! 2. Her [`Session`](service::Session) takes the next number for a response from her [`Outbox`](outbox::Outbox), sees that
//!    the token is that of her login (it would hash another), checks the content's length, and queues a
//!    [`Draft::Whisper`](store::Draft::Whisper) for the writer. It does not wait for the outcome: up to 64 messages may be
//!    under way.
//! 3. The writer takes the draft with all others that have queued up while the last commit ran. `plan` finds that the token is
//!    Ada's and who Bob is, and gives the message the next id. One statement sees that all whom the batch names are in the file,
//!    and inserts its messages; when it returns, they are on the disk. Then they are in the index, too, which has them in memory.
//! 4. The batch goes to the dispatcher, on the same thread. It puts the response into Ada's outbox, at its number, then asks the
//!    [`registry`] for Bob's connections, encodes the update for the framing of each, and offers it to their outboxes.
//! 5. Bob's outbox is *live* and has room, so the update is queued. In a batch of few the dispatcher writes it to his socket at
//!    once, as far as that takes it without waiting. In a batch of many his connection's writer wakes, takes all that waits as
//!    one chunk and writes it, while the next batch is committed. Had there been no room, the outbox would have noted the id and
//!    become *lagging*; his writer, once it has written everything, would read on from the store.
//! 6. Bob's TCP acknowledges the bytes. A moment later his connection notices, notes that he has received the log up to this
//!    id, and within a second the mark is saved: his next login begins behind it.

pub mod admin;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod conformance;
pub mod domain;
pub mod net;
pub mod outbox;
pub mod protocol;
pub mod registry;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod store;
mod sync;
pub mod telemetry;
