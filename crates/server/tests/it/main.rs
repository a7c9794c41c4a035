//! Behaviour of the server: answers that company does not change, and the interface that clients expect.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chats;
mod client;
mod company;
mod house;
mod interface;
mod ollama;
mod served;
