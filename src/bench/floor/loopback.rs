//! A floor: the same bytes between the same sockets, by a loop that looks at none of them.

use std::net::TcpListener;

use super::Loopback;
use super::relay::{Relay, Route};
use crate::bench::error::BenchError;
use crate::bench::load::cast::{Cast, To};
use crate::bench::load::content::FILLER;
use crate::bench::load::people::People;
use crate::bench::load::seat::Sample;
use crate::bench::load::stage::Pace;
use crate::bench::load::talk::{Talk, Timing, template};
use crate::bench::load::template::{Template, find};
use crate::bench::load::wire::Wire;
use crate::bench::options::Load;
use crate::client::Login;
use crate::domain::Secret;
use crate::protocol::{Framing, Response, Update};

/// Has the people of a scenario talk through the loop.
pub(super) async fn run(
    cast: &Cast,
    load: &Load,
    sample: Sample,
    timing: Timing,
    pace: Pace,
) -> Result<Loopback, BenchError> {
    let people = People::new(String::new(), load.version);
    let templates = |person: usize, to: To| {
        let token = Secret::new("0".repeat(36));
        template(&people, &Login { username: people.username(person), token, head: None }, to, load.content_bytes)
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (mut wires, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..cast.people {
        wires.push(Wire::connect(&address).await?);
        sockets.push(listener.accept()?.0);
    }
    let route = |(person, lanes): (usize, Vec<u32>)| route(cast, person, &lanes, load.content_bytes, sample, templates);
    let routes = cast.lanes_of().into_iter().enumerate().map(route).collect();
    let relay = Relay::new(sockets, routes, response(sample.response_bytes))?.start();
    let mut talk = Talk::begin(cast, wires, templates);
    let talked = talk.round(timing, pace, || ()).await?;
    let cpu_ns = relay.stop()?;
    if !talked.account.is_right() {
        return Err(BenchError::Impossible("the loopback floor has lost messages; nothing can be compared with it"));
    }
    Ok(Loopback {
        messages_per_s: talked.answered as f64 / talked.elapsed.as_secs_f64(),
        receipt_p50_ns: talked.latencies.receipt.value_at_quantile(0.5) as f64,
        receipt_p99_ns: talked.latencies.receipt.value_at_quantile(0.99) as f64,
        cpu_ns_per_message: cpu_ns as f64 / talked.account.sent as f64,
    })
}

/// The route of a person who sends on these lanes. Their requests have one length, for so have all names.
fn route(
    cast: &Cast,
    person: usize,
    lanes: &[u32],
    content_bytes: usize,
    sample: Sample,
    templates: impl Fn(usize, To) -> Template,
) -> Option<Route> {
    let lanes: Vec<_> = lanes.iter().map(|&lane| &cast.lanes[lane as usize]).collect();
    let template = templates(person, lanes.first()?.to);
    let content = char::from(FILLER).to_string().repeat(content_bytes);
    let update = update(&content, sample.update_bytes);
    let update_content_at = find(&update, content.as_bytes()).expect("an update has its content");
    Some(Route {
        request_bytes: template.request_bytes(),
        content_at: template.content_at(),
        content_bytes,
        receivers: lanes.into_iter().map(|lane| cast.receivers(lane)).collect(),
        turn: 0,
        update,
        update_content_at,
    })
}

/// A response as long as the server's.
fn response(length: usize) -> Vec<u8> {
    let plain = Response::Done.encode(Framing::Array);
    padded(length, plain, |id| Response::Accepted { id, at_ms: 1_800_000_000_000 }.encode(Framing::Array))
}

/// An update as long as the server's.
fn update(content: &str, length: usize) -> Vec<u8> {
    let whisper = |sender| Update::Whisper { sender, content: content.to_owned(), stamp: None }.encode(Framing::Array);
    padded(length, whisper(String::new()), whisper)
}

/// The first of what is made from longer and longer texts that is long enough.
fn padded(length: usize, plain: Vec<u8>, make: impl Fn(String) -> Vec<u8>) -> Vec<u8> {
    if plain.len() >= length {
        return plain;
    }
    let mut made = (0..=length).map(|filling| make("-".repeat(filling)));
    made.find(|bytes| bytes.len() >= length).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::task::LocalSet;

    #[test]
    fn what_a_server_sends_is_imitated_in_its_length() {
        for length in [11, 40, 60, 300] {
            assert!((length..length + 3).contains(&response(length).len()));
        }
        let content = ".".repeat(100);
        for length in [130, 170, 200] {
            assert!((length..length + 3).contains(&update(&content, length).len()));
        }
    }

    #[tokio::test]
    async fn everybody_who_is_there_receives_everything() {
        let mut cast = Cast { people: 5, away: vec![3], groups: vec![(0..5).collect()], ..Cast::default() };
        cast.add_lane(0, To::Group(0), 4);
        cast.add_lane(1, To::User(2), 4);
        let moment = Duration::from_millis(50);
        let timing = Timing { warm_up: Duration::ZERO, measured: moment, patience: Duration::from_secs(10) };
        let load = Load {
            version: 2,
            rounds: 1,
            measured: moment,
            warm_up: moment,
            patience: timing.patience,
            pairs: 1,
            window: 4,
            members: 5,
            groups: 1,
            connections: None,
            messages: 1,
            conversations: None,
            content_bytes: 64,
            preload: None,
            rate: None,
        };
        let sample = Sample { response_bytes: 50, update_bytes: 150 };

        let running = run(&cast, &load, sample, timing, Pace::Closed);
        let loopback = LocalSet::new().run_until(running).await.unwrap();

        assert!(loopback.messages_per_s > 0.0 && loopback.receipt_p50_ns > 0.0 && loopback.cpu_ns_per_message > 0.0);
    }
}
