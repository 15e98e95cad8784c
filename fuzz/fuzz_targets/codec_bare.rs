//! Any bytes, in bare framing.

#![no_main]

#[path = "../oracle/codec.rs"]
mod codec;

use chinwag::protocol::Framing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codec::try_bytes(Framing::Bare, bytes));
