//! The golden vectors of version 1, sent to the server.

use serde_json::Value;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_1, Wire};
use crate::conformance::refusals::{NOT_LOGGED_IN, saying};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "the vectors of other encodings are taken",
        wires: VERSION_1,
        section: "Other encodings",
        says: "Requests that the server takes although it would write them otherwise: text in `bin`, and longer formats than \
               needed.",
        check: Run(|scene| Box::pin(are_accepted(scene))),
    },
    Behaviour {
        name: "the vectors of bad input are refused as they say",
        wires: VERSION_1,
        section: "Bad input, by example",
        says: "Here the second line is the sentence of the refusal, and the first says what becomes of the connection.",
        check: Run(|scene| Box::pin(are_refused(scene))),
    },
];

const VERSION_1_JSON: &str = include_str!("../../../docs/vectors/version_1.json");

/// The vectors of a kind in the scene's framing, with their bytes.
fn vectors(scene: &Scene, kind: &str) -> Vec<(Value, Vec<u8>)> {
    let vectors: Value = serde_json::from_str(VERSION_1_JSON).expect("a test reads this file");
    let framing = if scene.wire == Wire::Bare { "bare" } else { "array" };
    let of_kind = vectors[kind].as_array().into_iter().flatten();
    let chosen = of_kind.filter(|vector| vector["framing"] == framing);
    chosen.map(|vector| (vector.clone(), unhex(vector["hex"].as_str().unwrap_or_default()))).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a test reads this file");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// All of them are logouts of somebody who is not logged in.
async fn are_accepted(scene: &mut Scene) -> Met {
    for (_, bytes) in vectors(scene, "accepted") {
        let mut connection = scene.connect().await?;
        connection.send_bytes(&bytes).await?;
        connection.is_refused(&NOT_LOGGED_IN).await?;
    }
    Ok(())
}

async fn are_refused(scene: &mut Scene) -> Met {
    let request_bytes = scene.limits.request_bytes.to_string();
    for (vector, bytes) in vectors(scene, "refused") {
        let why = vector["why"].as_str().unwrap_or_default().replace("65536", &request_bytes);
        // Of a stranger the server takes less than the vectors say.
        let mut ada = scene.log_in(Person::Ada).await?;
        ada.send_bytes(&bytes).await?;
        ada.is_refused(&saying(why)).await?;
        match vector["connection"].as_str() {
            Some("closed") => ada.ends().await?,
            _ => ada.receives_nothing().await?,
        }
    }
    Ok(())
}
