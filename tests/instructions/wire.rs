//! Bytes to requests, and responses and updates to bytes.

use std::hint::black_box;
use std::sync::Arc;

use chinwag::domain::{Epoch, MessageId, Secret, Token};
use chinwag::protocol::{Framing, MessageRef, Request, RequestDecoder, RequestLimits, Response, StampRef};
use gungraun::{library_benchmark, library_benchmark_group};

/// Of a line that people write.
pub(crate) const CONTENT: &str = "shall we meet at the station at half past six? bring the map, please";

/// A bench's requests: 64, as many as a connection may have under way.
const COUNT: i64 = 64;

const LIMITS: RequestLimits = RequestLimits { max_bytes: 64 * 1024, stranger_max_bytes: 4 * 1024 };

/// Which wire is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Bare,
    Array,
    Version2,
}

impl Wire {
    pub(crate) fn framing(self) -> Framing {
        if self == Self::Bare { Framing::Bare } else { Framing::Array }
    }

    /// A whisper from Ada to Bob.
    pub(crate) fn whisper(self, token: &Secret<'_>, number: i64) -> Vec<u8> {
        let request = Request::Whisper {
            username: "ada".into(),
            token: token.clone(),
            recipient: "bob".into(),
            content: CONTENT.into(),
            nonce: (self == Self::Version2).then(|| format!("4be0643f-1d98-573b-97cd-{number:012}").into()),
        };
        request.encode(self.framing())
    }
}

pub(crate) fn hello() -> Vec<u8> {
    Request::Hello { version: 2, client: Some("instructions".into()) }.encode(Framing::Array)
}

fn whispers(wire: Wire) -> (RequestDecoder, Vec<u8>) {
    let mut decoder = RequestDecoder::new(wire.framing(), LIMITS);
    if wire == Wire::Version2 {
        decoder.decode(&hello(), true).unwrap().0.unwrap();
    }
    let token = Token::random().to_secret();
    (decoder, (0..COUNT).flat_map(|number| wire.whisper(&token, number)).collect())
}

#[library_benchmark(setup = whispers)]
#[bench::bare(Wire::Bare)]
#[bench::array(Wire::Array)]
#[bench::version_2(Wire::Version2)]
fn decode_64_whispers((mut decoder, bytes): (RequestDecoder, Vec<u8>)) -> (RequestDecoder, Vec<u8>) {
    let mut rest = black_box(bytes.as_slice());
    while let Some((request, length)) = decoder.decode(rest, true) {
        black_box(request).unwrap();
        rest = &rest[length..];
    }
    (decoder, bytes)
}

#[library_benchmark]
#[bench::bare(Wire::Bare)]
#[bench::version_2(Wire::Version2)]
fn encode_64_responses(wire: Wire) {
    let epoch = Epoch::new(&[1, 2, 3, 4]);
    for number in 0..COUNT {
        let response = match wire {
            Wire::Bare | Wire::Array => Response::Done,
            Wire::Version2 => Response::Accepted { id: epoch.id(MessageId(number)), at_ms: 1_700_000_000_000 },
        };
        black_box(black_box(response).encode(wire.framing()));
    }
}

#[library_benchmark]
#[bench::bare(Wire::Bare)]
#[bench::version_2(Wire::Version2)]
fn encode_64_whispers(wire: Wire) {
    let (epoch, mut bytes) = (Epoch::new(&[1, 2, 3, 4]), Vec::new());
    for number in 0..COUNT {
        bytes.clear();
        let id = (wire == Wire::Version2).then(|| epoch.id(MessageId(number)));
        let stamp = id.as_deref().map(|id| StampRef { id, at_ms: 1_700_000_000_000, to: None, nonce: None });
        MessageRef { group_name: None, sender: black_box("ada"), content: black_box(CONTENT), stamp }
            .write(wire.framing(), &mut bytes);
        // As it is shared.
        black_box(Arc::<[u8]>::from(bytes.as_slice()));
    }
}

library_benchmark_group!(name = codec, benchmarks = [decode_64_whispers, encode_64_responses, encode_64_whispers]);
