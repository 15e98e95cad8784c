//! A request that is encoded once; of each message only the mark and the nonce are written anew.

use std::borrow::Cow;

use super::content::{FILLER, Mark, write_hex};
use crate::protocol::{Framing, Request};

/// Stands where a nonce will be.
const NONCE: &str = "nnnnnnnnnnnnnnnn";

/// The bytes of a request to say something.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    content_at: usize,
    content_bytes: usize,
    nonce_at: Option<usize>,
}

impl Template {
    /// `request` makes it from a content of `content_bytes` and, in version 2, a nonce.
    pub(crate) fn new(
        content_bytes: usize,
        version: u8,
        request: impl FnOnce(Cow<'static, str>, Option<Cow<'static, str>>) -> Request<'static>,
    ) -> Self {
        let content = char::from(FILLER).to_string().repeat(content_bytes);
        let nonce = (version > 1).then_some(NONCE);
        let bytes = request(content.clone().into(), nonce.map(Into::into)).encode(Framing::Array);
        let content_at = find(&bytes, content.as_bytes()).expect("a request to say something has its content");
        let nonce_at = nonce.and_then(|nonce| find(&bytes, nonce.as_bytes()));
        Self { bytes, content_at, content_bytes, nonce_at }
    }

    /// Appends the request of one message.
    pub(crate) fn write(&self, mark: Mark, output: &mut Vec<u8>) {
        let start = output.len();
        output.extend_from_slice(&self.bytes);
        let request = &mut output[start..];
        mark.write(&mut request[self.content_at..self.content_at + self.content_bytes]);
        if let Some(at) = self.nonce_at {
            write_hex(&mut request[at..at + 8], u64::from(mark.lane));
            write_hex(&mut request[at + 8..at + 16], u64::from(mark.sequence));
        }
    }

    /// Units: bytes of each request.
    pub(crate) fn request_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Where the content begins in each request. Units: bytes.
    pub(crate) fn content_at(&self) -> usize {
        self.content_at
    }
}

/// Where `part` is in `bytes` for the last time.
pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    fn whisper(content: Cow<'static, str>, nonce: Option<Cow<'static, str>>) -> Request<'static> {
        Request::Whisper {
            username: "ada".into(),
            token: Secret::new("token"),
            recipient: "bob".into(),
            content,
            nonce,
        }
    }

    #[test]
    fn what_is_written_is_the_request_with_the_mark_in_its_content() {
        for (version, nonce) in [(1, None), (2, Some("0000000300000004".into()))] {
            let template = Template::new(40, version, whisper);
            let mark = Mark { lane: 3, sequence: 4, at_ns: 5 };
            let mut bytes = b"before".to_vec();
            template.write(mark, &mut bytes);

            let content = "00000003000000040000000000000005........".into();
            assert_eq!(bytes[6..], whisper(content, nonce).encode(Framing::Array));
            assert_eq!(Mark::read(&bytes[6 + template.content_at..][..40]), Some(mark));
        }
    }
}
