//! A bot that whispers back what is whispered to it, each thing once, however often it or the server is killed.
//!
//! Runs against a live server: `cargo run --example echo [ADDRESS]`. Then whisper something to `echo`.

use anyhow::{Context, bail};
use chinwag::client::{Chat, Client, ClientError, Credentials, Endpoint, Event, Message, Options, Outgoing, Start};
use chinwag::protocol::{Conversation, Framing};

const DEFAULT_ADDRESS: &str = "127.0.0.1:4242";
const PASSWORD: &str = "purple teapot";

/// Holds the id of the last message that was dealt with.
const KEPT: &str = "echo.last";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let mut client = Client::connect(&address, Framing::Array).await.context("start a server first")?;
    match client.register("echo", PASSWORD).await {
        Ok(()) | Err(ClientError::Refused(_)) => {} // new, or known from before
        Err(err) => return Err(err.into()),
    }
    let mut chat = Chat::start(Options {
        server: Endpoint::plain(address),
        credentials: Credentials::Password { username: "echo".to_owned(), password: PASSWORD.to_owned().into() },
        start: std::fs::read_to_string(KEPT).map_or(Start::Oldest, Start::After),
        program: "echo/1.0".to_owned(),
    });
    while let Some(event) = chat.next_event().await {
        match &event {
            Event::Message(message) => answer(&chat, message).await?,
            Event::Connected(login) => println!("whisper to {}", login.username),
            Event::Reconnecting { wait, why } => println!("{why}; trying again in {wait:?}"),
            Event::Ended(ended) => bail!("{ended}"),
            Event::Synced { .. } | Event::Gap { .. } | Event::Changed(_) => {}
        }
        if let Some(id) = event.id() {
            std::fs::write(format!("{KEPT}.new"), id)?;
            std::fs::rename(format!("{KEPT}.new"), KEPT)?;
        }
    }
    Ok(())
}

/// Whoever is killed before the id is kept answers again, with the same nonce: it is the same answer.
async fn answer(chat: &Chat, message: &Message) -> anyhow::Result<()> {
    if message.is_own || !matches!(message.conversation, Conversation::With(_)) {
        return Ok(());
    }
    let echo = Outgoing {
        nonce: format!("to {}", message.id),
        conversation: message.conversation.clone(),
        content: message.content.clone(),
    };
    chat.speaker().say(echo).await?;
    Ok(())
}
