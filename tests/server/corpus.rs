//! What the fuzzers have found worth keeping, tried again: each file of `fuzz/corpus` by the rules that its target holds it
//! against.

use std::path::Path;

use chinwag::protocol::Framing;

use session::Scene;

#[path = "../../fuzz/oracle/codec.rs"]
mod codec;
#[path = "../../fuzz/oracle/session.rs"]
mod session;

/// The files of a target, smallest first, with their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    assert!(!files.is_empty(), "the corpus of {target} is there");
    files.sort_by_key(|(name, bytes)| (bytes.len(), name.clone()));
    files
}

#[test]
fn the_corpus_of_the_codec_does_no_harm_in_either_framing() {
    for (name, bytes) in [corpus("codec_bare"), corpus("codec_array")].concat() {
        println!("{name}");
        codec::try_bytes(Framing::Bare, &bytes);
        codec::try_bytes(Framing::Array, &bytes);
    }
}

#[tokio::test]
async fn each_request_of_the_sessions_in_the_corpus_is_answered_once() {
    let scene = Scene::start().await;
    for (name, bytes) in corpus("session") {
        println!("{name}");
        scene.try_bytes(&bytes).await;
    }
}
