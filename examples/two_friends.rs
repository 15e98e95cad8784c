//! Two friends talk: they register, log in, add a contact, whisper and meet in a group.
//!
//! Runs against a live server: `cargo run --example two_friends [ADDRESS]`. Every run makes names of its own.

use std::time::Duration;

use anyhow::{Context, ensure};
use chinwag::client::Client;
use chinwag::protocol::{Framing, Update};
use tokio::time::timeout;
use uuid::Uuid;

const DEFAULT_ADDRESS: &str = "127.0.0.1:4242";

const PASSWORD: &str = "purple teapot";

/// How long an update may take before the example gives up.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let mut ada = arrive(&address, "ada").await?;
    let mut bob = arrive(&address, "bob").await?;
    let (ada_name, bob_name) = (name_of(&ada)?, name_of(&bob)?);

    ada.add_contact(&bob_name).await?;
    println!("{ada_name} added {bob_name} as a contact");

    ada.whisper(&bob_name, "are you coming to tea?").await?;
    expect(&mut bob, &whisper(&ada_name, "are you coming to tea?")).await?;
    bob.whisper(&ada_name, "open a group, I'll join").await?;
    expect(&mut ada, &whisper(&bob_name, "open a group, I'll join")).await?;

    let tea = format!("tea with {ada_name}");
    ada.create_group(&tea).await?;
    bob.join_group(&tea).await?;
    println!("{ada_name} opened the group \"{tea}\", and {bob_name} joined it");

    ada.message_group(&tea, "the kettle is on").await?;
    // All members see what is said in a group, who said it included.
    let said = group_message(&tea, &ada_name, "the kettle is on");
    expect(&mut ada, &said).await?;
    expect(&mut bob, &said).await?;

    bob.log_out().await?;
    ada.whisper(&bob_name, "you forgot your umbrella").await?;
    println!("{bob_name} left, and {ada_name} whispered once more");
    bob.log_in(&bob_name, PASSWORD).await?;
    expect(&mut bob, &whisper(&ada_name, "you forgot your umbrella")).await
}

/// A client of a new user, logged in.
async fn arrive(address: &str, name: &str) -> anyhow::Result<Client> {
    let username = format!("{name}-{}", &Uuid::new_v4().simple().to_string()[..8]);
    let mut client = Client::connect(address, Framing::Array)
        .await
        .with_context(|| format!("cannot reach {address}: start a server with `cargo run --release -- serve`"))?;
    client.register(&username, PASSWORD).await?;
    client.log_in(&username, PASSWORD).await?;
    println!("{username} registered and logged in");
    Ok(client)
}

fn name_of(client: &Client) -> anyhow::Result<String> {
    Ok(client.login()?.username.clone())
}

fn whisper(sender: &str, content: &str) -> Update {
    Update::Whisper { sender: sender.to_owned(), content: content.to_owned(), stamp: None }
}

fn group_message(group_name: &str, sender: &str, content: &str) -> Update {
    let (group_name, sender, content) = (group_name.to_owned(), sender.to_owned(), content.to_owned());
    Update::GroupMessage { group_name, sender, content, stamp: None }
}

/// Waits for the client's next update, prints it, and fails when it is another than `expected`.
async fn expect(client: &mut Client, expected: &Update) -> anyhow::Result<()> {
    let receiver = name_of(client)?;
    let update = timeout(PATIENCE, client.next_update()).await.context("no update came in time")??;
    match &update {
        Update::Whisper { sender, content, .. } => println!("  {receiver} hears {sender} whisper: {content}"),
        Update::GroupMessage { group_name, sender, content, .. } => {
            println!("  {receiver} hears {sender} in \"{group_name}\": {content}");
        }
        other => println!("  {receiver} hears {other:?}"),
    }
    ensure!(update == *expected, "expected {expected:?}");
    Ok(())
}
