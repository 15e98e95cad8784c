//! Values that are valid by construction: who holds one need not check it again.
//!
//! Nothing here does any IO, and nothing here knows the wire or the database.

mod content;
mod epoch;
mod group_name;
mod ids;
mod network;
mod nonce;
mod password;
mod rate;
mod secret;
mod token;
mod username;

pub use content::{Content, InvalidContent};
pub use epoch::Epoch;
pub use group_name::{GroupName, InvalidGroupName};
pub use ids::{GroupId, MessageId, SessionId, UserId};
pub use network::Network;
pub use nonce::{InvalidNonce, Nonce};
pub use password::{InvalidPassword, Password};
pub use rate::{Bucket, Overdrawn, Rate};
pub use secret::Secret;
pub use token::{Token, TokenHash};
pub use username::{InvalidUsername, Username};
