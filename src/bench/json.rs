//! What programs read of a run. Shape: `{"chinwag", "scenarios": [{"scenario", "setting", "account", "figures", "rounds"}]}`;
//! each figure is `{"median", "min", "max"}` or null, each round has its figures by their names.

use serde_json::{Map, Value, json};

use super::figure::Figure;
use super::load::stage::Account;
use super::options::Load;
use super::preload::Filled;
use super::result::{Outcome, Round, Summary};

/// All scenarios of a run.
pub(super) fn report(outcomes: &[Outcome], load: &Load, filled: Option<&Filled>) -> Value {
    let scenarios: Vec<Value> = outcomes.iter().map(scenario).collect();
    json!({ "chinwag": env!("CARGO_PKG_VERSION"), "load": settings(load, filled), "scenarios": scenarios })
}

fn settings(load: &Load, filled: Option<&Filled>) -> Value {
    json!({
        "version": load.version,
        "rounds": load.rounds,
        "measured_s": load.measured.as_secs_f64(),
        "warm_up_s": load.warm_up.as_secs_f64(),
        "pairs": load.pairs,
        "window": load.window,
        "members": load.members,
        "groups": load.groups,
        "connections": load.connections,
        "messages": load.messages,
        "conversations": load.conversations.unwrap_or(1),
        "content_bytes": load.content_bytes,
        "rate_per_s": load.rate,
        "preloaded_messages": load.preload.map(|preload| preload.messages),
        "preloaded_users": load.preload.map(|preload| preload.users),
        "preloaded_file_bytes": filled.map(|filled| filled.bytes),
    })
}

fn scenario(outcome: &Outcome) -> Value {
    let figures: Map<String, Value> =
        outcome.summaries().into_iter().map(|(figure, of)| (figure.name.to_owned(), summary(of))).collect();
    json!({
        "scenario": outcome.scenario.name(),
        "setting": outcome.setting,
        "account": account(&outcome.account()),
        "refusal": outcome.refusal,
        "figures": figures,
        "rounds": outcome.rounds.iter().map(round).collect::<Vec<Value>>(),
    })
}

fn summary(summary: Option<Summary>) -> Value {
    summary.map_or(Value::Null, |Summary { median, min, max }| json!({ "median": median, "min": min, "max": max }))
}

fn round(round: &Round) -> Value {
    let value = |(figure, value): &(&'static Figure, Option<f64>)| {
        // What is no number, such as a rate of nothing, is null in JSON too.
        (figure.name.to_owned(), json!(value))
    };
    Value::Object(round.figures.iter().map(value).collect())
}

/// What became of all messages.
pub(super) fn account(account: &Account) -> Value {
    let Account { sent, answered, refused, received, lost, doubled, out_of_order, unknown } = account;
    json!({
        "sent": sent,
        "answered": answered,
        "refused": refused,
        "received": received,
        "lost": lost,
        "doubled": doubled,
        "out_of_order": out_of_order,
        "unknown": unknown,
    })
}
