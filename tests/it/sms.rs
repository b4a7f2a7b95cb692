//! The SMS channel.

mod smpp;
