//! Improving the target: which criteria separate responders from the rest.
