//! Each provider against a server that speaks its format.
