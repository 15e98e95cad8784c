//! A loop that passes bytes on, and looks at none of them but to copy them: one thread, one `epoll`. Whatever a wake-up has
//! brought is passed on together, by one write for each receiver.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::bench::load::clock::thread_cpu_ns;

/// Events that one wake-up takes.
const EVENTS: usize = 1024;

/// How often the loop looks whether it is over.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Units: bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// What becomes of what one connection sends.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) request_bytes: usize,
    pub(super) content_at: usize,
    pub(super) content_bytes: usize,
    /// Of one request after the other, in turn.
    pub(super) receivers: Vec<Vec<usize>>,
    /// Whose turn it is.
    pub(super) turn: usize,
    /// An update, whose content is written anew for each message.
    pub(super) update: Vec<u8>,
    pub(super) update_content_at: usize,
}

/// A connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    route: Option<Route>,
    /// The beginning of a request.
    input: Vec<u8>,
    output: Vec<u8>,
    is_dirty: bool,
    /// Whether `epoll` tells when there is room.
    awaits_room: bool,
}

/// A loop that has not begun.
#[derive(Debug)]
pub(super) struct Relay {
    epoll: OwnedFd,
    peers: Vec<Peer>,
    response: Vec<u8>,
    /// Peers with output.
    dirty: Vec<usize>,
    buffer: Vec<u8>,
}

/// A loop on its thread, which ends with this.
pub(super) struct Running {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<u64>>>,
}

impl Relay {
    pub(super) fn new(sockets: Vec<TcpStream>, routes: Vec<Option<Route>>, response: Vec<u8>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut peers = Vec::new();
        for (stream, route) in sockets.into_iter().zip(routes) {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(peers.len() as u64), EventFlags::IN)?;
            let (input, output) = (Vec::new(), Vec::new());
            peers.push(Peer { stream, route, input, output, is_dirty: false, awaits_room: false });
        }
        Ok(Self { epoll, peers, response, dirty: Vec::new(), buffer: vec![0; READ_BYTES] })
    }

    pub(super) fn start(mut self) -> Running {
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || self.run(&watched));
        Running { is_over, thread: Some(thread) }
    }

    /// Returns the CPU time that it took. Units: nanoseconds.
    fn run(&mut self, is_over: &AtomicBool) -> io::Result<u64> {
        let began_ns = thread_cpu_ns();
        let mut events = Vec::with_capacity(EVENTS);
        while !is_over.load(Ordering::Relaxed) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&LOOK_EVERY)) {
                Err(Errno::INTR) => continue,
                waited => waited?,
            };
            for event in &events {
                let (index, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(EventFlags::OUT) {
                    self.mark_dirty(index);
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.read(index)?;
                }
            }
            self.flush()?;
        }
        Ok(thread_cpu_ns() - began_ns)
    }

    fn mark_dirty(&mut self, index: usize) {
        if !std::mem::replace(&mut self.peers[index].is_dirty, true) {
            self.dirty.push(index);
        }
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let peer = &mut self.peers[index];
        let started = peer.input.len();
        buffer[..started].copy_from_slice(&peer.input);
        let read = match peer.stream.read(&mut buffer[started..]) {
            Err(err) if err.kind() == ErrorKind::WouldBlock => 0,
            // Who has gone would be told of at every wake-up.
            Ok(0) => epoll::delete(&self.epoll, &peer.stream).map(|()| 0)?,
            read => read?,
        };
        let rest = self.pass_on(index, &buffer[..started + read]);
        let peer = &mut self.peers[index];
        peer.input.clear();
        peer.input.extend_from_slice(&buffer[rest..started + read]);
        self.buffer = buffer;
        Ok(())
    }

    /// Answers all whole requests and sends their contents on; returns where the rest begins.
    fn pass_on(&mut self, index: usize, bytes: &[u8]) -> usize {
        let Some(mut route) = self.peers[index].route.take() else { return bytes.len() };
        let mut at = 0;
        while let Some(request) = bytes.get(at..at + route.request_bytes) {
            self.put(index, None);
            let content = &request[route.content_at..route.content_at + route.content_bytes];
            let place = route.update_content_at..route.update_content_at + route.content_bytes;
            route.update[place].copy_from_slice(content);
            for &receiver in &route.receivers[route.turn] {
                self.put(receiver, Some(&route.update));
            }
            route.turn = (route.turn + 1) % route.receivers.len();
            at += route.request_bytes;
        }
        self.peers[index].route = Some(route);
        at
    }

    /// Appends an update, or else the response.
    fn put(&mut self, index: usize, update: Option<&[u8]>) {
        self.mark_dirty(index);
        self.peers[index].output.extend_from_slice(update.unwrap_or(&self.response));
    }

    fn flush(&mut self) -> io::Result<()> {
        for index in std::mem::take(&mut self.dirty) {
            let peer = &mut self.peers[index];
            peer.is_dirty = false;
            let written = match peer.stream.write(&peer.output) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => 0,
                written => written?,
            };
            peer.output.drain(..written);
            let awaits_room = !peer.output.is_empty();
            if awaits_room != peer.awaits_room {
                peer.awaits_room = awaits_room;
                let flags = if awaits_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
                epoll::modify(&self.epoll, &peer.stream, EventData::new_u64(index as u64), flags)?;
            }
        }
        Ok(())
    }
}

impl Running {
    /// Returns the CPU time that the loop took. Units: nanoseconds.
    pub(super) fn stop(mut self) -> io::Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is taken here alone");
        thread.join().map_err(|_| io::Error::other("the loop has panicked"))?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
